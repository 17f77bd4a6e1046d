"""What is known of a computer beside its identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pxed.errors import Refused, UsageError
from pxed.site.model import RuleKind
from pxed.site.names import MAX_VALUE, MAX_VARIABLES
from pxed.site.rules import make_rule
from pxed.site.store import Tx
from tests.site.samples_of_a_site import NOW, A, B, texts
from tests.site_in_memory import MemorySite

pytestmark = pytest.mark.usefixtures("new_site")


@pytest.fixture
def site() -> MemorySite:
    return MemorySite("operator", NOW)


def test_variables_are_set_changed_and_removed(site: MemorySite) -> None:
    one, two = site.put_computer("one", [A], None), site.put_computer("two", [B], None)
    assert site.set_variables(one, {"Site": "Vienna", "Owner": "Jane"}) == 2
    assert site.set_variables(one, {"Site": "Vienna", "Owner": "Joe"}) == 1
    assert site.set_variables(one, {"Site": "Vienna"}) == 0
    assert site.variables([one, two]) == {one.id: {"Owner": "Joe", "Site": "Vienna"}, two.id: {}}
    assert site.unset_variable(one, "Site")
    assert not site.unset_variable(one, "Site")
    assert site.environment_of(str(one.id)) == {"Owner": "Joe"}
    assert texts(site, str(one.id))[1:] == [
        "variables of computer one: Site = 'Vienna', Owner = 'Jane'",
        "variables of computer one: Owner = 'Joe'",
        "variable Site of computer one removed",
    ]
    site.remove_computer(one.id)
    assert site.environment_of(str(one.id)) == {}


def test_variables_of_many_are_read_at_once(tx: Tx) -> None:
    made = [tx.put_computer(f"pc{n}", [f"5254000{n:05x}"], None) for n in range(600)]
    for each in made[::50]:
        tx.set_variables(each, {"N": each.name})
    assert tx.variables(made) == {each.id: ({"N": each.name} if each in made[::50] else {}) for each in made}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("", "x", "no name for a variable"),
        ("1A", "x", "no digit first"),
        ("A-B", "x", "no name for a variable"),
        ("PXED_TRY", "x", "pxed's own"),
        ("A", "x" * (MAX_VALUE + 1), "at most 4096"),
        ("A", "a\0b", r"U\+0000"),
        ("A", "a\nb", r"U\+000A"),
    ],
)
def test_what_can_be_no_variable(tx: Tx, name: str, value: str, why: str) -> None:
    pc = tx.put_computer("pc", [A], None)
    with pytest.raises(UsageError, match=why):
        tx.set_variables(pc, {"Good": "1", name: value})
    assert tx.variables([pc]) == {pc.id: {}}


def test_variables_are_bounded(tx: Tx) -> None:
    pc = tx.put_computer("pc", [A], None)
    tx.set_variables(pc, {f"V{n}": "1" for n in range(MAX_VARIABLES)})
    tx.set_variables(pc, {"V0": "2"})
    with pytest.raises(Refused, match="more than 100"):
        tx.set_variables(pc, {"W": "1"})


def test_the_computer_that_it_replaces(site: MemorySite) -> None:
    pc = site.put_computer("pc", [A], None)
    assert site.set_source(pc, "old")
    found = site.find_computer("pc")
    assert found == replace(pc, source="old")
    assert site.environment_of(str(pc.id)) == {"PXED_SOURCE": "old"}
    assert not site.set_source(found, "old")
    assert site.set_source(found, "")
    assert texts(site, str(pc.id))[1:] == ["computer pc replaces old", "computer pc no longer replaces old"]
    with pytest.raises(UsageError, match=r"U\+0007"):
        site.set_source(pc, "a\ab")


def test_firmware_is_noted_without_an_edit(site: MemorySite) -> None:
    pc = site.put_computer("pc", [A], None)
    change, said = site.plan().change, texts(site)
    site.heard(pc.id, 7)
    found = site.find_computer("pc")
    assert found is not None
    assert (found.architecture, found.firmware) == (7, "uefi-amd64")
    assert (site.plan().change, texts(site)) == (change, said)
    known = site.look_up(A, [])[1].by_mac
    assert known is not None
    assert known.computer == found


def test_overwriting_keeps_what_is_known_beside(tx: Tx) -> None:
    pc = tx.put_computer("pc", [A], None)
    tx.set_source(pc, "old")
    tx.heard(pc.id, 0)
    tx.set_variables(pc, {"Site": "Vienna"})
    after = tx.put_computer("renamed", [A, B], None)
    assert (after.source, after.firmware) == ("old", "bios")
    assert tx.find_computer("renamed") == after
    assert tx.variables([after])[after.id] == {"Site": "Vienna"}


def test_firmware_that_is_heard_is_a_change_of_the_site_where_rules_look_at_it(site: MemorySite) -> None:
    pc, lab = site.put_computer("pc", [A], None), site.add_collection("lab")
    before = site.change()
    site.heard(pc.id, 7)
    assert site.change() == before
    site.add_rules(lab.id, [make_rule(RuleKind.ARCHITECTURE, "bios")])
    before = site.change()
    site.heard(pc.id, 7)
    assert site.change() == before
    site.heard(pc.id, 0)
    assert site.change() > before
    assert site.count_members(lab.id) == 1
