"""Any order of edits, some undone half way: the database and the site in memory stay the same."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pxed.errors import PxedError
from pxed.site.database import open_database
from pxed.site.memory import MemorySite
from pxed.site.model import Cpu, EventKind, ImageFile, ImageVariant, Kind, Known, PxeRecord, RecordState, Sighting
from pxed.site.sql import Link, SqlReader, SqlTx
from pxed.site.store import Tx

NAMES = st.sampled_from(["one", "two", "three", "four", " bad"])
MACS = st.sampled_from([f"52:54:00:00:00:0{digit}" for digit in range(5)])
_GUID = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232")
GUIDS = st.sampled_from([_GUID, uuid.UUID(bytes=_GUID.bytes_le), uuid.UUID(int=7), uuid.UUID(int=8)])
IDS = st.integers(1, 6)
SUBJECTS = IDS.map(str) | MACS
SECONDS = st.integers(0, 3)
_START = datetime(2026, 1, 1, tzinfo=UTC)


class Undo(Exception):
    """Thrown to undo a transaction."""


def outcome(edit: Callable[[Tx], object], tx: Tx) -> object:
    """What an edit returns, or the kind and text of its refusal."""
    try:
        return edit(tx)
    except PxedError as error:
        return type(error), str(error)


def _computer_id(known: Known) -> int:
    return known.computer.id


class SiteMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        engine = open_database("sqlite:///pxed.db", Path(self.directory.name), create=True)
        self.link = Link(engine)
        self.reader = SqlReader(engine)
        self.model = MemorySite("operator", _START)

    def teardown(self) -> None:
        self.link.close()
        self.reader.close()
        self.directory.cleanup()

    def same(self, edit: Callable[[Tx], object]) -> None:
        with self.link.transaction():
            on_disk = outcome(edit, SqlTx(self.link, "operator", self.model.now))
        assert on_disk == outcome(edit, self.model)

    @rule(seconds=SECONDS)
    def time_goes_by(self, seconds: int) -> None:
        self.model.now += timedelta(seconds=seconds)

    @rule(name=NAMES, macs=st.lists(MACS, max_size=3), guid=st.none() | GUIDS)
    def put_computer(self, name: str, macs: list[str], guid: uuid.UUID | None) -> None:
        self.same(lambda tx: tx.put_computer(name, macs, guid))

    @rule(number=IDS)
    def remove_computer(self, number: int) -> None:
        self.same(lambda tx: tx.remove_computer(number))

    @rule(name=NAMES)
    def add_collection(self, name: str) -> None:
        self.same(lambda tx: tx.add_collection(name, "why"))

    @rule(name=NAMES)
    def remove_collection(self, name: str) -> None:
        self.same(lambda tx: tx.remove_collection(name))

    @rule(collection=IDS, computer=IDS)
    def add_member(self, collection: int, computer: int) -> None:
        self.same(lambda tx: tx.add_member(collection, computer))

    @rule(collection=IDS, computer=IDS)
    def remove_member(self, collection: int, computer: int) -> None:
        self.same(lambda tx: tx.remove_member(collection, computer))

    @rule(name=NAMES)
    def add_boot_image(self, name: str) -> None:
        self.same(lambda tx: tx.add_boot_image(name))

    @rule(image=IDS, cpu=st.sampled_from(Cpu), files=st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
    def add_variant(self, image: int, cpu: Cpu, files: list[str]) -> None:
        kernel, *initrds = [ImageFile(name, 1 << 33, name * 64) for name in files]
        self.same(lambda tx: tx.add_variant(image, ImageVariant(cpu, kernel, tuple(initrds), "quiet")))

    @rule(name=NAMES)
    def remove_boot_image(self, name: str) -> None:
        self.same(lambda tx: tx.remove_boot_image(name))

    @rule(image=IDS)
    def forget_boot_image(self, image: int) -> None:
        self.same(lambda tx: tx.forget_boot_image(image))

    @rule(name=NAMES, image=NAMES, document=st.sampled_from(["{}", "[]"]))
    def put_sequence(self, name: str, image: str, document: str) -> None:
        self.same(lambda tx: tx.put_sequence(name, image, document))

    @rule(name=NAMES)
    def remove_sequence(self, name: str) -> None:
        self.same(lambda tx: tx.remove_sequence(name))

    @rule(name=NAMES, kind=st.sampled_from(Kind), sequence=NAMES, collection=NAMES, ends=st.none() | SECONDS)
    def advertise(self, name: str, kind: Kind, sequence: str, collection: str, ends: int | None) -> None:
        now = self.model.now
        expires = None if ends is None else now + timedelta(seconds=ends)
        self.same(lambda tx: tx.advertise(name, kind, sequence, collection, now, expires, now))

    @rule(number=IDS, enabled=st.booleans())
    def set_enabled(self, number: int, enabled: bool) -> None:
        self.same(lambda tx: tx.set_enabled(number, enabled))

    @rule(number=IDS)
    def remove_advertisement(self, number: int) -> None:
        self.same(lambda tx: tx.remove_advertisement(number))

    @rule(subject=SUBJECTS, advertisement=IDS)
    def add_record(self, subject: str, advertisement: int) -> None:
        now = self.model.now
        record = PxeRecord(0, subject, advertisement, RecordState.OFFERED, 1, now, now, "", "")
        self.same(lambda tx: tx.save_record(record))

    @rule(number=IDS, state=st.sampled_from(RecordState))
    def change_record(self, number: int, state: RecordState) -> None:
        def edit(tx: Tx) -> object:
            record = tx.record(number)
            return record and tx.save_record(replace(record, state=state, changed_at=self.model.now, tries=2))

        self.same(edit)

    @rule(number=IDS)
    def delete_record(self, number: int) -> None:
        self.same(lambda tx: tx.delete_record(number))

    @rule(mac=MACS, guid=st.none() | GUIDS)
    def saw(self, mac: str, guid: uuid.UUID | None) -> None:
        now = self.model.now
        self.same(lambda tx: tx.saw(Sighting(mac, guid, 7, "eth0", "", now, now, 1)))

    @rule(subject=SUBJECTS)
    def add_event(self, subject: str) -> None:
        self.same(lambda tx: tx.add_event(self.model.now, EventKind.VERDICT, subject, "text"))

    @rule(name=NAMES, macs=st.lists(MACS, max_size=3), half=st.booleans())
    def undo(self, name: str, macs: list[str], half: bool) -> None:
        """A transaction that fails leaves nothing, one whose savepoint fails leaves the rest."""
        try:
            with self.link.transaction():
                try:
                    with self.link.savepoint():
                        tx = SqlTx(self.link, "nobody", self.model.now)
                        outcome(lambda tx: tx.put_computer(name, macs, None), tx)
                        outcome(lambda tx: tx.add_collection(name), tx)
                        outcome(lambda tx: tx.add_boot_image(name), tx)
                        raise Undo
                except Undo:
                    if not half:
                        raise
        except Undo:
            assert not half

    @invariant()
    def the_same_is_read(self) -> None:
        with self.link.snapshot():
            tx = SqlTx(self.link, "", self.model.now)
            for look in LOOKS:
                assert look(tx) == look(self.model)

    @invariant()
    def the_boot_path_sees_the_same(self) -> None:
        plan, expected = self.reader.plan(), self.model.plan()
        assert replace(plan, change=0) == replace(expected, change=0)
        for mac in ("52:54:00:00:00:00", "52:54:00:00:00:01"):
            for guids in ([], [_GUID], [uuid.UUID(int=7), uuid.UUID(int=8)]):
                found, wanted = (each.evidence(mac, guids) for each in (self.reader, self.model))
                assert (found.by_mac, found.unknown_records) == (wanted.by_mac, wanted.unknown_records)
                assert sorted(found.by_guid, key=_computer_id) == sorted(wanted.by_guid, key=_computer_id)
        for number in range(1, 7):
            assert self.reader.record(number) == self.model.record(number)
            assert self.reader.name_of(str(number)) == self.model.name_of(str(number))


LOOKS: list[Callable[[Tx], object]] = [
    lambda tx: list(tx.computers()),
    lambda tx: [list(tx.computers(number)) for number in range(1, 4)],
    lambda tx: list(tx.collections()),
    lambda tx: [list(tx.collections(number)) for number in range(1, 4)],
    lambda tx: list(tx.boot_images()),
    lambda tx: list(tx.retired_boot_images(_START + timedelta(seconds=2))),
    lambda tx: list(tx.sequences()),
    lambda tx: list(tx.advertisements()),
    lambda tx: [list(tx.records(str(number))) for number in range(1, 4)],
    lambda tx: list(tx.records("52:54:00:00:00:00")),
    lambda tx: list(tx.sightings()),
    lambda tx: [replace(event, id=0) for event in tx.events(None, 100)],
    lambda tx: list(tx.events("1", 3)),
    lambda tx: tx.find_computer("52:54:00:00:00:00"),
    lambda tx: tx.find_computer(str(_GUID)),
    lambda tx: tx.find_computer("one"),
]

TestSite = SiteMachine.TestCase
TestSite.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
