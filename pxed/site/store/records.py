"""What a transaction does with what computers did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from pxed.site.model import PxeRecord, RecordState, Sighting


class Records(Protocol):
    """PXE records and sightings."""

    def records(self, subject: str) -> Sequence[PxeRecord]:
        """Those of one subject, latest first."""
        ...

    def all_records(self, advertisement_id: int | None = None) -> Iterator[PxeRecord]:
        """Those of one advertisement, or all; latest first, read as one iterates."""
        ...

    def tries(self, advertisement_id: int) -> Iterator[tuple[str, RecordState, int]]:
        """Of all records of an advertisement: subject, state and how many tries there were; read as one iterates."""
        ...

    def records_of(self, advertisement_id: int, subjects: Sequence[str]) -> Mapping[str, PxeRecord]:
        """The records of an advertisement that these subjects have."""
        ...

    def record(self, record_id: int) -> PxeRecord | None:
        """One record."""
        ...

    def save_record(self, record: PxeRecord) -> PxeRecord:
        """Inserts it if its id is 0 (and returns it with the id it got), else overwrites.

        NotFound if it was cleared meanwhile, or its advertisement is gone; Refused if the subject has one already.
        """
        ...

    def delete_record(self, record_id: int) -> None:
        """Forgets it; nothing happens if it is gone."""
        ...

    def saw(self, sighting: Sighting) -> None:
        """Adds a sighting or counts it up, unless its MAC address is known by now; bounded, the oldest go."""
        ...

    def waits(self, sighting: Sighting, *, begins: bool) -> Sighting | None:
        """Notes that it waits for approval, since when it began to or, if it `begins` now, since `last_seen`.

        Returns the sighting as it is kept; None if its MAC address is known by now.
        """
        ...

    def end_wait(self, sighting_id: int) -> None:
        """Notes that it waits no longer."""
        ...

    def find_sighting(self, key: str) -> Sighting | None:
        """By id, or by MAC address in any notation."""
        ...

    def sightings(self) -> Sequence[Sighting]:
        """All, last seen first. One that waits asks again and again; who has stopped doing so waits no longer."""
        ...
