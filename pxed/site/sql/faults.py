"""What a database driver complains of, as a StoreError that an operator can act on.

Only troubles of the database's surroundings are translated: locks, disk, permissions, damage, a lost connection. A
statement that the database refuses (syntax, constraint) is our own bug and stays what it is, loud.
"""

from __future__ import annotations

import sqlite3

from pxed.errors import StoreError

_SQLITE = {
    sqlite3.SQLITE_PERM: "may not be accessed by this user",
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another process",
    sqlite3.SQLITE_READONLY: "cannot be written: it, its directory or its file system is read-only for this user",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error or a limit",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: it is missing, on a read-only file system, or kept from this user",
    sqlite3.SQLITE_NOTADB: "is not a database, or is damaged; restore it from a backup",
    sqlite3.SQLITE_PROTOCOL: "is locked by another process",
}
_SQLITE_TEMPORARY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}

# PostgreSQL SQLSTATE codes or their classes (appendix A of its manual) -> text, worth another try
_POSTGRES = {
    "08": ("cannot be reached", True),  # connection exception
    "25": ("does not take writes now", False),  # read-only transaction
    "42501": ("does not give this user the rights that it needs; it should own the database", False),
    "53": ("is out of disk, memory or connections", False),
    "55": ("is locked by another process", True),
    "57014": ("broke off a statement", True),
    "57": ("was shut down", True),
    "58": ("reports an error of its disk", False),
    "XX": ("is damaged", False),
}


def store_error(error: Exception, where: str) -> StoreError | None:
    """`error`, raised by the driver or by SQLAlchemy for it, as a StoreError; None if it is a bug of ours.

    `where` is what the database is called.
    """
    cause = getattr(error, "orig", None) or error  # sqlalchemy.exc.DBAPIError
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in _SQLITE:
            return None
        primary = code & 0xFF
        return StoreError(f"{where} {_SQLITE[primary]} ({cause})", temporary=primary in _SQLITE_TEMPORARY)
    state = getattr(cause, "sqlstate", None)
    if state is None and any(kind.__name__ == "OperationalError" for kind in type(cause).__mro__):
        state = "08"  # psycopg's: no connection, so no state
    if state is None or not (known := _POSTGRES.get(state) or _POSTGRES.get(state[:2])):
        return None
    text, temporary = known
    return StoreError(f"{where} {text} ({' '.join(str(cause).split())})", temporary=temporary)
