"""What a database driver complains of, as a StoreError that an operator can act on.

Only troubles of the database's surroundings are translated: locks, disk, permissions, damage, a lost connection. A
statement that the database refuses (syntax, constraint) is our own bug and stays what it is, loud.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from pxed.errors import StoreError

_SQLITE = {
    sqlite3.SQLITE_PERM: "may not be accessed by this user",
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another process",
    sqlite3.SQLITE_READONLY: "cannot be written: it, its directory or its file system is read-only for this user",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error or a limit",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: it is missing, or this user may not use it or its directory",
    sqlite3.SQLITE_NOTADB: "is not a database, or is damaged; restore it from a backup",
    sqlite3.SQLITE_PROTOCOL: "is locked by another process",
}
_SQLITE_TEMPORARY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}

# PostgreSQL SQLSTATE codes or their classes (appendix A of its manual) -> text, worth another try
_POSTGRES = {
    "08": ("cannot be reached", True),  # connection exception
    "23505": ("was changed by another service point at the same time", True),  # unique violation after a race
    "25": ("does not take writes now", False),  # read-only transaction
    "28": ("refuses the user or the password", False),
    "3D": ("does not exist on that server", False),
    "40": ("was changed by another service point at the same time", True),  # serialization failure, deadlock
    "53": ("is out of disk, memory or connections", False),
    "55": ("is locked", True),
    "57": ("was shut down", True),
    "58": ("reports an error of its disk", False),
    "XX": ("is damaged", False),
}


def store_error(error: Exception, url: URL) -> StoreError | None:
    """`error`, raised by the driver or by SQLAlchemy for it, as a StoreError; None if it is a bug of ours."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    where = f"the database {url.database if url.get_backend_name() == 'sqlite' else url.render_as_string()}"
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in _SQLITE:
            return None
        primary = code & 0xFF
        return StoreError(f"{where} {_SQLITE[primary]} ({cause})", temporary=primary in _SQLITE_TEMPORARY)
    state = getattr(cause, "sqlstate", None)
    if state is None and type(cause).__name__ == "OperationalError":  # psycopg: no answer from a server, so no state
        state = "08"
    if state is None or not (known := _POSTGRES.get(state) or _POSTGRES.get(state[:2])):
        return None
    text, temporary = known
    return StoreError(f"{where} {text} ({str(cause).strip()})", temporary=temporary)
