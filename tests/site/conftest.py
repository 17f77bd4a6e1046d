"""A fresh site for each test: in SQLite, and once more in PostgreSQL if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pxed.site.database import open_database
from pxed.site.sql import Database, SqlTx
from tests.postgresql import Server
from tests.site.samples_of_a_site import NOW
from tests.site_in_memory import MemorySite, OneConnection, make_empty_site

URL = "sqlite:///pxed.db"
BUSY_SECONDS = 0.25
"""how long a writer waits for another one"""


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    """An empty site in the file `pxed.db` in `tmp_path`."""
    make_empty_site(tmp_path)
    return open_database(URL, tmp_path, busy_seconds=BUSY_SECONDS)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def new_site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty site in one database or the other; a `MemorySite` is there too."""
    if request.param == "sqlite":
        yield URL
        return
    server: Server = request.getfixturevalue("postgresql_server")
    url = server.empty_site()
    shared = OneConnection("shared", open_database(url.render_as_string(), tmp_path).connect())
    monkeypatch.setattr(MemorySite, "make_database", lambda _: shared)
    yield url.render_as_string()
    shared.close()


@pytest.fixture
def database(new_site: str, tmp_path: Path) -> Database:
    """An empty site in either database."""
    if new_site == URL:
        make_empty_site(tmp_path)
    return open_database(new_site, tmp_path, busy_seconds=BUSY_SECONDS)


@pytest.fixture
def tx(new_site: str) -> SqlTx:
    """A transaction of `operator` on an empty site in either database."""
    return MemorySite("operator", NOW)
