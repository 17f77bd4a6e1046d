"""One connection to the database, and what is done with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from pxed.site.sql.driver import Database
from pxed.site.sql.faults import store_error
from pxed.site.sql.statement import Statement

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

Row = tuple[Any, ...]


class Link:
    """A connection in autocommit mode, with explicit transactions. For one thread at a time.

    Troubles of the database come out as StoreError, everything else as the driver's own exceptions.
    """

    def __init__(self, database: Database) -> None:
        self._called = database.called
        with self.faults():
            self._driver = database.connect()

    def tables(self) -> set[str]:
        """Names of all tables that there are."""
        with self.faults():
            return self._driver.tables()

    def as_sqlalchemy(self) -> Connection:
        """The same connection, for alembic."""
        return self._driver.as_sqlalchemy()

    @property
    def is_lost(self) -> bool:
        """Whether the connection has broken: another one may do."""
        return self._driver.is_lost

    def close(self) -> None:
        """Gives the connection up; what was not committed is rolled back."""
        self._driver.close()

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
        """Troubles of the database come out of it as StoreError; for who uses `as_sqlalchemy`."""
        try:
            yield
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        translated = store_error(error, self._called)
        if translated is None:
            raise error
        raise translated from error
