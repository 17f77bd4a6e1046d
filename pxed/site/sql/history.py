"""Reading the history, and keeping it within bounds."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice, takewhile

from sqlalchemy import BindParameter, bindparam, select

from pxed.site.event import Event, EventKind, SetBy
from pxed.site.sql.computers import COMPUTER_NAME
from pxed.site.sql.edits import LAST_EVENT, TRIM_EVENTS, Edits
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.link import Row, Statement
from pxed.site.tables import event, provenance

_COLUMNS = (event.c.id, event.c.at, event.c.kind, event.c.subject, event.c.text, event.c.user)
_OLDEST = Statement(select(event.c.id, event.c.at).order_by(event.c.id).limit(bindparam("limit")))

_SET_BY = Statement(
    select(provenance.c.field, provenance.c.user, provenance.c.at).where(
        provenance.c.object == bindparam("kind"), provenance.c.object_id == bindparam("key")
    )
)

_CHUNK = 1000
"""events read or forgotten with one statement"""


@functools.cache
def _events(about_one: bool, kinds: int, forward: bool) -> Statement:
    """Events of one subject or of all, of so many kinds or of any, on one side of an id."""
    number: BindParameter[int] = bindparam("number")
    query = select(*_COLUMNS).where(event.c.id > number if forward else event.c.id < number)
    if about_one:
        query = query.where(event.c.subject == bindparam("subject"))
    if kinds:
        query = query.where(event.c.kind.in_([bindparam(f"k{i}") for i in range(kinds)]))
    return Statement(query.order_by(event.c.id if forward else event.c.id.desc()).limit(bindparam("limit")))


def _to_event(row: Row) -> Event:
    number, at, kind, subject, text, user = row
    return Event(number, from_micros(at), EventKind(kind), subject, text, user)


class History(Edits):
    """The transaction's part for history; `pxed.site.store.Tx` says what each method does."""

    def events(self, subject: str | None, limit: int, kinds: Sequence[EventKind] = ()) -> Sequence[Event]:
        return list(islice(self.events_before(self.last_event() + 1, subject, kinds), limit))[::-1]

    def events_after(self, number: int, subject: str | None = None, kinds: Sequence[EventKind] = ()) -> Iterator[Event]:
        return self._each(number, subject, kinds, forward=True)

    def events_before(
        self, number: int, subject: str | None = None, kinds: Sequence[EventKind] = ()
    ) -> Iterator[Event]:
        return self._each(number, subject, kinds, forward=False)

    def last_event(self) -> int:
        row = self._link.rows(LAST_EVENT)[0]
        return row[0] or 0

    def forget_events(self, before: datetime, keep: int) -> int:
        # Identifiers only go up, so the oldest are at the low end of the primary key. One that a wrong clock put
        # behind a younger one waits for its turn.
        last_to_go = self.last_event() - keep
        oldest = self._link.rows(_OLDEST, limit=_CHUNK)
        going = list(takewhile(lambda row: row[0] <= last_to_go or row[1] < to_micros(before), oldest))
        return self._link.run(TRIM_EVENTS, last=going[-1][0]) if going else 0

    def subject_name(self, subject: str) -> str:
        if not subject.isdecimal():
            return subject
        row = self._link.row(COMPUTER_NAME, key=int(subject))
        return row[0] if row else f"#{subject}"

    def provenance(self, kind: str, key: int) -> Mapping[str, SetBy]:
        rows = self._link.rows(_SET_BY, kind=kind, key=key)
        return {field: SetBy(user, from_micros(at)) for field, user, at in rows}

    def _each(self, number: int, subject: str | None, kinds: Sequence[EventKind], *, forward: bool) -> Iterator[Event]:
        values: dict[str, object] = {f"k{index}": kind.value for index, kind in enumerate(kinds)}
        if subject is not None:
            values["subject"] = subject
        statement = _events(subject is not None, len(kinds), forward)
        while rows := self._link.rows(statement, number=number, limit=_CHUNK, **values):
            yield from map(_to_event, rows)
            number = rows[-1][0]
