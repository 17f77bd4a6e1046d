"""What the rest of the program may ask of the site's database: two small interfaces.

`Reader` is the boot path's view: read-only, indexed, never waiting for a writer. `Tx` is a transaction: what the
command line and the service's writer thread do to the site, whole or not at all. `sql.py` implements both; `memory.py`
ships a reader without a database for tests and simulations. Every method may raise StoreError.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from pxed.site.model import (
    Advertisement,
    BootImage,
    Collection,
    Computer,
    Event,
    EventKind,
    Evidence,
    ImageVariant,
    Kind,
    Plan,
    PxeRecord,
    Sighting,
    TaskSequence,
)


class Reader(Protocol):
    """The boot path's questions."""

    def plan(self) -> Plan:
        """The site-wide part, cached until the site's change number moves."""
        ...

    def evidence(self, mac: str, guids: Sequence[uuid.UUID]) -> Evidence:
        """What is known of a client that calls itself `mac` and, in one byte order or the other, `guids`."""
        ...

    def record(self, record_id: int) -> PxeRecord | None:
        """One PXE record by its id; None if it was cleared."""
        ...

    def name_of(self, subject: str) -> str:
        """The name of the computer that a record's subject means; the subject itself for an unknown one."""
        ...


class Tx(Protocol):
    """One transaction on the site. Edits raise the change number and leave an EDIT event with the user's name."""

    # computers
    def put_computer(self, name: str, macs: Sequence[str], guid: uuid.UUID | None) -> Computer:
        """Adds the computer, or overwrites the one it is: that of the same name, else of the same GUID, else of a MAC.

        Refused if its identifiers belong to two different computers. Records kept under one of its MAC addresses
        become its own; sightings of its identifiers end.
        """
        ...

    def remove_computer(self, computer_id: int) -> None:
        """Removes a computer with its memberships and records."""
        ...

    def find_computer(self, key: str) -> Computer | None:
        """By name, MAC address or GUID, in any notation, the GUID in either byte order."""
        ...

    def computers(self, collection_id: int | None = None) -> Iterable[Computer]:
        """All, or those of a collection, by name."""
        ...

    # collections
    def add_collection(self, name: str, comment: str = "") -> Collection:
        """Refused if the name is taken."""
        ...

    def remove_collection(self, name: str) -> None:
        """NotFound; Refused while advertised to."""
        ...

    def find_collection(self, name: str) -> Collection | None:
        """By name."""
        ...

    def collections(self, computer_id: int | None = None) -> Sequence[Collection]:
        """All, or those that hold a computer, by name."""
        ...

    def add_member(self, collection_id: int, computer_id: int) -> bool:
        """False if it was a member already."""
        ...

    def remove_member(self, collection_id: int, computer_id: int) -> bool:
        """False if it was no member."""
        ...

    # boot images and task sequences
    def add_boot_image(self, name: str) -> BootImage:
        """A new revision of boot image `name` without variants yet; an older one of that name is replaced at once."""
        ...

    def add_variant(self, image_id: int, variant: ImageVariant) -> None:
        """Adds (or replaces) the variant of one architecture."""
        ...

    def remove_boot_image(self, name: str) -> BootImage:
        """NotFound; Refused while a task sequence uses it."""
        ...

    def boot_images(self) -> Sequence[BootImage]:
        """All, by name."""
        ...

    def put_sequence(self, name: str, boot_image: str, document: str) -> TaskSequence:
        """Adds or overwrites; NotFound if there is no such boot image."""
        ...

    def remove_sequence(self, name: str) -> None:
        """NotFound; Refused while advertised."""
        ...

    def sequences(self) -> Sequence[TaskSequence]:
        """All, by name."""
        ...

    # advertisements
    def advertise(
        self,
        name: str,
        kind: Kind,
        sequence: str,
        collection: str,
        start: datetime,
        expires: datetime | None,
        now: datetime,
    ) -> Advertisement:
        """NotFound if there is no such sequence or collection."""
        ...

    def set_enabled(self, advertisement_id: int, enabled: bool) -> Advertisement:
        """NotFound."""
        ...

    def remove_advertisement(self, advertisement_id: int) -> Advertisement:
        """NotFound. Its records go with it."""
        ...

    def advertisements(self) -> Sequence[Advertisement]:
        """All, newest first."""
        ...

    # records, sightings, events
    def records(self, subject: str) -> Sequence[PxeRecord]:
        """Those of one subject, latest first."""
        ...

    def record(self, record_id: int) -> PxeRecord | None:
        """One record."""
        ...

    def save_record(self, record: PxeRecord) -> PxeRecord:
        """Inserts it if its id is 0 (and returns it with the id it got), else overwrites."""
        ...

    def delete_record(self, record_id: int) -> None:
        """Forgets it."""
        ...

    def saw(self, sighting: Sighting) -> None:
        """Adds a sighting or counts it up; the table is bounded, the oldest go."""
        ...

    def sightings(self) -> Sequence[Sighting]:
        """All, last seen first."""
        ...

    def add_event(self, at: datetime, kind: EventKind, subject: str, text: str) -> None:
        """A line of history; the table is bounded, the oldest go."""
        ...

    def events(self, subject: str | None, limit: int) -> Sequence[Event]:
        """The last `limit` of a subject, or of all, oldest first."""
        ...
