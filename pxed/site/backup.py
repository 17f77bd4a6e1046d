"""A copy of the site in one file, made while the service runs.

The file of a running SQLite database is no backup: what was committed last is in a second file beside it. SQLite's own
backup interface (sqlite.org/backup.html) reads both, as of one moment, and holds up nobody who writes.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from pxed.errors import PxedError, Refused, StoreError, UsageError
from pxed.files import sync_directory
from pxed.site.sql.driver import Database
from pxed.site.sql.sqlite import SqliteDatabase


def back_up(database: Database, file: Path) -> int:
    """Writes the site into `file`, which must not exist, for its owner alone; its size in octets.

    Whole and on disk, or not there. UsageError if the site is not in SQLite, Refused if the file is there, StoreError
    if the site is damaged, PxedError if something cannot be read or written.
    """
    if not isinstance(database, SqliteDatabase):
        raise UsageError("the site is in PostgreSQL; pg_dump makes a backup of it")
    if os.path.lexists(file):
        raise Refused(f"{file} is there already; a backup replaces nothing")
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            _copy(database, draft)
            os.fsync(descriptor)
            draft.rename(file)
            sync_directory(file.parent)
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise PxedError(f"{file} cannot be written: {error.strerror}") from None
    except sqlite3.Error as error:
        raise PxedError(f"{file} cannot be made from {database.called}: {error}") from error


def _copy(database: SqliteDatabase, file: Path) -> None:
    with closing(database.connect()) as source, closing(sqlite3.connect(file)) as target:
        source.connection.backup(target)
        (found,) = target.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreError(f"{database.called} is damaged and no backup is made: {found}")
