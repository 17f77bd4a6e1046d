"""SQLite's ways: a file of the service point's own, and its driver in the standard library."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Dialect, Engine
from sqlalchemy.pool import NullPool

from pxed.errors import StoreDenied, StoreError, StoreMissing
from pxed.files import give_to_owner_of

WHO_MAKES_IT = "`pxed serve`, or any verb that adds something, makes it"
_CACHE_KIB = 32 * 1024
"""Pages that a connection keeps: the upper floors of the indexes of a million computers, and what was asked of late."""


def sqlite_engine(url: URL, state_dir: Path, *, create: bool, busy_seconds: float) -> Engine:
    """An engine for the file that `url` names; it is made, empty, if `create` says so. Connections are not pooled."""
    path = path_of(url, state_dir)
    _require_file(path, create)

    def connect() -> sqlite3.Connection:
        # mode=rw: a file that has vanished is an error, not a new empty database
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            timeout=busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # a hand-out that was committed survives a power cut
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return create_engine(url.set(database=str(path)), creator=connect, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def path_of(url: URL, state_dir: Path) -> Path:
    """The file that `url` names; StoreError if it names none."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreError("the database URL names no file, as sqlite:///pxed.db does")
    return state_dir / url.database


def _require_file(path: Path, create: bool) -> None:
    """Sees to it that there is a file, so that SQLite makes none with permissions of its own choice."""
    try:
        if _is_there(path):
            return
        if not create:
            raise StoreMissing(f"there is no database {path} yet; {WHO_MAKES_IT}")
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            give_to_owner_of(path.parent, handle)
        finally:
            os.close(handle)
    except FileExistsError:
        return  # another process was faster
    except PermissionError as error:
        raise StoreDenied(f"the database {path} is kept from this user; {_who_may_use(path)}") from error
    except OSError as error:
        raise StoreError(f"the database {path} cannot be made: {error.strerror}") from error


def _is_there(path: Path) -> bool:
    """PermissionError if that cannot be seen, in which `Path.exists` differs between versions of Python."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _who_may_use(path: Path) -> str:
    """Root, and the service's user, who has the directory."""
    users = {"root": None}
    with suppress(KeyError, OSError):  # a user without a name, a directory that cannot be seen either
        users[path.parent.owner()] = None
    return f"{' and '.join(users)} may use it"


class SqliteDriver:
    """`pxed.site.sql.driver.Driver` on a connection of `sqlite3`."""

    is_lost = False
    begin_reading: tuple[str, ...] = ("BEGIN",)
    begin_writing: tuple[str, ...] = ("BEGIN IMMEDIATE",)
    """Takes the write lock at once: a lock that comes with the first write may be refused then."""
    look_over: tuple[str, ...] = ()
    """It plans by which indexes there are."""

    def __init__(self, connection: sqlite3.Connection, dialect: Dialect) -> None:
        self.dialect = dialect
        self.execute = connection.execute
        self.execute_many = connection.executemany
        self._connection = connection

    @property
    def is_in_transaction(self) -> bool:
        # it may have rolled everything back by itself (disk full, I/O error)
        return self._connection.in_transaction

    def each(self, text: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        # chain has no `close`: a cursor cannot be closed once its connection is, when somebody stops reading early
        return chain(self._connection.execute(text, values))

    def data_version(self) -> int | None:
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version
