"""One connection to the database, and statements that are compiled once.

SQLAlchemy Core builds the statements and knows the dialects; running one through it costs tens of microseconds of
bookkeeping. Here a statement is compiled once per dialect and handed to the driver as text and values: a few
microseconds, and the same Core expressions serve SQLite and PostgreSQL. Values and rows are plain integers, strings
and None, so nothing needs converting on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import inspect
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.sql import ClauseElement

from pxed.site.sql.driver import Driver
from pxed.site.sql.faults import store_error
from pxed.site.sql.sqlite import SqliteDriver

Row = tuple[Any, ...]


class Statement:
    """A Core expression; `columns` names what an INSERT or UPDATE sets, the other values are its bind parameters."""

    __slots__ = ("_clause", "_columns", "_compiled")

    def __init__(self, clause: ClauseElement, *columns: str) -> None:
        self._clause = clause
        self._columns = columns
        self._compiled: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        """The text, the names of its values in order, and those values that are constant."""
        found = self._compiled.get(dialect.name)
        if found is None:
            compiled = self._clause.compile(dialect=dialect, column_keys=list(self._columns) or None)
            names = tuple(getattr(compiled, "positiontup", None) or ())
            constants = {name: value for name, value in compiled.params.items() if value is not None}
            found = self._compiled[dialect.name] = (str(compiled), names, constants)
        return found


class Link:
    """A connection of an engine in autocommit mode, with explicit transactions. For one thread at a time.

    Troubles of the database come out as StoreError, everything else as the driver's own exceptions.
    """

    def __init__(self, engine: Engine) -> None:
        self._url = engine.url
        with self.faults():
            self.connection = engine.connect()
        self._driver = _driver(self.connection)

    def tables(self) -> set[str]:
        """Names of all tables that there are."""
        with self.faults():
            return set(inspect(self.connection).get_table_names())

    @property
    def is_lost(self) -> bool:
        """Whether the connection has broken: another one may do."""
        return self._driver.is_lost

    def close(self) -> None:
        """Gives the connection up; what was not committed is rolled back."""
        self.connection.close()

    def rows(self, statement: Statement, **values: object) -> list[Row]:
        """All rows of a query, or of a statement's RETURNING."""
        return self._fetch(*self._bind(statement, values))

    def rows_in_order(self, statement: Statement, values: Sequence[object]) -> list[Row]:
        """All rows of a query that has hundreds of values, given in the order in which it takes them."""
        return self._fetch(statement.compiled(self._driver.dialect)[0], tuple(values))

    def _fetch(self, text: str, values: tuple[Any, ...]) -> list[Row]:
        try:
            found: list[Row] = self._driver.execute(text, values).fetchall()
        except Exception as error:
            self._fail(error)
        return found

    def row(self, statement: Statement, **values: object) -> Row | None:
        """The first row, if any."""
        found = self.rows(statement, **values)
        return found[0] if found else None

    def added(self, statement: Statement, **values: object) -> int:
        """Runs an INSERT that returns the identifier of its row."""
        number: int = self.rows(statement, **values)[0][0]
        return number

    def run(self, statement: Statement, **values: object) -> int:
        """Runs a statement without rows and returns how many it changed."""
        with_values = self._bind(statement, values)
        try:
            count: int = self._driver.execute(*with_values).rowcount
        except Exception as error:
            self._fail(error)
        return count

    def run_many(self, statement: Statement, values: Iterable[dict[str, object]]) -> None:
        """Runs a statement once for each set of values."""
        bound = [self._bind(statement, each) for each in values]
        if bound:
            with self.faults():
                self._driver.execute_many(bound[0][0], [each for _, each in bound])

    def each(self, statement: Statement, **values: object) -> Iterator[Row]:
        """The rows of a query one after the other, for results that may be large."""
        with self.faults():
            yield from self._driver.each(*self._bind(statement, values))

    def command(self, text: str) -> Row | None:
        """Runs `text` as it is (transaction control, PRAGMA) and returns its first row, if any."""
        with self.faults():
            cursor = self._driver.execute(text)
            row: Row | None = cursor.fetchone() if cursor.description else None
        return row

    def look_over(self) -> None:
        """The database learns how much there is of everything."""
        for command in self._driver.look_over:
            self.command(command)

    def data_version(self) -> int | None:
        """A number that moves with every commit of any other connection; None if the database has none."""
        with self.faults():
            return self._driver.data_version()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one and the same state of the site."""
        with self._whole(self._driver.begin_reading):
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end, or rolls back if anything is raised: whole or not at all. One at a time in the site."""
        with self._whole(self._driver.begin_writing):
            yield

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a transaction that can fail alone."""
        self.command("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._undo("ROLLBACK TO part", "RELEASE part")
            raise
        self.command("RELEASE part")

    @contextmanager
    def _whole(self, begin: Iterable[str]) -> Iterator[None]:
        try:
            for command in begin:
                self.command(command)
            yield
            self.command("COMMIT")
        except BaseException:
            self._undo("ROLLBACK")
            raise

    def _undo(self, *commands: str) -> None:
        if self._driver.is_in_transaction:
            for command in commands:
                self.command(command)

    def _bind(self, statement: Statement, values: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
        text, names, constants = statement.compiled(self._driver.dialect)
        if constants:
            values = constants | values
        return text, tuple([values[name] for name in names])

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Troubles of the database come out of it as StoreError; for who uses `connection` itself."""
        try:
            yield
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        translated = store_error(error, self._url)
        if translated is None:
            raise error
        raise translated from error


def _driver(connection: Connection) -> Driver:
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return SqliteDriver(driver, connection.dialect)
    from pxed.site.sql.postgresql import PostgresDriver  # who has no such server needs no psycopg

    return PostgresDriver(driver)
