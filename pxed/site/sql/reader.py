"""The boot path's view of the database."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Function,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.engine import Engine

from pxed.site.identity import IdentifierList
from pxed.site.model import EPOCH, Advertisement, Computer, Evidence, Known, PasswordScope, Plan, PxeRecord
from pxed.site.restraints import Tally
from pxed.site.sql.advertisements import read_advertisements
from pxed.site.sql.collections import read_collections
from pxed.site.sql.computers import COMPUTER_NAME
from pxed.site.sql.deployment import read_boot_images, read_sequences
from pxed.site.sql.guard import read_hand_outs, read_restraints
from pxed.site.sql.identify import both_orders
from pxed.site.sql.link import Link, Row, Statement
from pxed.site.sql.listed import read_lists
from pxed.site.sql.members import Members
from pxed.site.sql.passwords import read_hashes, read_people
from pxed.site.sql.properties import SOURCE_OF_ONE, VARIABLES_OF_ONE
from pxed.site.sql.records import RECORD_BY_ID, RECORD_COLUMNS, to_record
from pxed.site.store import Client
from pxed.site.tables import computer, membership, pxe_record, site
from pxed.site.tables import mac as mac_table

_CHANGE = Statement(select(site.c.change).where(site.c.id == literal_column("1")))
_NOTHING = Evidence(None, ())


def _joined(column: ColumnElement[str]) -> Function[str]:
    """`column` of all rows, with spaces between: group_concat or string_agg."""
    # a plain " " would be written out by SQLAlchemy at execution only, and these statements are run by the driver
    return func.aggregate_strings(column, literal_column("' '"))  # type: ignore[arg-type]


_MACS = select(_joined(mac_table.c.address)).where(mac_table.c.computer_id == computer.c.id)
_COLLECTIONS = select(_joined(cast(membership.c.collection_id, Text))).where(membership.c.computer_id == computer.c.id)
_SIZES = (1, 8, 64)
"""clients in one statement: a storm is looked up by the largest, a computer alone by the smallest"""


@functools.cache
def _computers_of(clients: int) -> Statement:
    """The computers to which the identifiers of so many clients belong: `m...` are MAC addresses, `g...` GUIDs.

    The site's change number comes first in each row, and alone if there is no computer.
    """
    by_mac = select(mac_table.c.computer_id).where(mac_table.c.address.in_(_places("m", clients)))
    by_guid = select(computer.c.id).where(computer.c.guid.in_(_places("g", 2 * clients)))
    return Statement(
        select(
            site.c.change,
            computer.c.id,
            computer.c.name,
            computer.c.guid,
            computer.c.protected,
            computer.c.architecture,
            computer.c.source,
            _MACS.scalar_subquery(),
            _COLLECTIONS.scalar_subquery(),
        )
        .select_from(site.outerjoin(computer, computer.c.id.in_(union_all(by_mac, by_guid))))
        .where(site.c.id == literal_column("1"))
    )


@functools.cache
def _records_of(clients: int) -> Statement:
    """The PXE records of so many clients, kept under their MAC addresses or their computers' ids (two at most).

    With the change number, as in `_computers_of`.
    """
    return Statement(
        select(site.c.change, *RECORD_COLUMNS)
        .select_from(site.outerjoin(pxe_record, pxe_record.c.subject.in_(_places("s", 3 * clients))))
        .where(site.c.id == literal_column("1"))
        .order_by(pxe_record.c.changed_at.desc(), pxe_record.c.id.desc())
    )


def _places(letter: str, count: int) -> list[BindParameter[str]]:
    return [bindparam(f"{letter}{index}") for index in range(count)]


def _filled(letter: str, count: int, keys: Sequence[str]) -> dict[str, object]:
    """Values for `_places`; an empty text, which is nobody's, fills up."""
    return {f"{letter}{index}": keys[index] if index < len(keys) else "" for index in range(count)}


