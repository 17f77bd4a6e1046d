"""The boot path's view of the database."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.engine import Engine

from pxed.site.identifiers import swap_guid
from pxed.site.model import Computer, Evidence, Known, Plan, PxeRecord
from pxed.site.sql.computers import COMPUTER_NAME
from pxed.site.sql.deployment import read_advertisements, read_boot_images, read_sequences
from pxed.site.sql.identify import find
from pxed.site.sql.link import Link, Statement
from pxed.site.sql.records import RECORD_BY_ID, RECORDS, to_record
from pxed.site.tables import collection, membership, pxe_record, site

_CHANGE = Statement(select(site.c.change))
_COLLECTION_IDS = Statement(select(collection.c.name, collection.c.id))


@functools.cache
def _about(computers: int) -> tuple[Statement, Statement]:
    """Memberships of so many computers, and records of them and of one more subject."""
    keys: list[BindParameter[int]] = [bindparam(f"c{i}") for i in range(computers)]
    subjects: list[BindParameter[str]] = [bindparam("mac"), *(bindparam(f"s{i}") for i in range(computers))]
    return (
        Statement(
            select(membership.c.computer_id, membership.c.collection_id).where(membership.c.computer_id.in_(keys))
        ),
        Statement(RECORDS.where(pxe_record.c.subject.in_(subjects))),
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
        """At most three indexed reads, of one snapshot; two for a client that is not known."""
        link = self._link
        with link.snapshot():
            computers = find(link, guids=guids, macs=(mac,))
            memberships, records = _about(len(computers))
            subjects = {f"s{index}": str(each.id) for index, each in enumerate(computers)}
            found = [to_record(row) for row in link.rows(records, mac=mac, **subjects)]
            held = (
                link.rows(memberships, **{f"c{index}": each.id for index, each in enumerate(computers)})
                if computers
                else []
            )
        known = [_known(each, held, found) for each in computers]
        orders = {order for guid in guids for order in (guid, swap_guid(guid))}
        return Evidence(
            by_mac=next((each for each in known if mac in each.computer.macs), None),
            by_guid=tuple(each for each in known if each.computer.guid in orders),
            unknown_records=tuple(record for record in found if record.subject == mac),
        )

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


def _known(computer: Computer, held: Sequence[tuple[int, int]], records: Sequence[PxeRecord]) -> Known:
    subject = str(computer.id)
    return Known(
        computer,
        frozenset(collection_id for computer_id, collection_id in held if computer_id == computer.id),
        tuple(record for record in records if record.subject == subject),
    )
