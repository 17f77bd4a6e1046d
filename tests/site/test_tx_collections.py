"""The tree of collections, their rules, and who is a member of what."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import NotFound, Refused, UsageError
from pxed.site.model import CollectionRule, Computer, RuleKind
from pxed.site.sql import members
from pxed.site.store import Tx
from tests.site.samples_of_a_site import GUID, NOW, SWAPPED, A, B, C, advertise, texts
from tests.site_in_memory import MemorySite

NAME_RULE = CollectionRule(RuleKind.NAME, "ws-*")


def names(tx: Tx, collection_id: int, *, deep: bool = False) -> list[str]:
    """Members, and a check that they are found alike as few or as many, and counted alike."""
    found = [each.name for each in tx.members(collection_id, include_subcollections=deep)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "MANY", 1)
        assert found == [each.name for each in tx.members(collection_id, include_subcollections=deep)]
    assert tx.count_members(collection_id, include_subcollections=deep) == len(found)
    assert [name for _, name in tx.member_names(collection_id, include_subcollections=deep)] == found
    if not deep:
        assert tx.count_all_members().get(collection_id, 0) == len(found)
    return found


def test_a_site_begins_with_the_built_in_ones(tx: Tx) -> None:
    found = {each.id: each.builtin for each in tx.collections()}
    assert found[-1] == "all"
    assert found[-2] == "unknown"
    assert sorted(found.values())[2:] == [
        f"unknown:{firmware}"
        for firmware in ("bios", "uefi-amd64", "uefi-arm64", "uefi-armhf", "uefi-i386", "uefi-loong64", "uefi-riscv64")
    ]


def test_all_computers_has_every_one(tx: Tx) -> None:
    tx.put_computer("b", [B], None)
    tx.put_computer("a", [A], None)
    assert names(tx, -1) == ["a", "b"]
    assert names(tx, -2, deep=True) == []


def test_collections_form_a_tree(tx: Tx) -> None:
    top = tx.add_collection("top")
    left = tx.add_collection("left", "", top.id)
    row = tx.add_collection("row", "", left.id)
    for collection, mac in ((top, A), (row, B)):
        pc = tx.put_computer(f"in-{collection.name}", [mac], None)
        tx.add_member(collection.id, pc.id)
    assert names(tx, top.id) == ["in-top"]
    assert names(tx, left.id) == []
    assert names(tx, left.id, deep=True) == ["in-row"]
    assert names(tx, top.id, deep=True) == ["in-row", "in-top"]
    assert tx.move_collection(row.id, None)
    assert not tx.move_collection(row.id, None)
    assert names(tx, top.id, deep=True) == ["in-top"]
    assert tx.move_collection(row.id, top.id)
    assert names(tx, top.id, deep=True) == ["in-row", "in-top"]
    edits = [text for text in texts(tx) if text.startswith("collection")]
    assert edits == [
        "collection top added",
        "collection left added under top",
        "collection row added under left",
        "collection row moved to the top",
        "collection row moved under top",
    ]


def test_a_member_of_two_subcollections_is_counted_once(tx: Tx) -> None:
    top = tx.add_collection("top")
    pc = tx.put_computer("pc", [A], None)
    for name in ("left", "right"):
        tx.add_member(tx.add_collection(name, "", top.id).id, pc.id)
    assert names(tx, top.id, deep=True) == ["pc"]


def test_a_circle_is_refused_and_named(tx: Tx) -> None:
    a = tx.add_collection("a")
    b = tx.add_collection("b", "", a.id)
    c = tx.add_collection("c", "", b.id)
    with pytest.raises(Refused, match="a cannot be in c, which is in it: a in c in b in a"):
        tx.move_collection(a.id, c.id)
    with pytest.raises(Refused, match="a in a"):
        tx.move_collection(a.id, a.id)
    assert [each.parent_id for each in tx.collections() if not each.builtin] == [None, a.id, b.id]


def test_what_is_used_is_not_removed(tx: Tx) -> None:
    advertise(tx, "ad")
    home = tx.find_collection("c")
    assert home is not None
    with pytest.raises(Refused, match="c is advertised to: ad"):
        tx.remove_collection("c")
    tx.add_collection("below", "", home.id)
    tx.remove_advertisement(tx.advertisements()[0].id)
    with pytest.raises(Refused, match="c has subcollections: below"):
        tx.remove_collection("c")
    tx.remove_collection("below")
    tx.remove_collection("c")


@pytest.mark.parametrize(
    "edit",
    [
        lambda tx, own, pc: tx.remove_collection("all-computers"),
        lambda tx, own, pc: tx.move_collection(-1, own),
        lambda tx, own, pc: tx.move_collection(-3, None),
        lambda tx, own, pc: tx.move_collection(own, -1),
        lambda tx, own, pc: tx.add_collection("x", "", -2),
        lambda tx, own, pc: tx.add_rules(-1, [NAME_RULE]),
        lambda tx, own, pc: tx.remove_rule(-1, NAME_RULE),
        lambda tx, own, pc: tx.add_member(-1, pc),
        lambda tx, own, pc: tx.remove_member(-1, pc),
        lambda tx, own, pc: tx.add_collection("unknown-bios"),
    ],
)
def test_built_in_ones_stay_as_they_are(tx: Tx, edit: Callable[[Tx, int, int], object]) -> None:
    own, pc = tx.add_collection("own"), tx.put_computer("pc", [A], None)
    before = list(tx.collections()), len(texts(tx))
    with pytest.raises(Refused, match=r"is built in|already"):
        edit(tx, own.id, pc.id)
    assert (list(tx.collections()), len(texts(tx))) == before


def test_rules_have_members_as_computers_are_now(tx: Tx) -> None:
    home = tx.add_collection("home")
    tx.put_computer("ws-1", [A], None)
    tx.put_computer("ws-2", [B], None)
    tx.put_computer("pc", [C], GUID)
    assert tx.add_rules(home.id, [NAME_RULE, NAME_RULE]) == 1
    assert tx.add_rules(home.id, [NAME_RULE, CollectionRule(RuleKind.GUID, str(SWAPPED))]) == 1
    assert names(tx, home.id) == ["pc", "ws-1", "ws-2"]
    tx.put_computer("old", [B], None)
    assert names(tx, home.id) == ["pc", "ws-1"]
    direct = tx.find_computer("ws-1")
    assert direct is not None
    tx.add_member(home.id, direct.id)
    assert names(tx, home.id) == ["pc", "ws-1"]
    assert tx.remove_rule(home.id, NAME_RULE)
    assert not tx.remove_rule(home.id, NAME_RULE)
    assert names(tx, home.id) == ["pc", "ws-1"]
    found = tx.find_collection("home")
    assert found is not None
    assert found.rules == (CollectionRule(RuleKind.GUID, str(SWAPPED)),)
    assert "rule name ws-* removed from collection home" in texts(tx)


def test_what_is_not_there_is_not_found(tx: Tx) -> None:
    for ask in (
        lambda: tx.move_collection(99, None),
        lambda: tx.add_collection("x", "", 99),
        lambda: tx.add_rules(99, [NAME_RULE]),
        lambda: tx.members(99),
        lambda: tx.count_members(99, include_subcollections=True),
    ):
        with pytest.raises(NotFound, match="id 99"):
            ask()


def test_a_comment_without_control_characters(tx: Tx) -> None:
    with pytest.raises(UsageError, match=r"the comment .* U\+001B"):
        tx.add_collection("x", "\x1b[2J")


COMPUTERS = [("ws-1", A, None), ("ws-2", B, GUID), ("pc-1", C, None), ("pc-2", "02:00:00:00:00:01", SWAPPED)]
RULES = st.sampled_from(
    [
        CollectionRule(RuleKind.NAME, "ws-*"),
        CollectionRule(RuleKind.NAME, "*-1"),
        CollectionRule(RuleKind.MAC, "02"),
        CollectionRule(RuleKind.GUID, str(GUID)),
    ]
)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.lists(RULES, max_size=2), st.sets(st.integers(0, 2))), max_size=4),
    st.integers(0, 3),
)
def test_members_and_counts_are_those_of_each_collection_taken_alone(
    made: list[tuple[int, list[CollectionRule], set[int]]], asked: int
) -> None:
    tx = MemorySite("operator", NOW)
    computers = [
        tx.put_computer(name, [mac], uuid.UUID(int=number + 1) if guid else None)
        for number, (name, mac, guid) in enumerate(COMPUTERS)
    ]
    homes: list[int] = []
    alone: list[set[Computer]] = []
    parents: list[int | None] = []
    for number, (above, rules, direct) in enumerate(made):
        parents.append(above if above < number else None)
        parent = parents[-1]
        home = tx.add_collection(f"c{number}", "", homes[parent] if parent is not None else None)
        tx.add_rules(home.id, rules)
        tx.add_members(home.id, [computers[each] for each in direct])
        homes.append(home.id)
        alone.append(set(tx.members(home.id)))
    if asked < len(homes):
        below = {asked}
        for number, parent in enumerate(parents):
            if parent in below:
                below.add(number)
        expected = {each.name for number in below for each in alone[number]}
        assert names(tx, homes[asked], deep=True) == sorted(expected)
        names(tx, homes[asked])