class SqlReader:
    """`pxed.site.store.Reader` on a database, with one connection of its own; for one thread.

    After a StoreError it is done for, and another one has to be opened.
    """

    def __init__(self, engine: Engine) -> None:
        self._link = Link(engine)
        self._plan: Plan | None = None
        self._data_version: int | None = None
        self._sizes: dict[tuple[int, bool], tuple[int, int]] = {}
        """by collection, without or with its subcollections: the plan's number, and how many computers there were"""

    def close(self) -> None:
        """Gives the connection up."""
        self._link.close()

    def plan(self) -> Plan:
        """The site-wide part. Costs one PRAGMA while nobody commits, one small read after a commit that is no edit."""
        version = self._link.data_version()
        if self._plan is None or version is None or version != self._data_version:
            # the version is read before the plan: a commit in between is noticed at the next question
            if self._plan is None or self._plan.change != self._link.rows(_CHANGE)[0][0]:
                with self._link.snapshot():
                    self._plan = _read_plan(self._link)
            self._data_version = version
        return self._plan

    def look_up(self, mac: str, guids: Sequence[uuid.UUID]) -> tuple[Plan, Evidence]:
        """As `look_up_all` for one client."""
        plan, (evidence,) = self.look_up_all([(mac, guids)])
        return plan, evidence

    def look_up_all(self, clients: Sequence[Client]) -> tuple[Plan, list[Evidence]]:
        """Two statements for every 64 clients. Both tell the change number: if it is that of the plan, no edit came
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
        for start in range(0, len(clients), _SIZES[-1]):
            found += self._look_up(plan, clients[start : start + _SIZES[-1]], changes)
        return changes, found

    def _look_up(self, plan: Plan, clients: Sequence[Client], changes: set[int]) -> list[Evidence]:
        macs = ["" if mac in plan.shared.macs else mac for mac, _ in clients]
        own = [[guid for guid in guids if guid not in plan.shared.guids] for _, guids in clients]
        orders = [dict.fromkeys([order for guid in guids for order in both_orders(guid)]) for guids in own]
        unknown = [plan.subject_of_unknown(mac, guids[0] if guids else None) for mac, guids in clients]
        texts = [order for each in orders for order in each]
        size = next(size for size in _SIZES if size >= max(len(macs), len(texts) / 2))
        keys = _filled("m", size, macs) | _filled("g", 2 * size, texts)
        computers = self._link.rows(_computers_of(size), **keys)
        rows = [row[1:] for row in computers if row[1] is not None]
        subjects = _filled("s", 3 * size, unknown + [str(row[0]) for row in rows])
        records: dict[str, tuple[PxeRecord, ...]] = {}
        kept = self._link.rows(_records_of(size), **subjects)
        for _, *row in kept:
            if row[0] is not None:
                record = to_record(row)
                records[record.subject] = (*records.get(record.subject, ()), record)
        changes |= {computers[0][0], kept[0][0]}
        return _evidence(rows, records, macs, orders, unknown)

    def tally(self, advertisement: Advertisement, now: datetime, *, with_size: bool) -> Tally:
        """What the guard counts before `advertisement` is handed out; a size is counted once for a plan."""
        size = self._size(advertisement) if with_size else 0
        return Tally(read_hand_outs(self._link, now), size)

    def _size(self, advertisement: Advertisement) -> int:
        key = advertisement.collection_id, advertisement.include_subcollections
        change = self._plan.change if self._plan else -1
        counted = self._sizes.get(key)
        if counted is None or counted[0] != change:
            counted = self._sizes[key] = change, self._count(*key)
        return counted[1]

    def _count(self, collection_id: int, include_subcollections: bool) -> int:
        members = Members(self._link, "", EPOCH)
        with self._link.snapshot():
            return members.count_members(collection_id, include_subcollections=include_subcollections)

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
        change=link.rows(_CHANGE)[0][0],
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
    rows: Sequence[Row],
    records: Mapping[str, tuple[PxeRecord, ...]],
    macs: Sequence[str],
    orders: Sequence[Iterable[str]],
    unknown: Sequence[str],
) -> list[Evidence]:
    """Whose is what: for each client, by its MAC address and the texts of its GUID, what the statements found.

    `unknown` is for each what its records are kept under if it is not known.
    """
    if not rows and not records:
        return [_NOTHING] * len(macs)
    owner_of: dict[str, Known] = {}
    for number, name, guid, protected, architecture, source, addresses, collections in rows:
        own = tuple(sorted(addresses.split())) if addresses else ()
        uid = uuid.UUID(guid) if guid else None
        who = Computer(number, name, own, uid, bool(protected), architecture, source)
        known = Known(who, _ids(collections), records.get(str(number), ()))
        owner_of.update(dict.fromkeys(own, known))
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


@functools.lru_cache(maxsize=1024)
def _ids(text: str | None) -> frozenset[int]:
    """The numbers in `text`; most computers are in the same few collections as others."""
    return frozenset(map(int, text.split())) if text else frozenset()
