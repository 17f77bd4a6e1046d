"""The boot path's view of the site."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pxed.site.model import Advertisement, Evidence, PasswordScope, Plan, PxeRecord
from pxed.site.restraints import Tally

Client = tuple[str, Sequence[uuid.UUID]]
"""The identifiers in one packet: a MAC address and a GUID if there is one."""


class Reader(Protocol):
    """The boot path's questions."""

    def plan(self) -> Plan:
        """The site-wide part, cached until the site's change number moves."""
        ...

    def look_up(self, mac: str, guids: Sequence[uuid.UUID]) -> tuple[Plan, Evidence]:
        """The plan, and what is known of a client that calls itself `mac` and, in one byte order or the other,
        `guids` (one at most): all that a decision needs, of one and the same state of the site.

        What is on the shared list is no evidence."""
        ...

    def look_up_all(self, clients: Sequence[Client]) -> tuple[Plan, list[Evidence]]:
        """The same for any number of clients, in their order."""
        ...

    def tally(self, advertisement: Advertisement, now: datetime, *, with_size: bool) -> Tally:
        """What the guard counts before that mandatory advertisement is handed out; the size of its collection only if
        it is wanted, since counting may take long."""
        ...

    def record(self, record_id: int) -> PxeRecord | None:
        """One PXE record by its id; None if it was cleared."""
        ...

    def password_hashes(self, scope: PasswordScope, scope_id: int) -> dict[str, str]:
        """The hashes of the passwords that guard something, by person; empty if there are none."""
        ...

    def environment_of(self, subject: str) -> dict[str, str]:
        """What a task sequence may read about the computer that a record's subject means: its variables, and
        PXED_SOURCE, the computer that it replaces. Empty for an unknown one."""
        ...

    def name_of(self, subject: str) -> str:
        """The name of the computer that a record's subject means; the subject itself for an unknown one."""
        ...
