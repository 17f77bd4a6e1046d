"""Fixtures of the fast path's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.responder.flooding import Site, Thread
from tests.responder.sites import STRANGER


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        yield made


@pytest.fixture
def raw(site: Site) -> Iterator[tuple[Thread, Any]]:
    """A thread whose flows the test makes up, for all that are not known."""
    with Thread(site) as thread:
        thread.path._counters[:] = [f"counter {number}" for number in range(64)]
        plan, _ = site.reader.look_up(STRANGER, [])
        thread.path._flows.begin(plan.change, 0, float("inf"), b"", b"")
        yield thread, thread.path._flows
