"""What is advised to whoever named the columns of a file wrongly."""

import pytest

from pxed.site.import_columns import advice
from pxed.site.import_file import USUAL, Columns, parse_columns

A, B = "52:54:00:00:00:0a", "52:54:00:00:00:0b"
G, H = "55555555-5555-5555-5555-555555555555", "{66666666-5555-5555-5555-555555555556}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"pc1,{A}\npc2,{B}\n", "--columns name,mac"),
        (f"{A},{G},pc1\n,{H},pc2\n", "--columns mac,guid,name"),
        (f"S1,{A},pc1,Room 1\nS2,{B},pc2,Room 1\n", "--columns name,mac,ignore,ignore"),
        (f"Lab,pc1,{A} {B}\nLab,pc2,{G}\n", ""),
        (f"Host,Wired,Wireless\npc1,{A},\npc2,,{B}\n", "--columns name,mac,mac --header"),
        (f"# a comment\n\nname,guid,mac\npc1,{G},{A}\n", ""),  # what is said of the first line is enough
        (f"pc1;{A}\npc2;{B}\n", "separated by commas, and here it seems by semicolons"),
        (f"pc1\t{A}\n", "by tabs"),
        (f"pc1,{G},{A}\npc1,{H},{B}\n", ""),  # the columns are right, a name is there twice
        (f"pc1,{A}\npc2,{A}\n", ""),  # a MAC address is there twice, whatever the columns are called
        ("pc1,Lab\npc2,Lab\n", ""),
        (f"pc1,{A}\npc2\n", ""),
        ('"pc1,x\n', ""),
        ("pc1\n", ""),
        ("", ""),
    ],
)
def test_what_would_read_the_first_lines(text: str, expected: str) -> None:
    said = advice(text.encode(), USUAL, header=False)
    assert expected in said
    assert bool(expected) == bool(said)


@pytest.mark.parametrize(("columns", "header"), [(USUAL, True), (parse_columns("name,guid,mac,ignore"), False)])
def test_what_reads_the_first_lines_needs_no_advice(columns: Columns, header: bool) -> None:
    rest = ",x" * (len(columns.titles) - 3)
    first = "name,guid,mac\n" if header else ""
    text = "".join(f"pc{n},,52:54:00:00:01:{n:02x}{rest}\n" for n in range(150))
    assert advice(f"{first}broken\n{text}".encode(), columns, header=header) == ""
