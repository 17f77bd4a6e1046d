"""PostgreSQL's ways: a server that several service points share, and the driver psycopg, which only they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from psycopg import Connection, ProgrammingError, RawCursor, RawServerCursor
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import URL, Dialect, Engine
from sqlalchemy.engine import Connection as CoreConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from pxed.site.sql.patience import PatientConnection
from pxed.site.sql.statement import DialectName

_CONNECT_SECONDS = 5
_SETTINGS = {
    "application_name": "pxed",
    "connect_timeout": _CONNECT_SECONDS,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
"""What libpq is told unless the URL says otherwise: who asks, and how long a server may be silent, in seconds, but for
the milliseconds of `tcp_user_timeout`. Whoever waits for a server that is gone answers nobody."""
_WRITE_LOCK = int.from_bytes(b"pxed")
"""Which of the database's advisory locks writers take."""
_ROWS_AT_ONCE = 2000
_names = count(1)


class PostgresDatabase:
    """`pxed.site.sql.driver.Database` on a server."""

    def __init__(self, url: URL, busy_seconds: float, answer_seconds: float) -> None:
        """A lock is waited for so long, and any answer. ArgumentError if libpq does not understand `url`."""
        self._url = url
        self._engine = _engine(url, busy_seconds, answer_seconds)

    @property
    def called(self) -> str:
        return f"the database {self._url.set(drivername='postgresql', query={}).render_as_string()}"

    def connect(self) -> PostgresDriver:
        return PostgresDriver(self._engine.connect())


def _engine(url: URL, busy_seconds: float, answer_seconds: float) -> Engine:
    """What `url` tells libpq goes first. Connections are not pooled."""
    settings = {name: value for name, value in _SETTINGS.items() if name not in url.query}
    if "connect_timeout" in settings:
        settings["connect_timeout"] = round(min(_CONNECT_SECONDS, answer_seconds))
    limits = {"lock_timeout": busy_seconds, "statement_timeout": answer_seconds}
    options = [f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items()]
    settings["options"] = f"{' '.join(options)} {url.query.get('options', '')}"
    try:
        make_conninfo(**dict.fromkeys(url.query, ""))
    except ProgrammingError as error:
        raise ArgumentError(str(error).strip()) from None
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        pool_reset_on_return=None,  # it is closed
        connect_args=settings,
        isolation_level="AUTOCOMMIT",
        use_native_hstore=False,
    )

    @event.listens_for(engine, "do_connect")
    def connect(_: Dialect, __: object, positional: tuple[Any, ...], named: dict[str, Any]) -> PatientConnection:
        connection = PatientConnection.connect(*positional, **named)
        connection.seconds = answer_seconds
        return connection

    return engine


class PostgresDriver:
    """`pxed.site.sql.driver.Driver` on a connection of psycopg."""

    dialect: DialectName = "postgresql"
    begin_reading: tuple[str, ...] = ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",)
    begin_writing: tuple[str, ...] = (
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})",
    )
    """One writer at a time, as in SQLite: what a transaction has read stays true until it commits, so that a claim, a
    limit or a new name can rest on it. Each statement sees what was committed before, by whoever had the lock."""
    look_over: tuple[str, ...] = ("ANALYZE computer, mac, membership, variable, event",)
    """The server does so by itself some minutes later; until then it takes what grew for small and reads it whole."""

    def __init__(self, connection: CoreConnection) -> None:
        self._core = connection
        driver: Any = connection.connection.driver_connection
        self._connection: Connection = driver

    @property
    def is_in_transaction(self) -> bool:
        return self._connection.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}

    @property
    def is_lost(self) -> bool:
        return self._connection.closed

    def tables(self) -> set[str]:
        return set(inspect(self._core).get_table_names())

    def as_sqlalchemy(self) -> CoreConnection:
        return self._core

    def close(self) -> None:
        self._core.close()

    def execute(self, text: str, values: tuple[Any, ...] = ()) -> RawCursor[tuple[Any, ...]]:
        return RawCursor(self._connection).execute(text.encode(), values)

    def execute_many(self, text: str, values: Iterable[tuple[Any, ...]]) -> None:
        RawCursor(self._connection).executemany(text.encode(), values)

    def each(self, text: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        # psycopg would take the whole result of a plain query into memory
        name = f"rows_{next(_names)}"
        with RawServerCursor(self._connection, name, withhold=not self.is_in_transaction) as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            yield from cursor.execute(text.encode(), values)

    def data_version(self) -> int | None:
        return None
