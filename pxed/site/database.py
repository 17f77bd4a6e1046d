"""Opening the site's database: made when missing, brought up to date when old, refused when it is not ours."""

from __future__ import annotations

import sys
from pathlib import Path

from pxed.errors import StoreError, StoreMissing
from pxed.site.sql.driver import Database
from pxed.site.sql.link import Link
from pxed.site.sql.sqlite import WHO_MAKES_IT, SqliteDatabase, path_in, require_file

REVISIONS = ("0001", "0002")
"""All revisions of the schema, oldest first; the last is what this program works with."""

BUSY_SECONDS = 30.0
"""How long a writer waits for another one: longer than the import of many thousand computers holds the lock."""
_MORE_SECONDS = 10.0
"""How much longer a server may take to answer any statement."""
_MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(
    url: str,
    state_dir: Path,
    *,
    create: bool = False,
    busy_seconds: float = BUSY_SECONDS,
    answer_seconds: float | None = None,
) -> Database:
    """The site's database, which has the schema of this program when it is returned.

    `url` is as in the configuration: `sqlite:///pxed.db` (relative to `state_dir`) or a SQLAlchemy URL of PostgreSQL.
    A database that does not exist is made if `create` says so: verbs that only read do not. Each link opens a
    connection of its own and closes it. StoreError says what is wrong and what would be right.

    A database on a server that does not answer a statement within `answer_seconds` counts as gone: unless they are
    given, a little longer than another writer is waited for.
    """
    patience = busy_seconds + _MORE_SECONDS
    database = _database(url, state_dir, create, busy_seconds, answer_seconds or patience)
    link = Link(database)
    try:
        revision = _revision(link, database.called)
        if revision is None and not create:
            raise StoreMissing(f"there is no site in {database.called} yet; {WHO_MAKES_IT}")
    finally:
        link.close()
    if revision != REVISIONS[-1]:
        link = Link(_database(url, state_dir, create, busy_seconds, patience))
        try:
            _migrate(link, database.called)
        finally:
            link.close()
    return database


def _database(url: str, state_dir: Path, create: bool, busy_seconds: float, answer_seconds: float) -> Database:
    file = path_in(url, state_dir)
    if file is None:
        return _on_server(url, busy_seconds, answer_seconds)
    require_file(file, create=create)
    return SqliteDatabase(file, busy_seconds)


def _on_server(url: str, busy_seconds: float, answer_seconds: float) -> Database:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
        kind = parsed.get_backend_name()
        if kind == "postgresql":
            from pxed.site.sql.postgresql import PostgresDatabase

            return PostgresDatabase(parsed, busy_seconds, answer_seconds)
    except ArgumentError as error:
        raise StoreError(f"the database URL cannot be used: {error}; sqlite:///pxed.db would do") from None
    except ImportError as error:
        advice = f"{sys.executable} -m pip install 'psycopg[binary]' brings it"
        raise StoreError(f"the driver of PostgreSQL is missing ({error}); {advice}") from None
    raise StoreError(f"the database URL names {parsed.drivername}; sqlite:///... and postgresql://... can be used")


def _revision(link: Link, where: str) -> str | None:
    """Of the schema, None if there is none; StoreError if it is newer or something else's. No alembic needed."""
    tables = link.tables()
    if not tables:
        return None
    row = link.command("SELECT version_num FROM alembic_version") if "alembic_version" in tables else None
    if row is None:
        raise StoreError(f"{where} holds tables of something else; give pxed one of its own")
    revision: str = row[0]
    if revision not in REVISIONS:
        raise StoreError(
            f"{where} has revision {revision}, made by a newer pxed; this one knows up to {REVISIONS[-1]}: update pxed"
        )
    return revision


def _migrate(link: Link, where: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with link.faults():
        connection = link.as_sqlalchemy()
        if not connection.in_transaction():
            connection.begin()  # alembic commits none but its own
    config.attributes["connection"] = connection
    with link.transaction(), link.faults():
        if _revision(link, where) != REVISIONS[-1]:  # asked again under the lock: another process may have done it
            command.upgrade(config, REVISIONS[-1])
