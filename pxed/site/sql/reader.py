"""The boot path's view of the database."""

from __future__ import annotations

import functools
import uuid
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain, repeat

from pxed.site.identity import IdentifierList
from pxed.site.model import EPOCH, Advertisement, Computer, Evidence, Known, PasswordScope, Plan, PxeRecord
from pxed.site.restraints import Tally
from pxed.site.sizes import Sizes
from pxed.site.sql.advertisements import read_advertisements
from pxed.site.sql.collections import read_collections
from pxed.site.sql.computers import COMPUTER_NAME
from pxed.site.sql.core import (
    ColumnElement,
    Function,
    Text,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from pxed.site.sql.deployment import read_boot_images, read_sequences
from pxed.site.sql.driver import Database
from pxed.site.sql.edits import read_change
from pxed.site.sql.guard import read_hand_outs, read_restraints
from pxed.site.sql.identify import COMPUTER_COLUMNS, both_orders
from pxed.site.sql.link import Link, Row
from pxed.site.sql.listed import read_lists
from pxed.site.sql.members import Members
from pxed.site.sql.passwords import read_hashes, read_people
from pxed.site.sql.places import places
from pxed.site.sql.properties import SOURCE_OF_ONE, VARIABLES_OF_ONE
from pxed.site.sql.records import RECORD_BY_ID, RECORD_COLUMNS, to_record
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import computer, membership, pxe_record, site
from pxed.site.sql.tables import mac as mac_table
from pxed.site.store import Client

_NOTHING = Evidence(None, ())
_RECORD_AT = 9
"""where in a row of `_known_to` the PXE record begins"""


def _joined(column: ColumnElement[str]) -> Function[str]:
    """`column` of all rows, with spaces between: group_concat or string_agg."""
    # a plain " " would be written out by SQLAlchemy at execution only, and these statements are run by the driver
    return func.aggregate_strings(column, literal_column("' '"))  # type: ignore[arg-type]


_MACS = select(_joined(mac_table.c.address)).where(mac_table.c.computer_id == computer.c.id)
_COLLECTIONS = select(_joined(cast(membership.c.collection_id, Text))).where(membership.c.computer_id == computer.c.id)
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Clients in one statement; places that are left over cost as much as clients."""


@functools.cache
def _known_to(clients: int) -> Statement:
    """What is known of so many clients. Its values are their MAC addresses, then their GUIDs, two for each, then what
    the PXE records of those are kept under who are no computer's.

    The site's change number comes first in each row, then a computer, then a PXE record, each with a row for each
    record; computers without records have None in its place, records of no computer None in the computer's. The first
    row may be the number alone.
    """
    by_mac = select(mac_table.c.computer_id).where(mac_table.c.address.in_(places("m", clients)))
    by_guid = select(computer.c.id).where(computer.c.guid.in_(places("g", 2 * clients)))
    columns = (*COMPUTER_COLUMNS, _MACS.scalar_subquery(), _COLLECTIONS.scalar_subquery())
    of_computers = (
        select(site.c.change, *columns, *RECORD_COLUMNS)
        .select_from(
            site.outerjoin(computer, computer.c.id.in_(union_all(by_mac, by_guid))).outerjoin(
                pxe_record, pxe_record.c.subject == cast(computer.c.id, Text)
            )
        )
        .where(site.c.id == literal_column("1"))
    )
    of_others = (
        select(site.c.change, *(null() for _ in columns), *RECORD_COLUMNS)
        .select_from(site.join(pxe_record, pxe_record.c.subject.in_(places("s", clients))))
        .where(site.c.id == literal_column("1"))
    )
    return Statement(union_all(of_computers, of_others))


def _filled(keys: Sequence[str], count: int) -> Iterable[str]:
    """Values for `places`; an empty text, which is nobody's, fills up."""
    return chain(keys, repeat("", count - len(keys)))


class SqlReader:
    """`pxed.site.store.Reader` on a database, with one connection of its own; for one thread.

    After a StoreError it is done for, and another one has to be opened.
    """

    def __init__(self, database: Database) -> None:
        self._link = Link(database)
        self._plan: Plan | None = None
        self._data_version: int | None = None
        self._sizes = Sizes()

    def close(self) -> None:
        """Gives the connection up."""
        self._link.close()

    def plan(self) -> Plan:
        """The site-wide part. Costs one PRAGMA while nobody commits, one small read after a commit that is no edit."""
        version = self._link.data_version()
        if self._plan is None or version is None or version != self._data_version:
            # the version is read before the plan: a commit in between is noticed at the next question
            if self._plan is None or self._plan.change != read_change(self._link):
                with self._link.snapshot():
                    self._plan = _read_plan(self._link)
            self._data_version = version
        return self._plan

    def look_up(self, mac: str, guids: Sequence[uuid.UUID]) -> tuple[Plan, Evidence]:
        """As `look_up_all` for one client."""
        plan, (evidence,) = self.look_up_all([(mac, guids)])
        return plan, evidence

    def look_up_all(self, clients: Sequence[Client]) -> tuple[Plan, list[Evidence]]:
        """One statement for every 64 clients. Each tells the change number: if it is that of the plan, no edit came
        between, and all is of one state of the site; if it is not, everything is read anew in a snapshot."""
        if self._plan is not None:
            changes, found = self._look_up_parts(self._plan, clients)
            if changes <= {self._plan.change}:
                return self._plan, found
        with self._link.snapshot():
            self._plan = _read_plan(self._link)
            _, found = self._look_up_parts(self._plan, clients)
        return self._plan, found

    def _look_up_parts(self, plan: Plan, clients: Sequence[Client]) -> tuple[set[int], list[Evidence]]:
        """The change numbers that were met, and what is known."""
        changes: set[int] = set()
        found: list[Evidence] = []
        for start in range(0, len(clients), SIZES[-1]):
            change, evidence = self._look_up(plan, clients[start : start + SIZES[-1]])
            changes.add(change)
            found += evidence
        return changes, found

    def _look_up(self, plan: Plan, clients: Sequence[Client]) -> tuple[int, list[Evidence]]:
        macs = ["" if mac in plan.shared.macs else mac for mac, _ in clients]
        own = [[guid for guid in guids if guid not in plan.shared.guids] for _, guids in clients]
        orders = [dict.fromkeys([order for guid in guids for order in both_orders(guid)]) for guids in own]
        unknown = [plan.subject_of_unknown(mac, guids[0] if guids else None) for mac, guids in clients]
        texts = [order for each in orders for order in each]
        size = SIZES[bisect_left(SIZES, max(len(macs), len(texts) / 2))]
        keys = [*_filled(macs, size), *_filled(texts, 2 * size), *_filled(unknown, size)]
        rows = self._link.rows_in_order(_known_to(size), keys)
        return rows[0][0], _evidence(rows, macs, orders, unknown)

    def tally(self, advertisement: Advertisement, now: datetime, *, with_size: bool) -> Tally:
        """What the guard counts before `advertisement` is handed out; a size is counted once for a plan."""
        change = self._plan.change if self._plan else -1
        size = self._sizes.of(advertisement, change, self._count) if with_size else 0
        return Tally(read_hand_outs(self._link, now), size)

    def _count(self, collection_id: int, deep: bool) -> int:
        members = Members(self._link, "", EPOCH)
        with self._link.snapshot():
            return members.count_members(collection_id, include_subcollections=deep)

    def record(self, record_id: int) -> PxeRecord | None:
        """One PXE record by its id."""
        row = self._link.row(RECORD_BY_ID, key=record_id)
        return to_record(row) if row else None

    def password_hashes(self, scope: PasswordScope, scope_id: int) -> dict[str, str]:
        """By person."""
        return read_hashes(self._link, scope, scope_id)

    def environment_of(self, subject: str) -> dict[str, str]:
        """The computer's variables and PXED_SOURCE; empty if it is no computer's id."""
        if not subject.isdecimal():
            return {}
        with self._link.snapshot():
            environment: dict[str, str] = dict(self._link.rows(VARIABLES_OF_ONE, key=int(subject)))
            source = self._link.row(SOURCE_OF_ONE, key=int(subject))
        return environment | ({"PXED_SOURCE": source[0]} if source and source[0] else {})

    def name_of(self, subject: str) -> str:
        """The computer's name, or `subject` itself if it is no computer's id."""
        row = self._link.row(COMPUTER_NAME, key=int(subject)) if subject.isdecimal() else None
        return row[0] if row else subject


def _read_plan(link: Link) -> Plan:
    lists = read_lists(link)
    collections = tuple(read_collections(link))
    return Plan(
        change=read_change(link),
        advertisements=tuple(read_advertisements(link)),
        boot_images={image.name: image for image in read_boot_images(link)},
        sequences={sequence.name: sequence for sequence in read_sequences(link)},
        collection_ids={each.name: each.id for each in collections},
        collections=collections,
        restraints=read_restraints(link),
        ignored=lists[IdentifierList.IGNORED],
        shared=lists[IdentifierList.SHARED],
        passwords=read_people(link),
    )


def _evidence(
    rows: Sequence[Row], macs: Sequence[str], orders: Sequence[Iterable[str]], unknown: Sequence[str]
) -> list[Evidence]:
    """Whose is what: for each client, by its MAC address and the texts of its GUID, what `_known_to` found.

    `unknown` is for each what its records are kept under if it is not known.
    """
    if len(rows) == 1 and not any(rows[0][1:]):
        return [_NOTHING] * len(macs)
    records = _records(rows)
    owner_of: dict[str, Known] = {}
    for number, row in {row[1]: row for row in rows}.items():
        if number is None:
            continue
        _, _, name, guid, protected, architecture, source, addresses, collections = row[:_RECORD_AT]
        own = tuple(sorted(addresses.split())) if addresses else ()
        uid = uuid.UUID(guid) if guid else None
        who = Computer(number, name, own, uid, bool(protected), architecture, source)
        known = Known(who, _ids(collections), records.get(str(number), ()))
        for address in own:
            owner_of[address] = known
        if guid:
            owner_of[guid] = known
    return [
        Evidence(
            owner_of.get(mac),
            tuple([owner_of[order] for order in each if order in owner_of]),
            records.get(subject, ()),
        )
        for mac, each, subject in zip(macs, orders, unknown, strict=True)
    ]


def _records(rows: Sequence[Row]) -> dict[str, tuple[PxeRecord, ...]]:
    """The PXE records in `rows` by what they are kept under, the newest first."""
    found = [to_record(row[_RECORD_AT:]) for row in rows if row[_RECORD_AT] is not None]
    found.sort(key=lambda record: (record.changed_at, record.id), reverse=True)
    by_subject: dict[str, list[PxeRecord]] = {}
    for record in found:
        by_subject.setdefault(record.subject, []).append(record)
    return {subject: tuple(own) for subject, own in by_subject.items()}


@functools.lru_cache(maxsize=1024)
def _ids(text: str | None) -> frozenset[int]:
    """The numbers in `text`; most computers are in the same few collections as others."""
    return frozenset(map(int, text.split())) if text else frozenset()
