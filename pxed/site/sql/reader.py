"""The boot path's view of the database."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import BindParameter, ColumnElement, Function, Text, bindparam, cast, func, literal_column, or_, select
from sqlalchemy.engine import Engine

from pxed.site.model import Computer, Evidence, Known, Plan, PxeRecord
from pxed.site.sql.computers import COMPUTER_NAME
from pxed.site.sql.deployment import read_advertisements, read_boot_images, read_sequences
from pxed.site.sql.identify import both_orders
from pxed.site.sql.link import Link, Row, Statement
from pxed.site.sql.records import RECORD_BY_ID, RECORD_COLUMNS, to_record
from pxed.site.tables import collection, computer, membership, pxe_record, site
from pxed.site.tables import mac as mac_table

_CHANGE = Statement(select(site.c.change))
_COLLECTION_IDS = Statement(select(collection.c.name, collection.c.id))


def _joined(column: ColumnElement[str]) -> Function[str]:
    """`column` of all rows, with spaces between: group_concat or string_agg."""
    # a plain " " would be written out by SQLAlchemy at execution only, and these statements are run by the driver
    return func.aggregate_strings(column, literal_column("' '"))  # type: ignore[arg-type]


_MACS = select(_joined(mac_table.c.address)).where(mac_table.c.computer_id == computer.c.id)
_COLLECTIONS = select(_joined(cast(membership.c.collection_id, Text))).where(membership.c.computer_id == computer.c.id)


@functools.cache
def _about(guids: int) -> Statement:
    """All that is known of a MAC address and so many GUIDs, with the site's change number, in one go.

    One row for each computer and PXE record; at least one, since the site is always there.
    """
    address: BindParameter[str] = bindparam("mac")
    owner = select(mac_table.c.computer_id).where(mac_table.c.address == address)
    by_guid = [computer.c.guid == bindparam(f"g{i}") for i in range(guids)]
    return Statement(
        select(
            site.c.change,
            computer.c.id,
            computer.c.name,
            computer.c.guid,
            computer.c.protected,
            _MACS.scalar_subquery(),
            _COLLECTIONS.scalar_subquery(),
            *RECORD_COLUMNS,
        )
        .select_from(
            site.outerjoin(computer, or_(*by_guid, computer.c.id == owner.scalar_subquery())).outerjoin(
                pxe_record, or_(pxe_record.c.subject == address, pxe_record.c.subject == cast(computer.c.id, Text))
            )
        )
        .where(site.c.id == literal_column("1"))
    )


class SqlReader:
    """`pxed.site.store.Reader` on a database, with one connection of its own; for one thread.

    After a StoreError it is done for, and another one has to be opened.
    """

    def __init__(self, engine: Engine) -> None:
        self._link = Link(engine)
        self._plan: Plan | None = None
        self._data_version: int | None = None

    def close(self) -> None:
        """Gives the connection up."""
        self._link.close()

    def plan(self) -> Plan:
        """The site-wide part. Costs one PRAGMA while nobody commits, one small read after a commit that is no edit."""
        version = self._link.data_version()
        if self._plan is None or version is None or version != self._data_version:
            # the number is read before the plan: a commit in between is noticed at the next question
            with self._link.snapshot():
                change = self._link.rows(_CHANGE)[0][0]
                if self._plan is None or self._plan.change != change:
                    self._plan = _read_plan(self._link, change)
            self._data_version = version
        return self._plan

    def evidence(self, mac: str, guids: Sequence[uuid.UUID]) -> Evidence:
        """What one statement of indexed reads finds."""
        return self.look_up(mac, guids)[1]

    def look_up(self, mac: str, guids: Sequence[uuid.UUID]) -> tuple[Plan, Evidence]:
        """One statement; the change number that comes with it tells whether the plan is still the site's."""
        orders = [order for guid in guids for order in both_orders(guid)]
        about = _about(len(orders))
        values = {f"g{index}": order for index, order in enumerate(orders)}
        rows = self._link.rows(about, mac=mac, **values)
        if self._plan is None or self._plan.change != rows[0][0]:
            with self._link.snapshot():
                rows = self._link.rows(about, mac=mac, **values)
                self._plan = _read_plan(self._link, rows[0][0])
        return self._plan, _evidence(rows, mac, orders)

    def record(self, record_id: int) -> PxeRecord | None:
        """One PXE record by its id."""
        row = self._link.row(RECORD_BY_ID, key=record_id)
        return to_record(row) if row else None

    def name_of(self, subject: str) -> str:
        """The computer's name, or `subject` itself if it is no computer's id."""
        row = self._link.row(COMPUTER_NAME, key=int(subject)) if subject.isdecimal() else None
        return row[0] if row else subject


def _read_plan(link: Link, change: int) -> Plan:
    return Plan(
        change=change,
        advertisements=tuple(read_advertisements(link)),
        boot_images={image.name: image for image in read_boot_images(link)},
        sequences={sequence.name: sequence for sequence in read_sequences(link)},
        collection_ids=dict(link.rows(_COLLECTION_IDS)),
    )


def _evidence(rows: Sequence[Row], mac: str, orders: Sequence[str]) -> Evidence:
    """From the rows of `_about`."""
    found: dict[int, tuple[Computer, str | None, str | None, list[PxeRecord]]] = {}
    of_mac: dict[int, PxeRecord] = {}
    for _, number, name, guid, protected, macs, collections, *record in rows:
        if number is not None and number not in found:
            addresses = tuple(sorted(macs.split())) if macs else ()
            known_guid = uuid.UUID(guid) if guid else None
            found[number] = Computer(number, name, addresses, known_guid, bool(protected)), guid, collections, []
        if record[0] is not None:
            each = to_record(record)
            if each.subject == mac:
                of_mac[each.id] = each
            else:
                found[number][3].append(each)
    by_mac, by_guid = None, []
    for who, guid, collections, records in found.values():
        known = Known(who, _ids(collections), _latest_first(records))
        if mac in who.macs:
            by_mac = known
        if guid in orders:
            by_guid.append(known)
    return Evidence(by_mac, tuple(by_guid), _latest_first(of_mac.values()))


@functools.lru_cache(maxsize=1024)
def _ids(text: str | None) -> frozenset[int]:
    """The numbers in `text`; most computers are in the same few collections as others."""
    return frozenset(map(int, text.split())) if text else frozenset()


def _latest_first(records: Collection[PxeRecord]) -> tuple[PxeRecord, ...]:
    """As RECORDS orders them."""
    if not records:
        return ()
    return tuple(sorted(records, key=lambda record: (record.changed_at, record.id), reverse=True))
