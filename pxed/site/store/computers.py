"""What a transaction does with computers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from pxed.site.model import Computer

Identity = tuple[str, Sequence[str], uuid.UUID | None]
"""What tells a computer: name, MAC addresses, GUID."""


class Computers(Protocol):
    """Computers, and what is known of one beside its identity."""

    def put_computer(self, name: str, macs: Sequence[str], guid: uuid.UUID | None) -> Computer:
        """Adds the computer, or overwrites the one it is: that of the same name, else of the same GUID, else of a MAC.

        Refused if its identifiers belong to two different computers, or one that is new to it is on the shared list.
        Records kept under one of its identifiers become its own (of two for one advertisement the one that changed
        last); sightings of its identifiers end.
        Nothing is written if nothing is different.
        """
        ...

    def add_computers(self, new: Sequence[Identity]) -> Sequence[Computer]:
        """Adds them all, in few statements, as `put_computer` adds one.

        Refused if a name or an identifier is somebody's already or an identifier is on the shared list; that they share
        none among themselves is for the caller to see to.
        """
        ...

    def remove_computer(self, computer_id: int) -> None:
        """Removes a computer with its memberships and records. NotFound."""
        ...

    def find_computer(self, key: str) -> Computer | None:
        """By name, MAC address or GUID, in any notation, the GUID in either byte order."""
        ...

    def same_computers(
        self, names: Sequence[str], macs: Sequence[str], guids: Sequence[uuid.UUID]
    ) -> Sequence[Computer]:
        """Every computer that has one of these, in no order; any number may be asked for."""
        ...

    def computers(self) -> Iterator[Computer]:
        """All, by name; read as one iterates, so the first of a million come at once."""
        ...

    def variables(self, computers: Sequence[Computer]) -> Mapping[int, Mapping[str, str]]:
        """The variables of each, by name; any number may be asked for."""
        ...

    def set_variables(self, computer: Computer, values: Mapping[str, str]) -> int:
        """Sets these and leaves the others; returns how many were different. Refused if it would have too many."""
        ...

    def unset_variable(self, computer: Computer, name: str) -> bool:
        """False if it has no such variable."""
        ...

    def set_source(self, computer: Computer, source: str) -> bool:
        """The name of the computer that it replaces, known or not, empty for none; False if it is that already."""
        ...

    def heard(self, computer_id: int, architecture: int) -> None:
        """Notes the firmware that it asks with, by its number in option 93. No edit, since nobody decided it, but it
        raises the change number where rules of collections look at firmware: others may be members now."""
        ...
