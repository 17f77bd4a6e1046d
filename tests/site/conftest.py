"""A fresh site for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from pxed.site.database import open_database
from pxed.site.memory import MemorySite
from pxed.site.sql import SqlTx, transaction
from tests.site.samples_of_a_site import NOW

URL = "sqlite:///pxed.db"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An empty site in `tmp_path`, whose writers wait a quarter of a second for one another."""
    return open_database(URL, tmp_path, create=True, busy_seconds=0.25)


@pytest.fixture(params=["sql", "memory"])
def tx(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlTx | MemorySite]:
    """An open transaction of `operator` on an empty site: in a database, and in memory, which must agree."""
    if request.param == "memory":
        yield MemorySite("operator", NOW)
    else:
        with transaction(open_database(URL, tmp_path, create=True), "operator", NOW) as open_tx:
            yield open_tx
