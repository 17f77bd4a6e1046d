"""Boot images, task sequences, advertisements, records and history by example: on the database and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import pytest

from pxed.errors import NotFound, Refused, UsageError
from pxed.site.boot_image import BootImage, Cpu, ImageFile, ImageVariant
from pxed.site.draft import Draft
from pxed.site.event import EventKind, SetBy
from pxed.site.model import Kind, RecordState, Rerun
from pxed.site.sql import Database, SqlReader, SqlTx, transaction
from pxed.site.store import Tx
from tests.site.samples_of_a_site import (
    GUID,
    NOW,
    VARIANT,
    A,
    B,
    C,
    advertise,
    own_collections,
    record,
    sighting,
    texts,
)
from tests.site_in_memory import MemorySite


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
    assert (own_collections(tx), list(tx.sequences()), list(tx.boot_images())) == ([], [], [])
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
    last = tx.advertise(Draft("last", Kind.OPTIONAL, "s", "c", NOW - timedelta(1), NOW + timedelta(1)))
    assert tx.advertisements() == [last, second, first]
    assert last.expires == NOW + timedelta(1)
    assert (last.kind, last.enabled, last.boot_image, last.collection) == (Kind.OPTIONAL, True, "image", "c")


def test_what_cannot_be_advertised(tx: Tx) -> None:
    advertise(tx)
    with pytest.raises(NotFound, match="no task sequence t"):
        tx.advertise(Draft("x", Kind.OPTIONAL, "t", "c", NOW))
    with pytest.raises(NotFound, match="no collection d"):
        tx.advertise(Draft("x", Kind.OPTIONAL, "s", "d", NOW))
    with pytest.raises(UsageError, match="expire before it starts"):
        tx.advertise(Draft("x", Kind.OPTIONAL, "s", "c", NOW, NOW))


def test_an_advertisement_is_switched_off_and_on(tx: Tx) -> None:
    advertisement = advertise(tx)
    off = tx.set_enabled(advertisement.id, False)
    assert off == replace(advertisement, enabled=False)
    assert tx.set_enabled(advertisement.id, False) == off
    assert tx.set_enabled(advertisement.id, True) == advertisement
    assert texts(tx)[-2:] == ["advertisement ad (id 1) disabled", "advertisement ad (id 1) enabled"]
    with pytest.raises(NotFound):
        tx.set_enabled(advertisement.id + 1, True)


def test_a_mandatory_advertisement_has_assignments_in_their_canonical_form(tx: Tx) -> None:
    assert advertise(tx).assignments == ("as soon as possible",)
    draft = Draft(
        "x", Kind.MANDATORY, "s", "c", NOW, assignments=("Weekly Thu,Mon 8:00", "weekly mon,thu 08:00", "asap")
    )
    assert tx.advertise(draft).assignments == ("weekly mon,thu 08:00", "as soon as possible")
    with pytest.raises(UsageError, match="is no assignment"):
        tx.advertise(replace(draft, assignments=("now",)))
    with pytest.raises(UsageError, match="is optional, so it has no assignments"):
        tx.advertise(replace(draft, kind=Kind.OPTIONAL))


def test_an_advertisement_is_changed_value_by_value(tx: Tx) -> None:
    made = advertise(tx)
    assert tx.change_advertisement(made.id, Draft.of(made)) == made
    events = len(texts(tx))
    draft = replace(Draft.of(made), expires=NOW + timedelta(1), rerun=Rerun.ALWAYS, assignments=("monthly 1 8:00",))
    changed = tx.change_advertisement(made.id, draft)
    assert Draft.of(changed) == replace(draft, assignments=("monthly 1 08:00",))
    assert tx.advertisements() == [changed]
    assert texts(tx)[events:] == [
        (
            "advertisement ad (id 1) changed: expires = 2026-03-02 12:00:00 UTC, rerun = always, "
            "assignments = monthly 1 08:00"
        )
    ]
    with pytest.raises(NotFound, match="no task sequence t"):
        tx.change_advertisement(made.id, replace(draft, sequence="t"))
    with pytest.raises(NotFound, match="no advertisement with the id 2"):
        tx.change_advertisement(2, draft)


def test_who_set_a_value_that_decides_is_kept(tx: MemorySite) -> None:
    made = advertise(tx)
    first = tx.provenance("advertisement", made.id)
    assert {"kind", "start", "expires", "assignments", "rerun"} <= first.keys()
    assert not {"name", "comment"} & first.keys()
    tx.now += timedelta(hours=1)
    tx.change_advertisement(made.id, replace(Draft.of(made), rerun=Rerun.ALWAYS, comment="again"))
    second = tx.provenance("advertisement", made.id)
    assert second["rerun"] == SetBy(first["rerun"].user, first["rerun"].at + timedelta(hours=1))
    assert second["kind"] == first["kind"]
    tx.remove_advertisement(made.id)
    assert tx.provenance("advertisement", made.id) == {}


def test_a_sequence_is_disabled_for_all(tx: Tx) -> None:
    advertise(tx)
    off = tx.enable_sequence("s", False)
    assert (off.enabled, tx.sequences()) == (False, [off])
    assert texts(tx)[-1] == "task sequence s disabled for all"
    assert tx.provenance("task_sequence", off.id).keys() == {"enabled"}
    events = len(texts(tx))
    assert tx.enable_sequence("s", False) == off
    assert len(texts(tx)) == events
    assert tx.put_sequence("s", "image", "[1]").enabled is False
    assert tx.enable_sequence("s", True).enabled
    with pytest.raises(NotFound, match="no task sequence t"):
        tx.enable_sequence("t", True)


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
    assert tx.sightings() == [
        replace(again, first_seen=NOW, count=4, id=1),
        replace(sighting(C, 1), id=3),
        replace(sighting(B, 1), id=2),
    ]


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


def test_sightings_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with small(monkeypatch, "records", "SIGHTINGS_KEPT", 10, 5), transaction(database, "") as tx:
        tx.saw(sighting("02:00:00:00:00:00"))
        for number in range(1, 200):
            tx.saw(sighting(f"02:00:00:00:00:{number:02x}", number))
            tx.saw(sighting("02:00:00:00:00:00", number))  # seen all the time: never the oldest
            assert count(tx, "sighting") <= 15
        seen = [each.mac for each in tx.sightings()]
        assert seen == [f"02:00:00:00:00:{number:02x}" for number in (199, 0, *range(198, 190, -1))]


def test_history_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with small(monkeypatch, "edits", "EVENTS_KEPT", 10, 5), transaction(database, "") as tx:
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


def test_each_transaction_that_edits_raises_the_change_number_once(database: Database) -> None:
    reader = SqlReader(database)
    changes = [reader.plan().change]
    steps: list[Change] = [
        lambda tx: [tx.add_collection(name) for name in "abc"],
        lambda tx: tx.saw(sighting(A)),
        lambda tx: tx.collections(),
        lambda tx: tx.put_computer("pc", [A], None),
    ]
    for step in steps:
        with transaction(database, "") as tx:
            step(tx)
        changes.append(reader.plan().change)
    reader.close()
    assert changes == [0, 1, 1, 1, 2]
