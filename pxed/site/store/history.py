"""What a transaction tells of what was done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pxed.site.event import EVERYTHING, Event, EventKind, SetBy, Wanted
from pxed.site.model import Overview


class History(Protocol):
    """Events, who set what, and the site in numbers."""

    def add_event(self, at: datetime, kind: EventKind, subject: str, text: str) -> None:
        """A line of history; the table is bounded, the oldest go."""
        ...

    def events(self, subject: str | None, limit: int, kinds: Sequence[EventKind] = ()) -> Sequence[Event]:
        """The last `limit` of a subject, or of all, of these kinds, or of any; oldest first."""
        ...

    def events_after(self, number: int, wanted: Wanted = EVERYTHING) -> Iterator[Event]:
        """Those with a greater id, oldest first, read as one iterates; 0 for the whole history."""
        ...

    def events_before(self, number: int, wanted: Wanted = EVERYTHING) -> Iterator[Event]:
        """Those with a smaller id, latest first, read as one iterates."""
        ...

    def last_event(self) -> int:
        """The id of the latest event; 0 if there is none."""
        ...

    def forget_events(self, before: datetime, keep: int) -> int:
        """Forgets some of the oldest: those from before an instant, and all but the last `keep`.

        Returns how many went, 0 at the end: a writer must not hold the database for long.
        """
        ...

    def provenance(self, kind: str, key: int) -> Mapping[str, SetBy]:
        """Who set the fields of an object last, by field: of the row of the table `kind` with the id `key`. What was
        set before that was kept is not there."""
        ...

    def overview(self) -> Overview:
        """The site in numbers."""
        ...

    def count_known_with_record(self, advertisement_id: int) -> int:
        """How many known computers have a record of it."""
        ...

    def subject_name(self, subject: str) -> str:
        """The name of the computer that events and records are kept under; the MAC address of an unknown one."""
        ...
