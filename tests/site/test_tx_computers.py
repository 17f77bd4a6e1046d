"""Computers and collections by example: on the database, and on the site in memory, which must agree."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from pxed.errors import NotFound, Refused, UsageError
from pxed.site.store import Tx
from tests.site.samples_of_a_site import GUID, SWAPPED, A, B, C, advertise, own_collections, record, sighting, texts


def test_a_computer_is_added(tx: Tx) -> None:
    added = tx.put_computer("pc", [B, A.upper(), A], GUID)
    assert (added.name, added.macs, added.guid) == ("pc", (A, B), GUID)
    assert list(tx.computers()) == [added]
    assert texts(tx, str(added.id)) == [f"computer pc added: {A}, {B}, {GUID}"]


@pytest.mark.parametrize("key", ["pc", A, "52-54-00-00-00-0A", "5254.0000.000a", str(GUID), f"{{{SWAPPED}}}".upper()])
def test_a_computer_is_found_by_all_its_names(tx: Tx, key: str) -> None:
    added = tx.put_computer("pc", [A], GUID)
    tx.put_computer("other", [B], None)
    assert tx.find_computer(key) == added


@pytest.mark.parametrize("key", ["PC", C, "", "nobody", str(uuid.UUID(int=9, version=4))])
def test_nothing_is_found_under_other_names(tx: Tx, key: str) -> None:
    tx.put_computer("pc", [A], GUID)
    assert tx.find_computer(key) is None


@pytest.mark.parametrize(
    ("name", "macs", "guid", "change"),
    [
        ("pc", [B], None, f"GUID {GUID} -> none; MAC {B} added; MAC {A} removed"),
        ("new", [B], GUID, f"name pc -> new; MAC {B} added; MAC {A} removed"),
        ("new", [B], SWAPPED, f"name pc -> new; GUID {GUID} -> {SWAPPED}; MAC {B} added; MAC {A} removed"),
        ("new", [A], None, f"name pc -> new; GUID {GUID} -> none"),
    ],
    ids=["name", "guid", "swapped guid", "mac"],
)
def test_a_computer_is_overwritten(tx: Tx, name: str, macs: list[str], guid: uuid.UUID | None, change: str) -> None:
    before = tx.put_computer("pc", [A], GUID)
    after = tx.put_computer(name, macs, guid)
    assert after.id == before.id
    assert list(tx.computers()) == [after]
    assert texts(tx, str(before.id))[1:] == [f"computer {name} changed: {change}"]


def test_writing_the_same_again_is_no_edit(tx: Tx) -> None:
    first = tx.put_computer("pc", [A, B], GUID)
    assert tx.put_computer("pc", [B, A], GUID) == first
    assert len(texts(tx)) == 1


@pytest.mark.parametrize(
    ("name", "macs", "guid"),
    [("one", [B], None), ("one", [C], GUID), ("three", [A, B], None), ("three", [A], SWAPPED)],
)
def test_identifiers_of_two_computers_are_refused(tx: Tx, name: str, macs: list[str], guid: uuid.UUID | None) -> None:
    before = [tx.put_computer("one", [A], None), tx.put_computer("two", [B], GUID)]
    with pytest.raises(Refused, match=f"^{name}: .* different computers: one, two"):
        tx.put_computer(name, macs, guid)
    assert sorted(tx.computers(), key=lambda each: each.id) == before


def test_a_bad_name_is_refused(tx: Tx) -> None:
    advertise(tx)
    for edit in (
        lambda: tx.put_computer("a\n", [A], None),
        lambda: tx.add_collection("a\n"),
        lambda: tx.add_boot_image("a\n"),
        lambda: tx.put_sequence("a\n", "image", "{}"),
        lambda: advertise(tx, "a\n"),
    ):
        with pytest.raises(UsageError, match=r"U\+000A|space"):
            edit()


def test_a_computer_inherits_what_it_was_while_unknown(tx: Tx) -> None:
    first, second = advertise(tx, "first"), advertise(tx, "second")
    tx.save_record(record(A, first, changed=1))
    by_b = tx.save_record(record(B, first, changed=2))
    other = tx.save_record(record(A, second))
    foreign = tx.save_record(record(C, first))
    tx.saw(sighting(A))
    tx.saw(sighting("52:54:00:00:00:0d", guid=SWAPPED))
    tx.saw(sighting(C))
    pc = tx.put_computer("pc", [A, B], GUID)
    subject = str(pc.id)
    assert tx.records(subject) == [replace(by_b, subject=subject), replace(other, subject=subject)]
    assert tx.records(A) == tx.records(B) == []
    assert tx.records(C) == [foreign]
    assert [each.mac for each in tx.sightings()] == [C]


def test_of_two_records_the_one_that_changed_last_stays(tx: Tx) -> None:
    advertisement = advertise(tx)
    pc = tx.put_computer("pc", [A], None)
    own = tx.save_record(record(str(pc.id), advertisement, changed=5))
    tx.save_record(record(B, advertisement, changed=4))
    tx.put_computer("pc", [A, B], None)
    assert tx.records(str(pc.id)) == [own]
    newer = tx.save_record(record(C, advertisement, changed=5))
    tx.put_computer("pc", [A, B, C], None)
    assert tx.records(str(pc.id)) == [replace(newer, subject=str(pc.id))]


def test_a_computer_is_removed_with_all_that_hangs_on_it(tx: Tx) -> None:
    advertisement = advertise(tx)
    pc, other = tx.put_computer("pc", [A], None), tx.put_computer("other", [B], None)
    home = tx.find_collection("c")
    assert home is not None
    for each in (pc, other):
        tx.add_member(home.id, each.id)
        tx.save_record(record(str(each.id), advertisement))
    tx.remove_computer(pc.id)
    assert list(tx.computers()) == list(tx.members(home.id)) == [other]
    assert tx.records(str(pc.id)) == []
    assert len(tx.records(str(other.id))) == 1
    assert texts(tx)[-1] == f"computer pc removed: {A}"
    with pytest.raises(NotFound):
        tx.remove_computer(pc.id)
    assert tx.put_computer("pc", [A], None).id > other.id  # an identifier is never given twice


def test_computers_are_found_many_at_once(tx: Tx) -> None:
    made = [tx.put_computer(f"pc{n}", [f"5254000{n:05x}"], uuid.UUID(int=n + 1, version=4)) for n in range(900)]
    asked = tx.same_computers(
        [each.name for each in made[:300]] + ["nobody"],
        [each.macs[0] for each in made[200:600]],
        [each.guid for each in made[500:850] if each.guid],
    )
    assert sorted(asked, key=lambda each: each.id) == made[:850]
    assert list(tx.same_computers([], [], [])) == []


def test_collections_hold_computers(tx: Tx) -> None:
    b, a = tx.add_collection("b", "second"), tx.add_collection("a")
    one, two = tx.put_computer("one", [A], None), tx.put_computer("two", [B], None)
    assert tx.add_member(b.id, two.id)
    assert tx.add_member(b.id, one.id)
    assert not tx.add_member(b.id, one.id)
    assert list(tx.members(b.id)) == [one, two]
    assert own_collections(tx) == [a, b]
    assert tx.collections(one.id) == [b]
    assert tx.find_collection("b") == b
    assert tx.remove_member(b.id, one.id)
    assert not tx.remove_member(b.id, one.id)
    assert list(tx.members(b.id)) == [two]
    tx.remove_collection("b")
    assert own_collections(tx) == [a]
    assert texts(tx, str(one.id))[1:] == [
        "computer one added to collection b",
        "computer one removed from collection b",
    ]


def test_many_computers_join_at_once(tx: Tx) -> None:
    home = tx.add_collection("c")
    made = [tx.put_computer(f"pc{n:03}", [f"5254000{n:05x}"], None) for n in range(600)]
    tx.add_member(home.id, made[300].id)
    assert tx.add_members(home.id, made) == 599
    assert tx.add_members(home.id, made) == 0
    assert list(tx.members(home.id)) == made
    assert texts(tx, str(made[599].id))[1:] == ["computer pc599 added to collection c"]
    with pytest.raises(NotFound, match="no collection"):
        tx.add_members(home.id + 1, [])


def test_what_is_not_there_cannot_be_joined(tx: Tx) -> None:
    home, pc = tx.add_collection("c"), tx.put_computer("pc", [A], None)
    for edit in (tx.add_member, tx.remove_member):
        with pytest.raises(NotFound, match="no collection"):
            edit(home.id + 1, pc.id)
        with pytest.raises(NotFound, match="no computer"):
            edit(home.id, pc.id + 1)


def test_a_collection_name_is_taken_once(tx: Tx) -> None:
    tx.add_collection("c")
    with pytest.raises(Refused, match="already"):
        tx.add_collection("c")
    with pytest.raises(NotFound):
        tx.remove_collection("d")


def test_many_new_computers_are_what_each_alone_would_be(tx: Tx) -> None:
    advertisement = advertise(tx)
    kept = [tx.save_record(record(subject, advertisement)) for subject in (B, str(SWAPPED))]
    tx.saw(sighting(B))
    tx.saw(sighting("02:00:00:00:00:01", guid=SWAPPED))
    crowd = [(f"pc{number}", [f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"], None) for number in range(600)]
    one, two, *others = tx.add_computers([("one", [A, B], None), ("two", [C], GUID), *crowd])
    assert {each.name for each in others} == {name for name, _, _ in crowd}
    assert sorted(tx.computers(), key=lambda each: each.id) == sorted([one, two, *others], key=lambda each: each.id)
    assert (one.macs, two.macs, two.guid) == ((A, B), (C,), GUID)
    assert [[each.id for each in tx.records(str(who.id))] for who in (one, two)] == [[each.id] for each in kept]
    assert list(tx.sightings()) == []
    assert texts(tx, str(two.id)) == [f"computer two added: {C}, {GUID}"]


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (("one", ["02:00:00:00:00:01"], None), "somebody's already: one"),
        (("three", [A], None), "somebody's already: one"),
        (("three", [], SWAPPED), "somebody's already: two"),
        (("three", [], uuid.UUID(int=0)), "shared list, .*tells no computer"),
    ],
)
def test_of_new_computers_none_is_added_if_one_is_not_new(
    tx: Tx, new: tuple[str, list[str], uuid.UUID | None], why: str
) -> None:
    tx.put_computer("one", [A], None)
    tx.put_computer("two", [], GUID)
    with pytest.raises(Refused, match=why):
        tx.add_computers([("fresh", [C], None), new])
    assert [each.name for each in tx.computers()] == ["one", "two"]
