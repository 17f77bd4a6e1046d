"""The site in numbers."""

from __future__ import annotations

from pxed.site.model import Kind, Overview, RecordState
from pxed.site.sql.core import ColumnElement, Integer, ScalarSelect, Table, bindparam, func, literal_column, select
from pxed.site.sql.edits import Edits
from pxed.site.sql.instants import to_micros
from pxed.site.sql.records import WAIT_FRESH
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import (
    advertisement,
    boot_image,
    collection,
    computer,
    conflict,
    pxe_record,
    sighting,
    task_sequence,
)


def _count(table: Table, *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()


def _text(value: str) -> ColumnElement[str]:
    # written out, since a statement of ours has no values but those that it is run with
    return literal_column(f"'{value}'")


_NUMBERS = Statement(
    select(
        _count(computer),
        _count(collection, collection.c.id > literal_column("0", Integer)),
        _count(boot_image, boot_image.c.retired_at.is_(None)),
        _count(task_sequence),
        _count(advertisement),
        _count(sighting),
        _count(sighting, sighting.c.waiting_since.is_not(None), sighting.c.last_seen > bindparam("fresh")),
        _count(conflict, conflict.c.settled_at.is_(None)),
    )
)
_RECORDS = Statement(
    select(pxe_record.c.state, func.count())
    .select_from(pxe_record.join(advertisement))
    .where(advertisement.c.kind == _text(Kind.MANDATORY))
    .group_by(pxe_record.c.state)
)


# the subject of a known computer is its id, that of an unknown one a MAC address or a GUID
_KNOWN_WITH_RECORD = Statement(
    select(func.count())
    .select_from(pxe_record)
    .where(
        pxe_record.c.advertisement_id == bindparam("advertisement"),
        pxe_record.c.subject.not_like(_text("%:%")),
        pxe_record.c.subject.not_like(_text("%-%")),
    )
)


class Overviews(Edits):
    """The transaction's part for numbers; `pxed.site.store.Tx` says what each method does."""

    def overview(self) -> Overview:
        states = {RecordState(state): count for state, count in self._link.rows(_RECORDS)}
        computers, collections, images, sequences, advertisements, sightings, waiting, conflicts = self._link.rows(
            _NUMBERS, fresh=to_micros(self._now - WAIT_FRESH)
        )[0]
        return Overview(
            computers,
            collections,
            images,
            sequences,
            advertisements,
            sightings,
            waiting,
            conflicts,
            {state: states.get(state, 0) for state in RecordState},
        )

    def count_known_with_record(self, advertisement_id: int) -> int:
        count: int = self._link.rows(_KNOWN_WITH_RECORD, advertisement=advertisement_id)[0][0]
        return count
