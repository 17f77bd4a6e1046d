"""What a transaction does to a site, by example: on the database, and on the site in memory, which must agree."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from pxed.errors import NotFound, Refused, UsageError
from pxed.site.database import open_database
from pxed.site.memory import MemorySite
from pxed.site.model import (
    Advertisement,
    BootImage,
    Cpu,
    EventKind,
    ImageFile,
    ImageVariant,
    Kind,
    PxeRecord,
    RecordState,
    Sighting,
)
from pxed.site.sql import SqlReader, SqlTx, transaction
from pxed.site.store import Tx

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
A, B, C = "52:54:00:00:00:0a", "52:54:00:00:00:0b", "52:54:00:00:00:0c"
GUID = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232")
SWAPPED = uuid.UUID("44454c4c-4400-104a-8039-b4c04f333232")
VARIANT = ImageVariant(
    Cpu.AMD64,
    ImageFile("vmlinuz", 5 << 30, "0" * 64),
    (ImageFile("b", 2, "1" * 64), ImageFile("a", 3, "2" * 64)),
    "quiet",
)


@pytest.fixture(params=["sql", "memory"])
def tx(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlTx | MemorySite]:
    if request.param == "memory":
        yield MemorySite("operator", NOW)
    else:
        with transaction(open_database("sqlite:///pxed.db", tmp_path, create=True), "operator", NOW) as open_tx:
            yield open_tx


def advertise(tx: Tx, name: str = "ad") -> Advertisement:
    if tx.find_collection("c") is None:
        tx.add_collection("c")
        tx.add_boot_image("image")
        tx.put_sequence("s", "image", "{}")
    return tx.advertise(name, Kind.MANDATORY, "s", "c", NOW, None, NOW)


def record(subject: str, advertisement: Advertisement, changed: int = 0) -> PxeRecord:
    at = NOW + timedelta(microseconds=changed)
    return PxeRecord(0, subject, advertisement.id, RecordState.OFFERED, 1, NOW, at, "", "")


def sighting(mac: str, seconds: int = 0, guid: uuid.UUID | None = None) -> Sighting:
    at = NOW + timedelta(seconds=seconds)
    return Sighting(mac, guid, 7, "eth0", "", at, at, 1)


def texts(tx: Tx, subject: str | None = None) -> list[str]:
    return [event.text for event in tx.events(subject, 100)]


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


@pytest.mark.parametrize("key", ["PC", C, "", "nobody", str(uuid.uuid4())])
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
    assert list(tx.computers()) == list(tx.computers(home.id)) == [other]
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
    assert list(tx.computers(b.id)) == [one, two]
    assert tx.collections() == [a, replace(b, members=2)]
    assert tx.collections(one.id) == [replace(b, members=2)]
    assert tx.find_collection("b") == replace(b, members=2)
    assert tx.remove_member(b.id, one.id)
    assert not tx.remove_member(b.id, one.id)
    assert list(tx.computers(b.id)) == [two]
    tx.remove_collection("b")
    assert tx.collections() == [a]
    assert texts(tx, str(one.id))[1:] == [
        "computer one added to collection b",
        "computer one removed from collection b",
    ]


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


def test_nothing_that_is_used_can_be_removed(tx: Tx) -> None:
    advertise(tx, "x")
    with pytest.raises(Refused, match="advertised to: x"):
        tx.remove_collection("c")
    with pytest.raises(Refused, match="advertised: x"):
        tx.remove_sequence("s")
    with pytest.raises(Refused, match="task sequences: s"):
        tx.remove_boot_image("image")
    tx.remove_advertisement(tx.advertisements()[0].id)
    tx.remove_collection("c")
    tx.remove_sequence("s")
    tx.remove_boot_image("image")
    assert (list(tx.collections()), list(tx.sequences()), list(tx.boot_images())) == ([], [], [])
    for edit in (tx.remove_collection, tx.remove_sequence, tx.remove_boot_image):
        with pytest.raises(NotFound):
            edit("c")


def test_a_boot_image_has_variants(tx: Tx) -> None:
    image = tx.add_boot_image("image")
    assert image == BootImage(image.id, "image", (), NOW)
    arm = ImageVariant(Cpu.ARM64, ImageFile("Image", 1, "3" * 64), (), "")
    tx.add_variant(image.id, arm)
    tx.add_variant(image.id, replace(VARIANT, initrds=()))
    tx.add_variant(image.id, VARIANT)
    assert tx.boot_images() == [replace(image, variants=(VARIANT, arm))]
    twice = replace(VARIANT, initrds=(VARIANT.kernel,))
    with pytest.raises(UsageError, match="same name"):
        tx.add_variant(image.id, twice)
    with pytest.raises(NotFound):
        tx.add_variant(image.id + 1, arm)


def test_a_new_revision_retires_the_old_one(tx: Tx) -> None:
    first = tx.add_boot_image("image")
    tx.add_variant(first.id, VARIANT)
    second = tx.add_boot_image("image")
    assert tx.boot_images() == [second]
    assert second.id > first.id
    with pytest.raises(NotFound):
        tx.add_variant(first.id, VARIANT)
    tx.remove_boot_image("image")
    assert tx.retired_boot_images(NOW - timedelta(microseconds=1)) == []
    assert tx.retired_boot_images(NOW) == [replace(first, variants=(VARIANT,)), second]
    tx.forget_boot_image(first.id)
    assert tx.retired_boot_images(NOW) == [second]
    third = tx.add_boot_image("image")
    tx.forget_boot_image(third.id)
    assert tx.boot_images() == [third]


def test_a_task_sequence_is_overwritten(tx: Tx) -> None:
    advertisement = advertise(tx)
    tx.add_boot_image("other")
    before = tx.sequences()[0]
    after = tx.put_sequence("s", "other", "[]")
    assert after == replace(before, boot_image="other", document="[]")
    assert tx.sequences() == [after]
    assert tx.advertisements() == [replace(advertisement, boot_image="other")]
    events = len(texts(tx))
    assert tx.put_sequence("s", "other", "[]") == after
    assert len(texts(tx)) == events
    with pytest.raises(NotFound, match="no boot image"):
        tx.put_sequence("s", "nothing", "[]")


def test_advertisements_come_newest_first(tx: Tx) -> None:
    first = advertise(tx, "same")
    second = advertise(tx, "same")
    older = tx.advertise("old", Kind.OPTIONAL, "s", "c", NOW, NOW + timedelta(1), NOW - timedelta(1))
    assert tx.advertisements() == [second, first, older]
    assert older.expires == NOW + timedelta(1)
    assert (older.kind, older.enabled, older.boot_image, older.collection) == (Kind.OPTIONAL, True, "image", "c")


def test_what_cannot_be_advertised(tx: Tx) -> None:
    advertise(tx)
    with pytest.raises(NotFound, match="no task sequence t"):
        tx.advertise("x", Kind.OPTIONAL, "t", "c", NOW, None, NOW)
    with pytest.raises(NotFound, match="no collection d"):
        tx.advertise("x", Kind.OPTIONAL, "s", "d", NOW, None, NOW)
    with pytest.raises(UsageError, match="expire before it starts"):
        tx.advertise("x", Kind.OPTIONAL, "s", "c", NOW, NOW, NOW)


def test_an_advertisement_is_switched_off_and_on(tx: Tx) -> None:
    advertisement = advertise(tx)
    off = tx.set_enabled(advertisement.id, False)
    assert off == replace(advertisement, enabled=False)
    assert tx.set_enabled(advertisement.id, False) == off
    assert tx.set_enabled(advertisement.id, True) == advertisement
    assert texts(tx)[-2:] == ["advertisement ad (id 1) disabled", "advertisement ad (id 1) enabled"]
    with pytest.raises(NotFound):
        tx.set_enabled(advertisement.id + 1, True)


def test_an_advertisement_takes_its_records_along(tx: Tx) -> None:
    gone, stays = advertise(tx, "gone"), advertise(tx, "stays")
    tx.save_record(record(A, gone))
    kept = tx.save_record(record(A, stays))
    assert tx.remove_advertisement(gone.id) == gone
    assert tx.records(A) == [kept]
    with pytest.raises(NotFound):
        tx.remove_advertisement(gone.id)


def test_a_record_is_kept_changed_and_forgotten(tx: Tx) -> None:
    advertisement = advertise(tx)
    first = tx.save_record(record(A, advertisement))
    assert first == replace(record(A, advertisement), id=first.id)
    later = NOW + timedelta(seconds=1)
    changed = replace(first, state=RecordState.RUNNING, tries=2, offered_at=later, changed_at=later, agent_boot="b")
    assert tx.save_record(changed) == changed
    assert tx.record(first.id) == changed
    assert tx.records(A) == [changed]
    tx.delete_record(first.id)
    tx.delete_record(first.id)
    assert tx.record(first.id) is None
    with pytest.raises(NotFound, match="cleared"):
        tx.save_record(changed)
    assert tx.save_record(record(A, advertisement)).id > first.id


def test_a_record_cannot_be_there_twice_or_for_nothing(tx: Tx) -> None:
    advertisement = advertise(tx)
    tx.save_record(record(A, advertisement))
    with pytest.raises(Refused, match="already"):
        tx.save_record(record(A, advertisement))
    with pytest.raises(NotFound, match="no advertisement"):
        tx.save_record(record(A, replace(advertisement, id=99)))


def test_sightings_are_counted(tx: Tx) -> None:
    tx.saw(sighting(A))
    tx.saw(sighting(B, 1))
    tx.saw(sighting(C, 1))
    again = replace(sighting(A, 2, GUID), interface="eth1", relay="10.0.0.1", architecture=0, count=3)
    tx.saw(again)
    assert tx.sightings() == [replace(again, first_seen=NOW, count=4), sighting(C, 1), sighting(B, 1)]


def test_a_known_computer_is_no_sighting(tx: Tx) -> None:
    tx.put_computer("pc", [A], None)
    tx.saw(sighting(A))
    assert list(tx.sightings()) == []


def test_history_is_told_in_order(tx: Tx) -> None:
    for number in range(5):
        tx.add_event(NOW - timedelta(number), EventKind.VERDICT, "1" if number % 2 else "2", f"event {number}")
    assert texts(tx, "2") == ["event 0", "event 2", "event 4"]
    assert [event.text for event in tx.events(None, 2)] == ["event 3", "event 4"]
    last = tx.events(None, 1)[0]
    assert (last.at, last.kind, last.subject, last.user) == (NOW - timedelta(4), EventKind.VERDICT, "2", "operator")
    assert list(tx.events(None, 0)) == []


@contextmanager
def small(monkeypatch: pytest.MonkeyPatch, module: str, name: str, kept: int, every: int) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(f"pxed.site.sql.{module}.{name}", kept)
        patch.setattr(f"pxed.site.sql.{module}._TRIM_EVERY", every)
        yield


def test_sightings_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_database("sqlite:///pxed.db", tmp_path, create=True)
    with small(monkeypatch, "records", "SIGHTINGS_KEPT", 10, 5), transaction(engine, "") as tx:
        tx.saw(sighting("02:00:00:00:00:00"))
        for number in range(1, 200):
            tx.saw(sighting(f"02:00:00:00:00:{number:02x}", number))
            tx.saw(sighting("02:00:00:00:00:00", number))  # seen all the time: never the oldest
            assert count(tx, "sighting") <= 15
        seen = [each.mac for each in tx.sightings()]
        assert seen == [f"02:00:00:00:00:{number:02x}" for number in (199, 0, *range(198, 190, -1))]


def test_history_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_database("sqlite:///pxed.db", tmp_path, create=True)
    with small(monkeypatch, "edits", "EVENTS_KEPT", 10, 5), transaction(engine, "") as tx:
        for number in range(103):
            tx.add_event(NOW, EventKind.VERDICT, "", str(number))
            assert count(tx, "event") <= 15
        assert texts(tx) == [str(number) for number in range(90, 103)]


def count(tx: SqlTx, table: str) -> int:
    row = tx._link.command(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name of ours
    assert row is not None
    return int(row[0])


class Change(Protocol):
    def __call__(self, tx: Tx) -> object: ...


def test_each_transaction_that_edits_raises_the_change_number_once(tmp_path: Path) -> None:
    engine = open_database("sqlite:///pxed.db", tmp_path, create=True)
    reader = SqlReader(engine)
    changes = [reader.plan().change]
    steps: list[Change] = [
        lambda tx: [tx.add_collection(name) for name in "abc"],
        lambda tx: tx.saw(sighting(A)),
        lambda tx: tx.collections(),
        lambda tx: tx.put_computer("pc", [A], None),
    ]
    for step in steps:
        with transaction(engine, "") as tx:
            step(tx)
        changes.append(reader.plan().change)
    reader.close()
    assert changes == [0, 1, 1, 1, 2]
