"""What every family of edits shares: link, user and instant of the transaction, and the trace that an edit leaves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, select, update

from pxed.site.model import EventKind
from pxed.site.sql.instants import to_micros
from pxed.site.sql.link import Link, Statement
from pxed.site.tables import event, site

EVENTS_KEPT = 1_000_000
"""An unattended service point must not fill its disk with history."""
_TRIM_EVERY = 1_000

_RAISE = Statement(update(site).values(change=site.c.change + 1))
_ADD_EVENT = Statement(insert(event).returning(event.c.id), "at", "kind", "subject", "text", "user")
_ADD_EVENTS = Statement(insert(event).inline(), "at", "kind", "subject", "text", "user")
_LAST_EVENT = Statement(select(func.max(event.c.id)))
_TRIM_EVENTS = Statement(delete(event).where(event.c.id <= bindparam("last")))


class Edits:
    """Base of the transaction's parts. `now` is one instant for the whole of it."""

    def __init__(self, link: Link, user: str, now: datetime) -> None:
        self._link = link
        self._user = user
        self._now = now
        self._raised = False

    def _edited(self, text: str, subject: str = "") -> None:
        self._raise_change()
        self.add_event(self._now, EventKind.EDIT, subject, text)

    def _edited_many(self, texts: Iterable[tuple[str, str]]) -> None:
        """Many edits of one kind, each as (subject, text)."""
        self._raise_change()
        same = {"at": to_micros(self._now), "kind": EventKind.EDIT.value, "user": self._user}
        self._link.run_many(_ADD_EVENTS, ({**same, "subject": subject, "text": text} for subject, text in texts))
        last = self._link.rows(_LAST_EVENT)[0][0]
        self._link.run(_TRIM_EVENTS, last=last - EVENTS_KEPT)

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
            self._link.run(_TRIM_EVENTS, last=added - EVENTS_KEPT)
