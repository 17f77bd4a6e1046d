"""Connections to PostgreSQL that wait for an answer so long and no longer.

A server that hangs (stopped, out of memory, its storage gone) keeps its connections, and its system acknowledges what
is sent to it: no time-out of TCP or of the server itself ends the waiting.
"""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

from psycopg import Connection, OperationalError

T = TypeVar("T")


class PatientConnection(Connection[Any]):
    """Closes itself and raises OperationalError if the server says nothing to a statement for `seconds`."""

    seconds = float("inf")

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **settings: Any) -> T:
        """As psycopg has it: `gen` is asked several times a second as long as nothing comes."""
        try:
            return super().wait(_within(self.seconds, gen), *args, **settings)
        except SilenceError:
            self.pgconn.finish()  # what it may say later is no answer to anything
            raise


class SilenceError(OperationalError):
    """The server has said nothing for too long."""


def _within(seconds: float, steps: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    """`steps`, broken off if nothing was ready for so long."""
    end = monotonic() + seconds
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if ready:
                end = monotonic() + seconds
            elif monotonic() > end:
                raise SilenceError(f"the server has said nothing for {seconds:g} seconds")
            wanted = steps.send(ready)
    except StopIteration as done:
        value: T = done.value
        return value
