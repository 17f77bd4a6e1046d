"""Reading the history, and keeping it within bounds."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice, takewhile

from pxed.site.event import EVERYTHING, Event, EventKind, SetBy, Wanted
from pxed.site.sql.computers import COMPUTER_NAME
from pxed.site.sql.core import BindParameter, bindparam, select
from pxed.site.sql.edits import LAST_EVENT, TRIM_EVENTS, Edits
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.link import Row
from pxed.site.sql.places import placed, places
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import event, provenance

_COLUMNS = (event.c.id, event.c.at, event.c.kind, event.c.subject, event.c.text, event.c.user)
_SUBJECT = 3
"""where in a row it is"""
_OLDEST = Statement(select(event.c.id, event.c.at).order_by(event.c.id).limit(bindparam("limit")))

_SET_BY = Statement(
    select(provenance.c.field, provenance.c.user, provenance.c.at).where(
        provenance.c.object == bindparam("kind"), provenance.c.object_id == bindparam("key")
    )
)

_CHUNK = 1000
"""events read or forgotten with one statement"""


_MOST_SUBJECTS = 100
"""in a statement: each is looked up; of more, all lines are read and most of them may be about one of these"""


@functools.cache
def _events(subjects: int, kinds: int, *, by_user: bool, since: bool, forward: bool) -> Statement:
    """Events of so many subjects and kinds, or of any if 0, on one side of an id."""
    number: BindParameter[int] = bindparam("number")
    query = select(*_COLUMNS).where(event.c.id > number if forward else event.c.id < number)
    if subjects:
        query = query.where(event.c.subject.in_(places("s", subjects)))
    if kinds:
        query = query.where(event.c.kind.in_(places("k", kinds)))
    if by_user:
        query = query.where(event.c.user == bindparam("user"))
    if since:
        query = query.where(event.c.at >= bindparam("since"))
    return Statement(query.order_by(event.c.id if forward else event.c.id.desc()).limit(bindparam("limit")))


def _to_event(row: Row) -> Event:
    number, at, kind, subject, text, user = row
    return Event(number, from_micros(at), EventKind(kind), subject, text, user)


class History(Edits):
    """The transaction's part for history; `pxed.site.store.Tx` says what each method does."""

    def events(self, subject: str | None, limit: int, kinds: Sequence[EventKind] = ()) -> Sequence[Event]:
        wanted = Wanted(None if subject is None else (subject,), kinds)
        return list(islice(self.events_before(self.last_event() + 1, wanted), limit))[::-1]

    def events_after(self, number: int, wanted: Wanted = EVERYTHING) -> Iterator[Event]:
        return self._each(number, wanted, forward=True)

    def events_before(self, number: int, wanted: Wanted = EVERYTHING) -> Iterator[Event]:
        return self._each(number, wanted, forward=False)

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

    def _each(self, number: int, wanted: Wanted, *, forward: bool) -> Iterator[Event]:
        subjects = wanted.subjects
        if subjects is not None and not subjects:
            return
        few = tuple(subjects) if subjects is not None and len(subjects) <= _MOST_SUBJECTS else ()
        values: dict[str, object] = placed("k", (kind.value for kind in wanted.kinds))
        values |= placed("s", few)
        values |= {} if wanted.user is None else {"user": wanted.user}
        values |= {} if wanted.since is None else {"since": to_micros(wanted.since)}
        by_user, since = wanted.user is not None, wanted.since is not None
        statement = _events(len(few), len(wanted.kinds), by_user=by_user, since=since, forward=forward)
        while rows := self._link.rows(statement, number=number, limit=_CHUNK, **values):
            yield from (_to_event(row) for row in rows if few or subjects is None or row[_SUBJECT] in subjects)
            number = rows[-1][0]
