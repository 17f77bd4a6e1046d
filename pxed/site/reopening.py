"""A reader that outlives its database: opened when first asked, given up when it fails, tried again after a while.

The service starts and goes on answering what it can while the database is missing, locked, damaged or from a newer
version; whoever asks gets the StoreError that says so.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from pxed.errors import StoreError
from pxed.site.model import Advertisement, Evidence, PasswordScope, Plan, PxeRecord
from pxed.site.restraints import Tally
from pxed.site.store import Client, Reader

T = TypeVar("T")

RETRY_SECONDS = 2.0
_SLOW_SECONDS = 1.0
"""A question that fails later than this was not answered at all: on another connection it would not be either."""
_PAUSES = 4
"""How many times as long as an attempt took it is left alone: whoever waits for a server answers nobody."""


class ClosableReader(Reader, Protocol):
    """A reader that holds a connection."""

    def close(self) -> None:
        """Gives the connection up."""
        ...


class ReopeningReader:
    """Implements Reader. `opener` makes the real one and may raise StoreError; `monotonic` is a clock in seconds."""

    def __init__(self, opener: Callable[[], ClosableReader], monotonic: Callable[[], float]) -> None:
        self._opener = opener
        self._monotonic = monotonic
        self._reader: ClosableReader | None = None
        self._fault: StoreError | None = None
        self._next_try = float("-inf")

    @property
    def fault(self) -> str:
        """Why the database cannot be asked; empty if it can."""
        return str(self._fault) if self._fault else ""

    def plan(self) -> Plan:
        """As Reader has it."""
        return self._ask(lambda reader: reader.plan())

    def look_up(self, mac: str, guids: Sequence[uuid.UUID]) -> tuple[Plan, Evidence]:
        """As Reader has it."""
        return self._ask(lambda reader: reader.look_up(mac, guids))

    def look_up_all(self, clients: Sequence[Client]) -> tuple[Plan, list[Evidence]]:
        """As Reader has it."""
        return self._ask(lambda reader: reader.look_up_all(clients))

    def tally(self, advertisement: Advertisement, now: datetime, *, with_size: bool) -> Tally:
        """As Reader has it."""
        return self._ask(lambda reader: reader.tally(advertisement, now, with_size=with_size))

    def record(self, record_id: int) -> PxeRecord | None:
        """As Reader has it."""
        return self._ask(lambda reader: reader.record(record_id))

    def password_hashes(self, scope: PasswordScope, scope_id: int) -> dict[str, str]:
        """As Reader has it."""
        return self._ask(lambda reader: reader.password_hashes(scope, scope_id))

    def environment_of(self, subject: str) -> dict[str, str]:
        """As Reader has it."""
        return self._ask(lambda reader: reader.environment_of(subject))

    def name_of(self, subject: str) -> str:
        """As Reader has it."""
        return self._ask(lambda reader: reader.name_of(subject))

    def close(self) -> None:
        """Gives the connection up; the next question opens it again."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _ask(self, question: Callable[[Reader], T]) -> T:
        begun = self._monotonic()
        if self._reader is not None:
            try:
                return question(self._reader)
            except StoreError as error:
                if self._monotonic() - begun > _SLOW_SECONDS:
                    self._failed(error, begun)
                    raise
                self.close()  # a server that was started anew knows this connection no more, and answers on another
        elif self._fault is not None and begun < self._next_try:
            raise self._fault
        try:
            self._reader = self._opener()
            answer = question(self._reader)
        except StoreError as error:
            self._failed(error, begun)
            raise
        self._fault = None
        return answer

    def _failed(self, error: StoreError, begun: float) -> None:
        now = self._monotonic()
        self._fault = error
        self._next_try = now + RETRY_SECONDS + _PAUSES * (now - begun)
        self.close()
