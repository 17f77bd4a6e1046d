"""Opening the site's database: made when missing, brought up to date when old, refused when it is not ours."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from pxed.errors import StoreError, StoreMissing
from pxed.site.sql.link import Link
from pxed.site.tables import REVISIONS

BUSY_SECONDS = 30.0
"""How long a writer waits for another one: longer than the import of many thousand computers holds the lock."""
_CACHE_KIB = 32 * 1024
"""Pages that a connection keeps: the upper floors of the indexes of a million computers, and what was asked of late."""
_MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(url: str, state_dir: Path, *, create: bool = False, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine for the site's database, which has the schema of this program when it is returned.

    `url` is as in the configuration: `sqlite:///pxed.db` (relative to `state_dir`) or a SQLAlchemy URL of PostgreSQL.
    A database that does not exist is made if `create` says so: verbs that only read do not. Connections are not
    pooled; each link opens its own and closes it. StoreError says what is wrong and what would be right.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            path = _sqlite_path(parsed, state_dir)
            _require_file(path, create)
            engine = _sqlite_engine(parsed.set(database=str(path)), path, busy_seconds)
        else:
            engine = create_engine(parsed, poolclass=NullPool)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(f"the database URL cannot be used: {error}; sqlite:///pxed.db would do") from None
    link = Link(engine)
    try:
        if _needs_migration(link, engine.url):
            _migrate(link, engine.url)
    finally:
        link.close()
    return engine


def _sqlite_path(url: URL, state_dir: Path) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreError("the database URL names no file, as sqlite:///pxed.db does")
    return state_dir / url.database


def _require_file(path: Path, create: bool) -> None:
    """Sees to it that there is a file, so that SQLite makes none with permissions of its own choice."""
    try:
        if path.exists():
            return
        if not create:
            raise StoreMissing(
                f"there is no database {path} yet; `pxed serve`, or any verb that adds something, makes it"
            )
        directory = path.parent.stat()
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            if os.geteuid() == 0:
                # made by root on the command line, used by the service's user: the one who has the state directory
                os.fchown(handle, directory.st_uid, directory.st_gid)
        finally:
            os.close(handle)
    except FileExistsError:
        return  # another process was faster
    except OSError as error:
        raise StoreError(f"the database {path} cannot be made: {error.strerror}") from error


def _sqlite_engine(url: URL, path: Path, busy_seconds: float) -> Engine:
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

    return create_engine(url, creator=connect, poolclass=NullPool)


def _needs_migration(link: Link, url: URL) -> bool:
    """Whether the schema is missing or older; StoreError if it is newer or something else's. No alembic needed."""
    tables = link.tables()
    if not tables:
        return True
    where = f"the database {url.render_as_string()}"
    row = link.command("SELECT version_num FROM alembic_version") if "alembic_version" in tables else None
    if row is None:
        raise StoreError(f"{where} holds tables of something else; give pxed one of its own")
    if row[0] not in REVISIONS:
        raise StoreError(
            f"{where} has revision {row[0]}, made by a newer pxed; this one knows up to {REVISIONS[-1]}: update pxed"
        )
    return bool(row[0] != REVISIONS[-1])


def _migrate(link: Link, url: URL) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = link.connection
    with link.transaction():
        if _needs_migration(link, url):  # asked again under the lock: another process may have done it meanwhile
            command.upgrade(config, REVISIONS[-1])
