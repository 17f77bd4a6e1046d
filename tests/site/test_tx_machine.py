"""Any order of edits, some undone half way: what the boot path reads is what transactions read, and no loose end."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pxed.errors import PxedError
from pxed.policy.membership import memberships
from pxed.policy.suspicion import suspect
from pxed.site.boot_image import Cpu, ImageFile, ImageVariant
from pxed.site.database import open_database
from pxed.site.draft import Draft
from pxed.site.event import EventKind
from pxed.site.identifiers import swap_guid
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.model import CollectionRule, Kind, PxeRecord, RecordState, RuleKind, Sighting
from pxed.site.sql import Link, SqlReader, SqlTx
from pxed.site.store import Tx
from tests.postgresql import Server
from tests.site_in_memory import make_empty_site

NAMES = st.sampled_from(["one", "two", "three", "four", " bad"])
MACS = st.sampled_from([f"52:54:00:00:00:0{digit}" for digit in range(5)])
_GUID = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232")
GUIDS = st.sampled_from([_GUID, uuid.UUID(bytes=_GUID.bytes_le), uuid.UUID(int=7), uuid.UUID(int=8)])
IDS = st.integers(1, 6)
COLLECTIONS = IDS | st.sampled_from([-1, -3])
RULES = st.sampled_from(
    [
        CollectionRule(RuleKind.NAME, "t*"),
        CollectionRule(RuleKind.MAC, "52:54:00:00:00:01"),
        CollectionRule(RuleKind.ARCHITECTURE, "bios"),
        CollectionRule(RuleKind.GUID, str(_GUID)),
    ]
)
SUBJECTS = IDS.map(str) | MACS
SECONDS = st.integers(0, 3)
_START = datetime(2026, 1, 1, tzinfo=UTC)


class Undo(Exception):
    """Thrown to undo a transaction."""


def outcome(edit: Callable[[Tx], object], tx: Tx) -> str:
    """Why an edit is refused, empty if it is done."""
    try:
        edit(tx)
    except PxedError as error:
        return str(error)
    return ""


class SiteMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        database = open_database(self.url(), Path(self.directory.name))
        self.link = Link(database)
        self.reader = SqlReader(database)
        self.now = _START

    def url(self) -> str:
        """Of an empty site."""
        make_empty_site(Path(self.directory.name))
        return "sqlite:///pxed.db"

    def teardown(self) -> None:
        self.link.close()
        self.reader.close()
        self.directory.cleanup()

    def do(self, edit: Callable[[Tx], object]) -> None:
        """An edit that was refused has changed nothing."""
        before = self.content()
        with self.link.transaction():
            refused = outcome(edit, SqlTx(self.link, "operator", self.now))
        if refused:
            assert self.content() == before

    def content(self) -> list[object]:
        with self.link.snapshot():
            tx = SqlTx(self.link, "", self.now)
            return [look(tx) for look in LOOKS]

    @rule(seconds=SECONDS)
    def time_goes_by(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(name=NAMES, macs=st.lists(MACS, max_size=3), guid=st.none() | GUIDS)
    def put_computer(self, name: str, macs: list[str], guid: uuid.UUID | None) -> None:
        self.do(lambda tx: tx.put_computer(name, macs, guid))

    @rule(number=IDS)
    def remove_computer(self, number: int) -> None:
        self.do(lambda tx: tx.remove_computer(number))

    @rule(name=NAMES)
    def add_collection(self, name: str) -> None:
        self.do(lambda tx: tx.add_collection(name, "why"))

    @rule(name=NAMES, above=COLLECTIONS)
    def add_subcollection(self, name: str, above: int) -> None:
        self.do(lambda tx: tx.add_collection(name, "", above))

    @rule(number=COLLECTIONS, above=st.none() | COLLECTIONS)
    def move_collection(self, number: int, above: int | None) -> None:
        self.do(lambda tx: tx.move_collection(number, above))

    @rule(number=COLLECTIONS, rules=st.lists(RULES, max_size=2))
    def add_rules(self, number: int, rules: list[CollectionRule]) -> None:
        self.do(lambda tx: tx.add_rules(number, rules))

    @rule(number=COLLECTIONS, gone=RULES)
    def remove_rule(self, number: int, gone: CollectionRule) -> None:
        self.do(lambda tx: tx.remove_rule(number, gone))

    @rule(name=NAMES, values=st.dictionaries(st.sampled_from(["A", "B", "1"]), st.sampled_from("xy\n"), max_size=2))
    def set_variables(self, name: str, values: dict[str, str]) -> None:
        def edit(tx: Tx) -> object:
            found = tx.find_computer(name)
            return found and (tx.set_variables(found, values), tx.unset_variable(found, "B"))

        self.do(edit)

    @rule(number=IDS, code=st.sampled_from([0, 7, 999]))
    def hear(self, number: int, code: int) -> None:
        self.do(lambda tx: tx.heard(number, code))

    @rule(name=NAMES)
    def remove_collection(self, name: str) -> None:
        self.do(lambda tx: tx.remove_collection(name))

    @rule(collection=IDS, computer=IDS)
    def add_member(self, collection: int, computer: int) -> None:
        self.do(lambda tx: tx.add_member(collection, computer))

    @rule(collection=IDS, computer=IDS)
    def remove_member(self, collection: int, computer: int) -> None:
        self.do(lambda tx: tx.remove_member(collection, computer))

    @rule(name=NAMES)
    def add_boot_image(self, name: str) -> None:
        self.do(lambda tx: tx.add_boot_image(name))

    @rule(image=IDS, cpu=st.sampled_from(Cpu), files=st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
    def add_variant(self, image: int, cpu: Cpu, files: list[str]) -> None:
        kernel, *initrds = [ImageFile(name, 1 << 33, name * 64) for name in files]
        self.do(lambda tx: tx.add_variant(image, ImageVariant(cpu, kernel, tuple(initrds), "quiet")))

    @rule(name=NAMES)
    def remove_boot_image(self, name: str) -> None:
        self.do(lambda tx: tx.remove_boot_image(name))

    @rule(image=IDS)
    def forget_boot_image(self, image: int) -> None:
        self.do(lambda tx: tx.forget_boot_image(image))

    @rule(name=NAMES, image=NAMES, document=st.sampled_from(["{}", "[]"]))
    def put_sequence(self, name: str, image: str, document: str) -> None:
        self.do(lambda tx: tx.put_sequence(name, image, document))

    @rule(name=NAMES)
    def remove_sequence(self, name: str) -> None:
        self.do(lambda tx: tx.remove_sequence(name))

    @rule(name=NAMES, kind=st.sampled_from(Kind), sequence=NAMES, collection=NAMES, ends=st.none() | SECONDS)
    def advertise(self, name: str, kind: Kind, sequence: str, collection: str, ends: int | None) -> None:
        now = self.now
        expires = None if ends is None else now + timedelta(seconds=ends)
        self.do(lambda tx: tx.advertise(Draft(name, kind, sequence, collection, now, expires)))

    @rule(number=IDS, enabled=st.booleans())
    def set_enabled(self, number: int, enabled: bool) -> None:
        self.do(lambda tx: tx.set_enabled(number, enabled))

    @rule(number=IDS)
    def remove_advertisement(self, number: int) -> None:
        self.do(lambda tx: tx.remove_advertisement(number))

    @rule(subject=SUBJECTS, advertisement=IDS)
    def add_record(self, subject: str, advertisement: int) -> None:
        now = self.now
        record = PxeRecord(0, subject, advertisement, RecordState.OFFERED, 1, now, now, "", "")
        self.do(lambda tx: tx.save_record(record))

    @rule(number=IDS, state=st.sampled_from(RecordState))
    def change_record(self, number: int, state: RecordState) -> None:
        def edit(tx: Tx) -> object:
            record = tx.record(number)
            return record and tx.save_record(replace(record, state=state, changed_at=self.now, tries=2))

        self.do(edit)

    @rule(number=IDS)
    def delete_record(self, number: int) -> None:
        self.do(lambda tx: tx.delete_record(number))

    @rule(which=st.sampled_from(IdentifierList), value=MACS | GUIDS.map(str), on=st.booleans())
    def list_identifier(self, which: IdentifierList, value: str, on: bool) -> None:
        kind = IdentifierKind.MAC if ":" in value else IdentifierKind.GUID
        self.do(lambda tx: (tx.list_identifier if on else tx.unlist_identifier)(which, kind, value))

    @rule(one=IDS, other=IDS)
    def merge_computers(self, one: int, other: int) -> None:
        self.do(lambda tx: tx.merge_computers(one, other))

    @rule(mac=MACS, guid=GUIDS)
    def came_together(self, mac: str, guid: uuid.UUID) -> None:
        def edit(tx: Tx) -> None:
            seen = tx.came_together(mac, guid)
            if seen is not None and (suspicion := suspect(seen)):
                tx.put_conflict(suspicion, "eth0")

        self.do(edit)

    @rule(number=IDS, dismissed=st.booleans())
    def settle_conflict(self, number: int, dismissed: bool) -> None:
        self.do(lambda tx: tx.settle_conflict(number, "somehow", dismissed=dismissed))

    @rule(mac=MACS, guid=st.none() | GUIDS)
    def saw(self, mac: str, guid: uuid.UUID | None) -> None:
        now = self.now
        self.do(lambda tx: tx.saw(Sighting(mac, guid, 7, "eth0", "", now, now, 1)))

    @rule(subject=SUBJECTS)
    def add_event(self, subject: str) -> None:
        self.do(lambda tx: tx.add_event(self.now, EventKind.VERDICT, subject, "text"))

    @rule(name=NAMES, macs=st.lists(MACS, max_size=3), half=st.booleans())
    def undo(self, name: str, macs: list[str], half: bool) -> None:
        """A transaction that fails leaves nothing, and so does a savepoint in one that goes on."""
        before = self.content()
        try:
            with self.link.transaction():
                try:
                    with self.link.savepoint():
                        tx = SqlTx(self.link, "nobody", self.now)
                        outcome(lambda tx: tx.put_computer(name, macs, None), tx)
                        outcome(lambda tx: tx.add_collection(name), tx)
                        outcome(lambda tx: tx.add_boot_image(name), tx)
                        raise Undo
                except Undo:
                    if not half:
                        raise
        except Undo:
            assert not half
        assert self.content() == before

    @invariant()
    def the_boot_path_reads_what_transactions_read(self) -> None:
        with self.link.snapshot():
            tx = SqlTx(self.link, "", self.now)
            plan = self.reader.plan()
            assert plan.advertisements == tuple(tx.advertisements())
            assert list(plan.boot_images.values()) == tx.boot_images()
            assert list(plan.sequences.values()) == tx.sequences()
            assert plan.collections == tuple(tx.collections())
            for mac in ("52:54:00:00:00:00", "52:54:00:00:00:01"):
                for guids in ([], [_GUID], [uuid.UUID(int=7), uuid.UUID(int=8)]):
                    self._check_evidence(tx, mac, guids)
            for number in range(1, 7):
                assert self.reader.record(number) == tx.record(number)

    @invariant()
    def members_are_those_whom_the_decision_finds(self) -> None:
        with self.link.snapshot():
            tx = SqlTx(self.link, "", self.now)
            compiled = memberships(self.reader.plan())
            where = {
                each.id: compiled.of_computer(
                    each, frozenset(home.id for home in tx.collections(each.id)), each.firmware
                )
                for each in tx.computers()
            }
            counts = tx.count_all_members()
            for home in tx.collections():
                own = [each.id for each in tx.members(home.id)]
                assert set(own) == {number for number, found in where.items() if home.id in found.own}
                assert len(own) == counts.get(home.id, 0)
                deep = [each.id for each in tx.members(home.id, include_subcollections=True)]
                assert sorted(deep) == sorted(number for number, found in where.items() if home.id in found.above)

    def _check_evidence(self, tx: Tx, mac: str, guids: list[uuid.UUID]) -> None:
        plan, evidence = self.reader.look_up(mac, guids)
        shared = {listed.value for listed in tx.listed(IdentifierList.SHARED)}
        own = [guid for guid in guids if not shared & {str(guid), str(swap_guid(guid))}]
        orders = {order for guid in own for order in (guid, swap_guid(guid))}
        by_guid = {each.id for each in tx.computers() if each.guid in orders}
        subject = str(own[0]) if mac in shared and own else mac
        assert evidence.unknown_records == tuple(tx.records(subject))
        assert plan.subject_of_unknown(mac, own[0] if own else None) == subject
        assert {known.computer.id for known in evidence.by_guid} == by_guid
        by_mac = None if mac in shared else tx.find_computer(mac)
        assert (evidence.by_mac.computer if evidence.by_mac else None) == by_mac
        for known in (evidence.by_mac, *evidence.by_guid):
            if known is not None:
                subject = str(known.computer.id)
                assert known.collection_ids == {each.id for each in tx.collections(known.computer.id)}
                assert known.records == tuple(tx.records(subject))
                assert self.reader.name_of(subject) == known.computer.name


LOOKS: list[Callable[[Tx], object]] = [
    lambda tx: list(tx.computers()),
    lambda tx: [list(tx.members(each.id)) for each in tx.collections()],
    lambda tx: list(tx.collections()),
    lambda tx: dict(tx.variables(list(tx.computers()))),
    lambda tx: [list(tx.collections(number)) for number in range(1, 4)],
    lambda tx: [list(tx.listed(which)) for which in IdentifierList],
    lambda tx: list(tx.conflicts(settled=True)),
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


class SqliteMachine(SiteMachine):
    @invariant()
    def nothing_refers_to_what_is_not_there(self) -> None:
        assert self.link.command("PRAGMA foreign_key_check") is None


@pytest.mark.postgresql
def test_site_on_postgresql(postgresql_server: Server) -> None:
    class Machine(SiteMachine):
        def url(self) -> str:
            return postgresql_server.empty_site().render_as_string()

    few = settings(max_examples=6, stateful_step_count=30)
    run_state_machine_as_test(Machine, settings=few)


TestSite = SqliteMachine.TestCase
TestSite.settings = settings(max_examples=80, stateful_step_count=30)
