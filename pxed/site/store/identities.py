"""What a transaction does with identifiers that tell nobody for certain."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Protocol

from pxed.site.identity import Conflict, IdentifierKind, IdentifierList, ListedIdentifier, Suspicion, Together


class Identities(Protocol):
    """Lists of identifiers, and the queue of those that disagree."""

    def listed(self, which: IdentifierList) -> Sequence[ListedIdentifier]:
        """All of a list: MAC addresses, then GUIDs."""
        ...

    def list_identifier(self, which: IdentifierList, kind: IdentifierKind, value: str, comment: str = "") -> bool:
        """Puts a canonical identifier on a list, which settles conflicts about it.

        False if it was there already, then it has this comment, if any.

        A GUID is there if it is in either byte order.
        """
        ...

    def unlist_identifier(self, which: IdentifierList, kind: IdentifierKind, value: str) -> bool:
        """Takes it off; False if it was not there."""
        ...

    def came_together(self, mac: str, guid: uuid.UUID) -> Together | None:
        """Notes that a MAC address and a GUID were in one packet, and returns what is known of both.

        None if one of them is on the shared list, or if it is no news: not an hour ago, and not of different computers.
        Bounded, the oldest go.
        """
        ...

    def seen_with(self, mac: str, guid: uuid.UUID | None) -> tuple[Sequence[str], Sequence[uuid.UUID]]:
        """The MAC addresses that came with a GUID and the GUIDs that came with a MAC address, if they are given."""
        ...

    def put_conflict(self, suspicion: Suspicion, interface: str) -> None:
        """Puts it into the queue, or counts it up there. Settled ones open again only with new facts. Bounded."""
        ...

    def belong_together(self, mac: str, guid: uuid.UUID) -> None:
        """Settles what disagreed and does no longer."""
        ...

    def conflicts(self, *, settled: bool = False) -> Sequence[Conflict]:
        """Those that are open, or all; last seen first, open ones before settled ones."""
        ...

    def find_conflict(self, conflict_id: int) -> Conflict | None:
        """By its id."""
        ...

    def settle_conflict(self, conflict_id: int, how: str, *, dismissed: bool = False) -> None:
        """Takes it out of the queue. NotFound.

        What was seen of its identifiers until now counts no more; if it is `dismissed`, it opens again only when other
        computers are concerned.
        """
        ...

    def merge_computers(self, computer_id: int, other_id: int) -> None:
        """Gives a computer all that another one has (MAC addresses, collections, variables, records, history), except
        its GUID, and removes that other one. NotFound; Refused if they are the same."""
        ...
