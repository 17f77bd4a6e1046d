"""Transactions that the service has done for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from pxed.site.event import EventKind
from pxed.site.store.tx import Tx

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of history as a job; a writer writes many of them with one statement."""

    at: datetime
    kind: EventKind
    subject: str
    text: str

    def __call__(self, tx: Tx) -> None:
        """Writes it alone."""
        tx.add_event(self.at, self.kind, self.subject, self.text)


class Jobs(Protocol):
    """The service's way to change the site: one writer, nobody waits for a lock. `writer.py` implements it."""

    def submit(self, job: Callable[[Tx], T]) -> Future[T]:
        """Runs `job` in a transaction soon; its result is known when it is durable."""
        ...

    def submit_droppable(self, job: Callable[[Tx], object]) -> None:
        """Runs `job` in a transaction when it can be; never waits, never fails, may be dropped."""
        ...
