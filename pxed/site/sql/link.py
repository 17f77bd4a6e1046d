"""One connection to the database, and statements that are compiled once.

SQLAlchemy Core builds the statements and knows the dialects; running one through it costs tens of microseconds of
bookkeeping. Here a statement is compiled once per dialect and handed to the driver as text and values: a few
microseconds, and the same Core expressions serve SQLite and PostgreSQL. Values and rows are plain integers, strings
and None, so nothing needs converting on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import inspect
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.sql import ClauseElement

from pxed.site.sql.faults import store_error

Row = tuple[Any, ...]


class Statement:
    """A Core expression; `columns` names what an INSERT or UPDATE sets, the other values are its bind parameters."""

    __slots__ = ("_clause", "_columns", "_compiled")

    def __init__(self, clause: ClauseElement, *columns: str) -> None:
        self._clause = clause
        self._columns = columns
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        """The text, the names of its values in order (None if the driver takes them by name), and constant values."""
        found = self._compiled.get(dialect.name)
        if found is None:
            compiled = self._clause.compile(dialect=dialect, column_keys=list(self._columns) or None)
            names = tuple(getattr(compiled, "positiontup", None) or ()) if dialect.positional else None
            constants = {name: value for name, value in compiled.params.items() if value is not None}
            found = self._compiled[dialect.name] = (str(compiled), names, constants)
        return found


class Link:
    """A driver's connection in autocommit mode, with explicit transactions. For one thread at a time.

    Troubles of the database come out as StoreError, everything else as the driver's own exceptions.
    """

    def __init__(self, engine: Engine) -> None:
        self._url = engine.url
        self._dialect = engine.dialect
        with self._faults():
            self.connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._driver: Any = self.connection.connection.driver_connection

    def tables(self) -> set[str]:
        """Names of all tables that there are."""
        with self._faults():
            return set(inspect(self.connection).get_table_names())

    @property
    def is_sqlite(self) -> bool:
        """Whether SQLite's own statements can be used."""
        return self._dialect.name == "sqlite"

    def close(self) -> None:
        """Gives the connection up; what was not committed is rolled back."""
        self.connection.close()

    def rows(self, statement: Statement, **values: object) -> list[Row]:
        """All rows of a query, or of a statement's RETURNING."""
        with_values = self._bind(statement, values)
        try:
            found: list[Row] = self._driver.execute(*with_values).fetchall()
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
            with self._faults():
                self._driver.cursor().executemany(bound[0][0], [each for _, each in bound])

    def each(self, statement: Statement, **values: object) -> Iterator[Row]:
        """The rows of a query one after the other, for results that may be large."""
        with self._faults():
            yield from self._driver.execute(*self._bind(statement, values))

    def command(self, text: str) -> Row | None:
        """Runs `text` as it is (transaction control, PRAGMA) and returns its first row, if any."""
        with self._faults():
            cursor = self._driver.execute(text)
            row: Row | None = cursor.fetchone() if cursor.description else None
        return row

    def data_version(self) -> int | None:
        """A number that moves with every commit of any other connection (SQLite's PRAGMA); None if there is none."""
        row = self.command("PRAGMA data_version") if self.is_sqlite else None
        return row[0] if row else None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one and the same state of the site."""
        self.command("BEGIN" if self.is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            self._undo("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end, or rolls back if anything is raised: whole or not at all."""
        # IMMEDIATE takes SQLite's write lock at once: a lock that comes with the first write may be refused then
        self.command("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
        try:
            yield
            self.command("COMMIT")
        except BaseException:
            self._undo("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a transaction that can fail alone."""
        self.command("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._undo("ROLLBACK TO part; RELEASE part")
            raise
        self.command("RELEASE part")

    def _undo(self, text: str) -> None:
        # SQLite may have rolled everything back by itself (disk full, I/O error): nothing is left to undo then.
        if not self.is_sqlite or self._driver.in_transaction:
            for command in text.split("; "):
                self.command(command)

    def _bind(self, statement: Statement, values: dict[str, Any]) -> tuple[str, tuple[Any, ...] | dict[str, Any]]:
        text, names, constants = statement.compiled(self._dialect)
        if constants:
            values = constants | values
        return text, values if names is None else tuple([values[name] for name in names])

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        translated = store_error(error, self._url)
        if translated is None:
            raise error
        raise translated from error
