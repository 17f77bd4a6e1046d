"""Where there is no fast path: without the compiled part, or without a site that its thread can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxed.config import Config, Database, Service
from pxed.loaders import Loaders
from pxed.point import Point
from pxed.responder import fastpath
from pxed.responder.endpoint import Endpoint
from tests.responder.flooding import needs_compiled, udp_socket
from tests.responder.test_answer import AT_67


def point(root: Path, url: str = "sqlite:///pxed.db") -> Point:
    config = Config(service=Service(state_dir=root), database=Database(url=url))
    return Point(config, Loaders({}, {}, {}), bytes(32))


@pytest.mark.parametrize(
    ("url", "is_compiled", "has_one"),
    [
        pytest.param("sqlite:///pxed.db", True, True, marks=needs_compiled),
        ("sqlite:///pxed.db", False, False),
        ("postgresql://pxed@db/site", True, False),
        ("sqlite://", True, False),
        ("no URL", True, False),
    ],
)
def test_a_fast_path_needs_the_module_and_a_site_in_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, is_compiled: bool, has_one: bool
) -> None:
    if not is_compiled:
        monkeypatch.setattr(fastpath, "_flows", None)
    made = point(tmp_path, url)
    with udp_socket() as bound:
        path = made.fast_path(Endpoint(bound, AT_67, made.responder.answer))
        assert (path is not None) == has_one
        if path:
            path.close()
    made.close()


@needs_compiled
def test_without_a_library_to_read_the_site_with_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pxed.site.sql.flows._sqlite3.__file__", "/nowhere")
    made = point(tmp_path)
    with udp_socket() as bound:
        assert made.fast_path(Endpoint(bound, AT_67, made.responder.answer)) is None
    made.close()
