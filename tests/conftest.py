"""What tests of several rooms are given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgresql import Server, programs


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A PostgreSQL server of this run's own; without the programs for one, what asks for it is skipped."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server here (initdb, pg_ctl): make test-postgresql installs one")
    with Server(found) as server:
        yield server
