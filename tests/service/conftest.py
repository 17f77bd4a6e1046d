"""What tests of the service are given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.namespaces import Network


@pytest.fixture
def network() -> Iterator[Network]:
    """A service point's namespace and a client's, for one test."""
    with Network() as made:
        yield made
