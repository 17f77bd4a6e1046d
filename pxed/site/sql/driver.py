"""What is asked of either database's driver. All in which they part is in `sqlite.py` and `postgresql.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from sqlalchemy.engine import Dialect


class Driver(Protocol):
    """A connection in autocommit mode. Values are plain integers, strings, truth values and None, as many as the text
    has marks for; the driver's own exceptions come out."""

    dialect: Dialect
    """What statements are compiled for; values go in order."""
    begin_reading: tuple[str, ...]
    """Commands that begin a transaction which sees one state of the site."""
    begin_writing: tuple[str, ...]
    """Commands that begin a transaction which is the only one that writes."""
    look_over: tuple[str, ...]
    """Commands with which the database learns how much there is of everything, so that it plans by that."""

    @property
    def is_in_transaction(self) -> bool:
        """Whether there is something to commit or to roll back."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether the connection has broken."""
        ...

    def execute(self, text: str, values: tuple[Any, ...] = (), /) -> Any:
        """Runs a text and returns its cursor."""
        ...

    def execute_many(self, text: str, values: Iterable[tuple[Any, ...]], /) -> object:
        """Runs a text once for each tuple."""
        ...

    def each(self, text: str, values: tuple[Any, ...], /) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, few of them in memory at a time."""
        ...

    def data_version(self) -> int | None:
        """A number that moves with every commit of any other connection; None if there is none."""
        ...
