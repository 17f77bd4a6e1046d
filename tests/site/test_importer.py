from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.site.importer import BadLine, Line, import_computers, plan_import, read_computers
from pxed.site.model import IdentifierKind, IdentifierList
from pxed.site.sql import SqlTx
from tests.site_in_memory import MemorySite

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


def read(text: str) -> tuple[list[Line], list[BadLine]]:
    return read_computers(text.encode())


def test_computers_are_added_changed_or_left(tx: SqlTx) -> None:
    same, old = tx.put_computer("same", [A], None), tx.put_computer("old", [B], GUID)
    home = tx.add_collection("lab")
    lines, bad = read(f"same,,{A}\nnew,{GUID},{B}\nfresh,,{C}\n")
    preview = import_computers(tx, lines, bad, collection=home, dry_run=True)
    assert list(tx.computers()) == [old, same]
    done = import_computers(tx, lines, bad, collection=home)
    assert done == preview
    assert [(change.line.name, change.before, change.text) for change in done.added] == [("fresh", None, "")]
    assert [(change.line.name, change.before, change.text) for change in done.changed] == [
        ("new", old, "name old -> new")
    ]
    assert [(change.line.name, change.before, change.text) for change in done.unchanged] == [("same", same, "")]
    assert [each.name for each in tx.members(home.id)] == ["fresh", "new", "same"]
    again = import_computers(tx, lines, bad, collection=home)
    assert (again.added, again.changed, len(again.unchanged)) == ((), (), 3)


def test_with_a_bad_line_nothing_is_imported_unless_it_may_be_skipped(tx: SqlTx) -> None:
    lines, bad = read(f"one,,{A}\ntwo,,\nthree,,{B}\n")
    plan = import_computers(tx, lines, bad)
    assert [each.number for each in plan.bad] == [2]
    assert list(tx.computers()) == []
    assert import_computers(tx, lines, bad, skip_bad=True) == plan
    assert [each.name for each in tx.computers()] == ["one", "three"]


@pytest.mark.parametrize("text", [f"one,{SWAPPED},{C}", f"new,,{A} {B}", f"two,,{A}"])
def test_a_line_for_two_computers_is_bad(tx: SqlTx, text: str) -> None:
    tx.put_computer("one", [A], None)
    tx.put_computer("two", [B], GUID)
    plan = import_computers(tx, *read(text))
    assert plan.bad == (BadLine(1, f"{text[:3]}: belongs to different computers: one, two"),)


def test_a_line_with_a_shared_identifier_is_bad_unless_the_computer_has_it(tx: SqlTx) -> None:
    tx.put_computer("one", [A], SWAPPED)
    for kind, value in ((IdentifierKind.MAC, A), (IdentifierKind.MAC, B), (IdentifierKind.GUID, str(GUID))):
        tx.list_identifier(IdentifierList.SHARED, kind, value, "a dock")
    plan = import_computers(tx, *read(f"one,{SWAPPED},{A}\ntwo,,{B} {C}\nthree,{uuid.UUID(int=0)},\n"))
    assert [change.line.name for change in plan.unchanged] == ["one"]
    assert [each.number for each in plan.bad] == [2, 3]
    assert plan.bad[0].reason.startswith(f"two: the MAC address {B} (a dock) was put on the shared list by operator")


def test_two_lines_for_one_computer_are_bad(tx: SqlTx) -> None:
    before = tx.put_computer("one", [A, B], GUID)
    plan = import_computers(tx, *read(f"x,,{A}\ny,,{B}\n"))
    assert plan.bad == (BadLine(2, "y: is one, which line 1 is already"),)
    assert list(tx.computers()) == [before]


NAMES = st.sampled_from(["a", "b", "c"])
MACS = st.lists(st.sampled_from([A, B, C]), max_size=2).map(" ".join)
FILES = st.lists(st.tuples(NAMES, st.sampled_from(["", str(GUID), str(SWAPPED)]), MACS).map(",".join), max_size=4)


@given(first=FILES, second=FILES)
def test_what_was_planned_is_what_happens(first: list[str], second: list[str]) -> None:
    site = MemorySite()
    for file in (first, second):
        lines, bad = read("\n".join(file))
        before = {each.id: each for each in site.computers()}
        plan = plan_import(lines, bad, before.values())
        import_computers(site, lines, bad, skip_bad=True)
        after = {each.id: each for each in site.computers()}
        assert {each.name for key, each in after.items() if key not in before} == {
            change.line.name for change in plan.added
        }
        assert {each.name for key, each in after.items() if before.get(key, each) != each} == {
            change.line.name for change in plan.changed
        }
        for change in (*plan.added, *plan.changed, *plan.unchanged):
            found = site.find_computer(change.line.name)
            assert found is not None
            assert (found.macs, found.guid) == (change.line.macs, change.line.guid)
