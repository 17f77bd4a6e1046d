"""What every family of edits shares: link, user and instant of the transaction, and the trace that an edit leaves."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import datetime

from pxed.site.event import EventKind
from pxed.site.sql.core import BindParameter, bindparam, delete, func, insert, literal_column, select, update
from pxed.site.sql.instants import to_micros
from pxed.site.sql.link import Link
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import event, provenance, site
from pxed.site.store import Line

EVENTS_KEPT = 1_000_000
"""An unattended service point must not fill its disk with history."""
_TRIM_EVERY = 1_000

_CHANGE = Statement(select(site.c.change).where(site.c.id == literal_column("1")))
_RAISE = Statement(update(site).values(change=site.c.change + 1))
_ADD_EVENT = Statement(insert(event).returning(event.c.id), "at", "kind", "subject", "text", "user")
LAST_EVENT = Statement(select(func.max(event.c.id)))
TRIM_EVENTS = Statement(delete(event).where(event.c.id <= bindparam("last")))

_SAME_VALUE = (
    provenance.c.object == bindparam("kind"),
    provenance.c.object_id == bindparam("key"),
    provenance.c.field == bindparam("what"),
)
_SET_AGAIN = Statement(update(provenance).where(*_SAME_VALUE), "user", "at")
_SET_FIRST = Statement(insert(provenance), "object", "object_id", "field", "user", "at")
_FORGET_SET = Statement(
    delete(provenance).where(provenance.c.object == bindparam("kind"), provenance.c.object_id == bindparam("key"))
)

LINES = 64
"""lines of history in one statement, between which the writer gives way"""


@functools.cache
def _add_events(lines: int) -> Statement:
    """So many lines at once: the driver gives other threads way once for each statement, and takes its time for it."""
    keys = ("at", "kind", "subject", "text")
    rows: list[dict[str, BindParameter[object]]] = [
        {**{key: bindparam(f"{key}{i}") for key in keys}, "user": bindparam("user")} for i in range(lines)
    ]
    return Statement(insert(event).inline().values(rows))


def read_change(link: Link) -> int:
    """The site's change number."""
    number: int = link.rows(_CHANGE)[0][0]
    return number


class Edits:
    """Base of the transaction's parts. `now` is one instant for the whole of it."""

    def __init__(self, link: Link, user: str, now: datetime) -> None:
        self._link = link
        self._user = user
        self._now = now
        self._raised = False

    def change(self) -> int:
        return read_change(self._link)

    def look_over(self) -> None:
        self._link.look_over()

    def _edited(self, text: str, subject: str = "") -> None:
        self._raise_change()
        self.add_event(self._now, EventKind.EDIT, subject, text)

    def _edited_many(self, texts: Iterable[tuple[str, str]]) -> None:
        """Many edits of one kind, each as (subject, text)."""
        self._raise_change()
        self.add_lines([Line(self._now, EventKind.EDIT, subject, text) for subject, text in texts])

    def _set_by(self, kind: str, key: int, fields: Iterable[str]) -> None:
        """Remembers who set these fields of an object, and when: of one row of the table `kind`, with the id `key`."""
        now = to_micros(self._now)
        for field in fields:
            if not self._link.run(_SET_AGAIN, kind=kind, key=key, what=field, user=self._user, at=now):
                self._link.run(_SET_FIRST, object=kind, object_id=key, field=field, user=self._user, at=now)

    def _forget_set_by(self, kind: str, key: int) -> None:
        """The object is removed."""
        self._link.run(_FORGET_SET, kind=kind, key=key)

    def add_lines(self, lines: Sequence[Line]) -> None:
        """Lines of history, few statements for many; the oldest go as in `add_event`."""
        if not lines:
            return
        for start in range(0, len(lines), LINES):
            chunk = lines[start : start + LINES]
            values = {
                f"{key}{index}": value
                for index, line in enumerate(chunk)
                for key, value in (
                    ("at", to_micros(line.at)),
                    ("kind", line.kind.value),
                    ("subject", line.subject),
                    ("text", line.text),
                )
            }
            self._link.run(_add_events(len(chunk)), user=self._user, **values)
        last = self._link.rows(LAST_EVENT)[0][0]
        self._link.run(TRIM_EVENTS, last=last - EVENTS_KEPT)

    def _raise_change(self) -> None:
        if not self._raised:
            self._link.run(_RAISE)
            self._raised = True

    def add_event(self, at: datetime, kind: EventKind, subject: str, text: str) -> None:
        """A line of history; at most EVENTS_KEPT (and a trimming step more) are kept, the oldest go."""
        added = self._link.added(
            _ADD_EVENT, at=to_micros(at), kind=kind.value, subject=subject, text=text, user=self._user
        )
        # identifiers only go up, so the oldest are a range at the low end of the primary key: no scan
        if added % _TRIM_EVERY == 0:
            self._link.run(TRIM_EVENTS, last=added - EVENTS_KEPT)
