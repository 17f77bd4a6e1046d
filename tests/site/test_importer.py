"""Importing computers: what lines of a file change in a site."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import Refused
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.import_file import BadLine, Line, parse_columns, read_computers
from pxed.site.importer import import_computers, plan_import
from pxed.site.sql import SqlTx
from tests.site_in_memory import MemorySite

A, B, C = "52:54:00:00:00:0a", "52:54:00:00:00:0b", "52:54:00:00:00:0c"
GUID = uuid.UUID("55555555-5555-5555-5555-555555555556")
SWAPPED = uuid.UUID(bytes=GUID.bytes_le)


def read(text: str) -> tuple[list[Line], list[BadLine]]:
    return read_computers(text.encode())


def test_computers_are_added_changed_or_left(tx: SqlTx) -> None:
    same, old = tx.put_computer("same", [A], None), tx.put_computer("old", [B], GUID)
    home = tx.add_collection("lab")
    lines, bad = read(f"same,,{A}\nnew,{GUID},{B}\nfresh,,{C}\n")
    preview = import_computers(tx, lines, bad, collections=[home], dry_run=True)
    assert list(tx.computers()) == [old, same]
    done = import_computers(tx, lines, bad, collections=[home])
    assert done == preview
    assert [(change.line.name, change.before, change.text) for change in done.added] == [("fresh", None, "")]
    assert [(change.line.name, change.before, change.text) for change in done.changed] == [
        ("new", old, "name old -> new")
    ]
    assert [(change.line.name, change.before, change.text) for change in done.unchanged] == [("same", same, "")]
    assert [each.name for each in tx.members(home.id)] == ["fresh", "new", "same"]
    again = import_computers(tx, lines, bad, collections=[home])
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


def test_source_and_variables_are_written_and_told(tx: SqlTx) -> None:
    old, same = tx.put_computer("old", [A], None), tx.put_computer("same", [B], None)
    tx.set_variables(old, {"Site": "Linz", "Kept": "1"})
    tx.set_variables(same, {"Site": "Vienna"})
    homes = [tx.add_collection("one"), tx.add_collection("two")]
    columns = parse_columns("name,mac,source,variable:Site")
    lines, bad = read_computers(f"old,{A},older,Vienna\nsame,{B},,Vienna\nnew,{C},,\n".encode(), columns=columns)
    preview = import_computers(tx, lines, bad, collections=homes, dry_run=True)
    assert [change.text for change in preview.changed] == ["source none -> older; variable Site 'Linz' -> 'Vienna'"]
    assert [change.line.name for change in preview.unchanged] == ["same"]
    assert import_computers(tx, lines, bad, collections=homes) == preview
    found = tx.find_computer("old")
    assert found is not None
    assert found.source == "older"
    assert tx.variables([found])[found.id] == {"Site": "Vienna", "Kept": "1"}
    for home in homes:
        assert [each.name for each in tx.members(home.id)] == ["new", "old", "same"]
    again = import_computers(tx, lines, bad, collections=homes)
    assert (again.added, again.changed) == ((), ())


def test_what_is_refused_while_writing_is_told_with_its_line(tx: SqlTx) -> None:
    pc = tx.put_computer("pc", [A], None)
    tx.set_variables(pc, {f"V{number}": "1" for number in range(100)})
    lines, bad = read_computers(f"\npc,{A},x\n".encode(), columns=parse_columns("name,mac,variable:W"))
    with pytest.raises(Refused, match="line 2: computer pc would have more than 100 variables; nothing is imported"):
        import_computers(tx, lines, bad)
