"""A CSV file of computers, line by line."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import UsageError
from pxed.site.import_file import BadLine, Line, parse_columns, read_computers

A, B, C = "52:54:00:00:00:0a", "52:54:00:00:00:0b", "52:54:00:00:00:0c"
GUID = uuid.UUID("55555555-5555-5555-5555-555555555556")
SWAPPED = uuid.UUID(bytes=GUID.bytes_le)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"pc,{GUID},05-06-07-08-09-0A", Line(1, "pc", ("05:06:07:08:09:0a",), GUID)),
        (f"pc,,{A}", Line(1, "pc", (A,), None)),
        (f"pc,{GUID},", Line(1, "pc", (), GUID)),
        (f"pc,{{{GUID}}},".upper(), Line(1, "PC", (), GUID)),
        (f"pc,,{B} {A};{C}", Line(1, "pc", (A, B, C), None)),
        (f"pc,,{B}|{A} ; {B}", Line(1, "pc", (A, B), None)),
        (f' pc , , "{A} {B}" ', None),
        (f'"pc, the second",,"{A}"', Line(1, "pc, the second", (A,), None)),
        (f"\ufeffpc,,{A}", Line(1, "pc", (A,), None)),
        (f"pc,,{A}\r\n", Line(1, "pc", (A,), None)),
        (f"Büro 1,,{A}\r", Line(1, "Büro 1", (A,), None)),
        (f"\n  \n# a comment, with, commas\npc,,{A}", Line(4, "pc", (A,), None)),
    ],
)
def test_a_line_is_read(text: str, expected: Line | None) -> None:
    lines, bad = read_computers(text.encode())
    if expected is None:  # quotes that do not begin a field are no quotes
        assert lines == []
        assert bad[0].number == 1
    else:
        assert (lines, bad) == ([expected], [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"pc,{A}", "2 fields"),
        (f"pc,,{A},x", "4 fields"),
        ("pc,,", "at least one is needed"),
        (f",,{A}", "must not be empty"),
        (f"{A},,{A}", "taken for a MAC"),
        (f"p\x07c,,{A}", r"U\+0007"),
        ("pc,,52:54:00", "'52:54:00' is not a MAC address"),
        ("pc,5555,", "'5555' is not a GUID"),
        (f'"pc,,{A}', "unexpected end of data"),
        (f'"pc"x,,{A}', "expected after"),
        ("name,guid,mac", "--header"),
        ("Name,GUID,MAC", "--header"),
    ],
)
def test_a_bad_line_is_listed_with_its_number_and_reason(text: str, reason: str) -> None:
    lines, bad = read_computers(f"one,,{C}\n\n{text}\ntwo,,{B}\n".encode())
    assert [line.name for line in lines] == ["one", "two"]
    assert [each.number for each in bad] == [3]
    assert re.search(reason, bad[0].reason)


def test_a_line_that_is_no_utf_8_is_bad() -> None:
    assert read_computers(f"Büro,,{A}\n".encode("latin-1")) == ([], [BadLine(1, "is not UTF-8 text")])


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (f"one,,{B}", "the name one is in line 1 already"),
        (f"two,,{B} {A}", f"the MAC address {A} is in line 1 already"),
        (f"two,{GUID},", f"the GUID {min(GUID, SWAPPED)} is in line 1 already"),
        (f"two,{SWAPPED},", f"the GUID {min(GUID, SWAPPED)} is in line 1 already"),
    ],
)
def test_what_an_earlier_line_has_is_bad(second: str, reason: str) -> None:
    lines, bad = read_computers(f"one,{GUID},{A}\n{second}\n".encode())
    assert [line.name for line in lines] == ["one"]
    assert bad == [BadLine(2, reason)]


def test_a_header_is_passed_over() -> None:
    text = f"\n# computers of the lab\nComputer,UUID,Addresses\npc,,{A}\n"
    assert read_computers(text.encode(), header=True) == ([Line(4, "pc", (A,), None)], [])


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_lines_or_bad_lines(data: bytes) -> None:
    lines, bad = read_computers(data)
    numbers = [line.number for line in lines] + [each.number for each in bad]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("columns", "text", "expected"),
    [
        ("mac,name", f"{A},pc", Line(1, "pc", (A,), None)),
        ("name,mac,mac", f"pc,{B},{A} {C}", Line(1, "pc", (A, B, C), None)),
        ("name,mac,mac", f"pc,,{A}", Line(1, "pc", (A,), None)),
        ("ignore,name,ignore,guid", f"x,pc,anything,{GUID}", Line(1, "pc", (), GUID)),
        ("name,mac,source", f"pc,{A},old", Line(1, "pc", (A,), None, "old")),
        ("name,mac,source", f"pc,{A},", Line(1, "pc", (A,), None)),
        (
            "name, mac, variable:Site, variable:Owner",
            f'pc,{A},Vienna,"Doe, Jane"',
            Line(1, "pc", (A,), None, "", {"Site": "Vienna", "Owner": "Doe, Jane"}),
        ),
        ("name,mac,variable:Site", f"pc,{A},", Line(1, "pc", (A,), None)),
    ],
)
def test_columns_say_what_the_fields_mean(columns: str, text: str, expected: Line) -> None:
    assert read_computers(text.encode(), columns=parse_columns(columns)) == ([expected], [])


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ("name", "a column `guid` or `mac`"),
        ("guid,mac", "a column `name`"),
        ("name,mac,serial", "there is no column 'serial'; there are name, guid, mac, source, ignore, variable:NAME"),
        ("name,,mac", "there is no column ''"),
        ("name,name,mac", "the column name is there twice"),
        ("name,mac,variable:A,variable:A", "the column variable:A is there twice"),
        ("name,mac,variable:", "no name for a variable"),
        ("name,mac,variable:PXED_TRY", "pxed's own"),
    ],
)
def test_columns_that_cannot_be(columns: str, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)):
        parse_columns(columns)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"pc,{A},x", "has 3 fields; 4 are needed: name,mac,source,variable:Site"),
        (f"pc,{A},o\x07ld,", "U+0007"),
        (f"pc,{A},,Vi\x1benna", "the value of Site, 'Vi\\x1benna' contains the control character U+001B"),
        (f"pc,{A},,{'x' * 5000}", "at most 4096"),
        ("name,mac,source,variable:site", "--header"),
    ],
)
def test_a_bad_field_of_any_column_is_told(text: str, reason: str) -> None:
    lines, bad = read_computers(text.encode(), columns=parse_columns("name,mac,source,variable:Site"))
    assert lines == []
    assert reason in bad[0].reason
