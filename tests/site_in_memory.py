"""A whole site in memory: the real tables and statements, without a file."""

from __future__ import annotations

import functools
import sqlite3
import tempfile
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pxed.site.database import open_database
from pxed.site.model import Advertisement, Evidence, PasswordScope, Plan, PxeRecord
from pxed.site.restraints import Tally
from pxed.site.sql import Database, Link, SqlReader, SqlTx
from pxed.site.sql.driver import Driver
from pxed.site.sql.sqlite import SqliteDriver
from pxed.site.store import Client


class OneConnection:
    """A database with one connection for all that ask, which stays open when they close theirs."""

    def __init__(self, called: str, driver: Driver) -> None:
        self.called = called
        self.close = driver.close
        driver.close = lambda: None  # type: ignore[method-assign]
        self._driver = driver

    def connect(self) -> Driver:
        return self._driver


class MemorySite(SqlTx):
    """A Reader and a Tx in one; every statement commits. `now` is the instant of the edits to come."""

    @staticmethod
    def make_database() -> Database:
        """With an empty site."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.deserialize(_empty_site())
        connection.execute("PRAGMA foreign_keys = ON")
        return OneConnection("memory", SqliteDriver(connection))

    def __init__(self, user: str = "", now: datetime = datetime(2025, 1, 1, tzinfo=UTC)) -> None:
        self._database = self.make_database()
        super().__init__(Link(self._database), user, now)

    @property
    def now(self) -> datetime:
        """The instant of the edits to come."""
        return self._now

    @now.setter
    def now(self, now: datetime) -> None:
        self._now = now

    def plan(self) -> Plan:
        return self._reader().plan()

    def look_up(self, mac: str, guids: Sequence[uuid.UUID]) -> tuple[Plan, Evidence]:
        return self._reader().look_up(mac, guids)

    def look_up_all(self, clients: Sequence[Client]) -> tuple[Plan, list[Evidence]]:
        return self._reader().look_up_all(clients)

    def tally(self, advertisement: Advertisement, now: datetime, *, with_size: bool) -> Tally:
        return self._reader().tally(advertisement, now, with_size=with_size)

    def record(self, record_id: int) -> PxeRecord | None:
        return super().record(record_id)

    def password_hashes(self, scope: PasswordScope, scope_id: int) -> dict[str, str]:
        return self._reader().password_hashes(scope, scope_id)

    def environment_of(self, subject: str) -> dict[str, str]:
        return self._reader().environment_of(subject)

    def name_of(self, subject: str) -> str:
        return self._reader().name_of(subject)

    def _reader(self) -> SqlReader:
        # a new one each time: a reader looks for commits of other connections, and here is only one
        return SqlReader(self._database)

    def _raise_change(self) -> None:
        self._raised = False  # every edit is a transaction of its own
        super()._raise_change()


def make_empty_site(directory: Path) -> None:
    """Leaves `pxed.db` in `directory` as `open_database` does with `create`, in a hundredth of the time."""
    path = directory / "pxed.db"
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(_empty_site())


@functools.cache
def _empty_site() -> bytes:
    """The file of a new database; migrations take too long to run them for every test."""
    with tempfile.TemporaryDirectory() as directory:
        open_database("sqlite:///pxed.db", Path(directory), create=True)
        connection = sqlite3.connect(Path(directory, "pxed.db"))
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
            return connection.serialize()
        finally:
            connection.close()
