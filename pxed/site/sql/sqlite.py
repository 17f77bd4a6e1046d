"""SQLite's ways: a file of the service point's own, and its driver in the standard library."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pxed.errors import StoreDenied, StoreError, StoreMissing
from pxed.files import give_to_owner_of
from pxed.site.sql.statement import DialectName

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

WHO_MAKES_IT = "`pxed serve`, or any verb that adds something, makes it"
_URL = re.compile(r"sqlite(\+pysqlite)?://(/(?P<file>[^?]*))?(\?.*)?")
"""As SQLAlchemy reads it; a file's name that begins with a slash is an absolute one."""
_CACHE_KIB = 32 * 1024
"""Pages that a connection keeps: the upper floors of the indexes of a million computers, and what was asked of late."""


class SqliteDatabase:
    """`pxed.site.sql.driver.Database` in a file."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        """Another writer is waited for so long."""
        self.path = path
        self._busy_seconds = busy_seconds

    @property
    def called(self) -> str:
        return f"the database {self.path}"

    def connect(self) -> SqliteDriver:
        # mode=rw: a file that has vanished is an error, not a new empty database
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode=rw",
            uri=True,
            timeout=self._busy_seconds,
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
        return SqliteDriver(connection)


def path_in(url: str, state_dir: Path) -> Path | None:
    """The file that `url` names; None if it is no URL of SQLite, StoreError if it names no file."""
    parts = _URL.fullmatch(url)
    if parts is None:
        return None
    file = parts["file"]
    if not file or file == ":memory:" or file.startswith("file:"):
        raise StoreError("the database URL names no file, as sqlite:///pxed.db does")
    return state_dir / file


def require_file(path: Path, *, create: bool) -> None:
    """StoreError unless the file is there; it is made, empty, if `create` says so: SQLite would make one with
    permissions of its own choice."""
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

    dialect: DialectName = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.execute = connection.execute
        self.execute_many = connection.executemany
        self.close = connection.close
        self.connection = connection

    @property
    def is_in_transaction(self) -> bool:
        # it may have rolled everything back by itself (disk full, I/O error)
        return self.connection.in_transaction

    def tables(self) -> set[str]:
        return {name for (name,) in self.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def as_sqlalchemy(self) -> Connection:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import StaticPool

        engine = create_engine(
            "sqlite://",
            creator=lambda: self.connection,
            poolclass=StaticPool,
            pool_reset_on_return=None,  # it is not the pool's
            isolation_level="AUTOCOMMIT",
        )
        return engine.connect()

    def each(self, text: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        # chain has no `close`: a cursor cannot be closed once its connection is, when somebody stops reading early
        return chain(self.connection.execute(text, values))

    def data_version(self) -> int | None:
        version: int = self.connection.execute("PRAGMA data_version").fetchone()[0]
        return version
