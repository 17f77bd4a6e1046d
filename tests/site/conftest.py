"""A fresh site for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from pxed.site.database import open_database
from pxed.site.sql import SqlTx
from tests.site.samples_of_a_site import NOW
from tests.site_in_memory import MemorySite

URL = "sqlite:///pxed.db"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An empty site in `tmp_path`, whose writers wait a quarter of a second for one another."""
    return open_database(URL, tmp_path, create=True, busy_seconds=0.25)


@pytest.fixture
def tx() -> SqlTx:
    """A transaction of `operator` on an empty site."""
    return MemorySite("operator", NOW)
