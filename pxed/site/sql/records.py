"""PXE records and sightings."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pxed.errors import NotFound, Refused
from pxed.site.event import EventKind
from pxed.site.identifiers import parse_mac
from pxed.site.model import PxeRecord, RecordState, Sighting
from pxed.site.sql.core import bindparam, delete, func, insert, select, update
from pxed.site.sql.edits import Edits
from pxed.site.sql.identify import CHUNK, find
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.link import Row
from pxed.site.sql.listed import shared_among
from pxed.site.sql.places import placed, places
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import advertisement, pxe_record, sighting

SIGHTINGS_KEPT = 10_000
"""Anybody on the segment can make up MAC addresses."""
_TRIM_EVERY = 100
WAIT_FRESH = timedelta(minutes=1)
"""A waiting computer asks every few seconds; who has not for so long was switched off."""
_LONGEST_ID = 18
"""digits that fit into 64 bits"""

RECORD_COLUMNS = (
    pxe_record.c.id,
    pxe_record.c.subject,
    pxe_record.c.advertisement_id,
    pxe_record.c.state,
    pxe_record.c.tries,
    pxe_record.c.offered_at,
    pxe_record.c.changed_at,
    pxe_record.c.agent_boot,
    pxe_record.c.message,
    pxe_record.c.assigned_at,
    pxe_record.c.point,
)
RECORDS = select(*RECORD_COLUMNS).order_by(pxe_record.c.changed_at.desc(), pxe_record.c.id.desc())
RECORD_BY_ID = Statement(RECORDS.where(pxe_record.c.id == bindparam("key")))

_RECORDS_OF = Statement(RECORDS.where(pxe_record.c.subject == bindparam("subject")))
_ALL_RECORDS = Statement(RECORDS)
_RECORDS_FOR = Statement(RECORDS.where(pxe_record.c.advertisement_id == bindparam("advertisement")))
_RECORD_FOR = Statement(
    RECORDS.where(
        pxe_record.c.subject == bindparam("subject"), pxe_record.c.advertisement_id == bindparam("advertisement")
    )
)
_LATEST_TRY = "state", "tries", "offered_at", "changed_at", "agent_boot", "message", "assigned_at", "point"
_TRIES = Statement(
    select(pxe_record.c.subject, pxe_record.c.state, pxe_record.c.tries).where(
        pxe_record.c.advertisement_id == bindparam("advertisement")
    )
)
_STATES = {state.value: state for state in RecordState}
_ADD_RECORD = Statement(insert(pxe_record).returning(pxe_record.c.id), "subject", "advertisement_id", *_LATEST_TRY)
_CHANGE_RECORD = Statement(update(pxe_record).where(pxe_record.c.id == bindparam("key")), *_LATEST_TRY)
_REMOVE_RECORD = Statement(delete(pxe_record).where(pxe_record.c.id == bindparam("key")))
_ADVERTISEMENT = Statement(select(advertisement.c.id).where(advertisement.c.id == bindparam("key")))

_SIGHTING_ROWS = select(
    sighting.c.mac,
    sighting.c.guid,
    sighting.c.architecture,
    sighting.c.interface,
    sighting.c.relay,
    sighting.c.first_seen,
    sighting.c.last_seen,
    sighting.c.count,
    sighting.c.id,
    sighting.c.waiting_since,
)
_SIGHTINGS = Statement(
    _SIGHTING_ROWS.order_by(sighting.c.last_seen.desc(), sighting.c.id.desc()).limit(bindparam("kept"))
)
_SIGHTING_BY_ID = Statement(_SIGHTING_ROWS.where(sighting.c.id == bindparam("key")))
_SIGHTING_OF_MAC = Statement(_SIGHTING_ROWS.where(sighting.c.mac == bindparam("key")))
_WAITS = Statement(update(sighting).where(sighting.c.id == bindparam("key")), "waiting_since")
_SEEN_AGAIN = Statement(
    update(sighting).where(sighting.c.mac == bindparam("seen")).values(count=sighting.c.count + bindparam("times")),
    "guid",
    "architecture",
    "interface",
    "relay",
    "last_seen",
    "count",
)
_ADD_SIGHTING = Statement(
    insert(sighting).returning(sighting.c.id),
    "mac",
    "guid",
    "architecture",
    "interface",
    "relay",
    "first_seen",
    "last_seen",
    "count",
)
_COUNT_SIGHTINGS = Statement(select(func.count()).select_from(sighting))
_TRIM_SIGHTINGS = Statement(
    delete(sighting).where(
        sighting.c.id.in_(select(sighting.c.id).order_by(sighting.c.last_seen, sighting.c.id).limit(bindparam("most")))
    )
)
"""Along the index of `last_seen`, from its old end."""


@functools.cache
def records_among(subjects: int) -> Statement:
    """The records of an advertisement that so many subjects have."""
    return Statement(
        select(*RECORD_COLUMNS).where(
            pxe_record.c.advertisement_id == bindparam("advertisement"),
            pxe_record.c.subject.in_(places("s", subjects)),
        )
    )


def to_record(row: Sequence[Any]) -> PxeRecord:
    """From RECORD_COLUMNS."""
    number, subject, advertisement_id, state, tries, offered, changed, agent_boot, message, assigned, point = row
    return PxeRecord(
        number,
        subject,
        advertisement_id,
        RecordState(state),
        tries,
        from_micros(offered),
        from_micros(changed),
        agent_boot,
        message,
        from_micros(assigned),
        point,
    )


def _to_sighting(row: Row, now: datetime) -> Sighting:
    mac, guid, architecture, interface, relay, first, last, count, number, since = row
    waits = since is not None and now - from_micros(last) < WAIT_FRESH
    return Sighting(
        mac,
        uuid.UUID(guid) if guid else None,
        architecture,
        interface,
        relay,
        from_micros(first),
        from_micros(last),
        count,
        number,
        from_micros(since) if waits else None,
    )


class Records(Edits):
    """The transaction's part for what happened; `pxed.site.store.Tx` says what each method does."""

    def records(self, subject: str) -> Sequence[PxeRecord]:
        return [to_record(row) for row in self._link.rows(_RECORDS_OF, subject=subject)]

    def all_records(self, advertisement_id: int | None = None) -> Iterator[PxeRecord]:
        if advertisement_id is None:
            return map(to_record, self._link.each(_ALL_RECORDS))
        return map(to_record, self._link.each(_RECORDS_FOR, advertisement=advertisement_id))

    def tries(self, advertisement_id: int) -> Iterator[tuple[str, RecordState, int]]:
        for subject, state, number in self._link.each(_TRIES, advertisement=advertisement_id):
            yield subject, _STATES[state], number

    def records_of(self, advertisement_id: int, subjects: Sequence[str]) -> Mapping[str, PxeRecord]:
        found: dict[str, PxeRecord] = {}
        for start in range(0, len(subjects), CHUNK):
            keys = placed("s", subjects[start : start + CHUNK])
            rows = self._link.rows(records_among(len(keys)), advertisement=advertisement_id, **keys)
            found.update((record.subject, record) for record in map(to_record, rows))
        return found

    def record(self, record_id: int) -> PxeRecord | None:
        row = self._link.row(RECORD_BY_ID, key=record_id)
        return to_record(row) if row else None

    def save_record(self, record: PxeRecord) -> PxeRecord:
        values: dict[str, object] = {
            "state": record.state.value,
            "tries": record.tries,
            "offered_at": to_micros(record.offered_at),
            "changed_at": to_micros(record.changed_at),
            "agent_boot": record.agent_boot,
            "message": record.message,
            "assigned_at": to_micros(record.assigned_at),
            "point": record.point,
        }
        if record.id:
            if not self._link.run(_CHANGE_RECORD, key=record.id, **values):
                raise NotFound(f"the PXE record {record.id} was cleared")
            return record
        if self._link.row(_RECORD_FOR, subject=record.subject, advertisement=record.advertisement_id):
            raise Refused(f"{record.subject} has a PXE record of advertisement {record.advertisement_id} already")
        if not self._link.row(_ADVERTISEMENT, key=record.advertisement_id):
            raise NotFound(f"there is no advertisement with the id {record.advertisement_id}")
        number = self._link.added(
            _ADD_RECORD, subject=record.subject, advertisement_id=record.advertisement_id, **values
        )
        return replace(record, id=number)

    def delete_record(self, record_id: int) -> None:
        self._link.run(_REMOVE_RECORD, key=record_id)

    def saw(self, sighting: Sighting) -> None:
        values: dict[str, object] = {
            "guid": str(sighting.guid) if sighting.guid else None,
            "architecture": sighting.architecture,
            "interface": sighting.interface,
            "relay": sighting.relay,
            "last_seen": to_micros(sighting.last_seen),
        }
        if self._link.run(_SEEN_AGAIN, seen=sighting.mac, times=sighting.count, **values):
            return
        if find(self._link, macs=[sighting.mac]) and not shared_among(self._link, [sighting.mac], None):
            return
        number = self._link.added(
            _ADD_SIGHTING,
            mac=sighting.mac,
            first_seen=to_micros(sighting.first_seen),
            count=sighting.count,
            **values,
        )
        if number % _TRIM_EVERY == 0:
            beyond = self._link.rows(_COUNT_SIGHTINGS)[0][0] - SIGHTINGS_KEPT
            if beyond > 0:
                self._link.run(_TRIM_SIGHTINGS, most=beyond)

    def sightings(self) -> Sequence[Sighting]:
        return [_to_sighting(row, self._now) for row in self._link.rows(_SIGHTINGS, kept=SIGHTINGS_KEPT)]

    def find_sighting(self, key: str) -> Sighting | None:
        try:
            row = self._link.row(_SIGHTING_OF_MAC, key=parse_mac(key))
        except ValueError:
            is_id = key.isascii() and key.isdecimal() and len(key) <= _LONGEST_ID
            row = self._link.row(_SIGHTING_BY_ID, key=int(key)) if is_id else None
        return _to_sighting(row, self._now) if row else None

    def waits(self, sighting: Sighting, *, begins: bool) -> Sighting | None:
        self.saw(replace(sighting, count=0))  # it was counted when its firmware asked
        kept = self.find_sighting(sighting.mac)
        if kept is None or not (begins or kept.waiting_since is None):
            return kept
        if kept.waiting_since is None:
            self.add_event(sighting.last_seen, EventKind.IDENTITY, kept.mac, f"waits for approval, ID {kept.id}")
        self._link.run(_WAITS, key=kept.id, waiting_since=to_micros(sighting.last_seen))
        return replace(kept, waiting_since=sighting.last_seen)

    def end_wait(self, sighting_id: int) -> None:
        self._link.run(_WAITS, key=sighting_id, waiting_since=None)
