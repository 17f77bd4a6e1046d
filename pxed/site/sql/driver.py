"""What is asked of either database and its driver. All in which they part is in `sqlite.py` and `postgresql.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from pxed.site.sql.statement import DialectName

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


class Database(Protocol):
    """Where a site is kept."""

    @property
    def called(self) -> str:
        """As messages call it: without what may be secret in a URL."""
        ...

    def connect(self) -> Driver:
        """A connection of its own; the driver's exceptions, or SQLAlchemy's for them, come out."""
        ...


class Driver(Protocol):
    """A connection in autocommit mode. Values are plain integers, strings, truth values and None, as many as the text
    has marks for; the driver's own exceptions come out."""

    dialect: DialectName
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

    def tables(self) -> set[str]:
        """Names of all tables that there are."""
        ...

    def as_sqlalchemy(self) -> Connection:
        """The same connection, for what runs statements through SQLAlchemy: alembic does. Not within a transaction,
        which SQLAlchemy would end while it looks around."""
        ...

    def close(self) -> None:
        """Gives the connection up; what was not committed is rolled back."""
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
