"""Verbs in the hands of somebody who is neither root nor the service's user."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Pxed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")

JANE = 54321
SERVICE = 1234
VERBS = "computer", "collection", "log", "inspection"


@pytest.fixture
def config_file() -> Iterator[Path]:
    """Anybody may read the configuration, and the service's user alone what it keeps."""
    with tempfile.TemporaryDirectory(prefix="pxed-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        state = directory / "state"
        state.mkdir(mode=0o750)
        os.chown(state, SERVICE, SERVICE)
        file = directory / "pxed.toml"
        file.write_text(f'[service]\nstate_dir = "{state}"\nrun_dir = "{directory}/run"\n[[interface]]\nname = "lo"\n')
        yield file


@pytest.fixture
def jane(pxed: Pxed) -> Iterator[Pxed]:
    """The command line of somebody else, all of whose modules are there: Python itself may be kept from her."""
    for name in VERBS:
        importlib.import_module(f"pxed.cli.{name}")
    pxed("computer", "add", "ws-01", "--mac", "52:54:00:00:00:01")
    os.seteuid(JANE)
    yield pxed
    os.seteuid(0)


@pytest.mark.parametrize("verb", [("computer", "list"), ("collection", "add", "Lab"), ("log",)])
def test_the_database_is_kept_from_her(jane: Pxed, config_file: Path, verb: tuple[str, ...]) -> None:
    outcome = jane(*verb, code=77)
    assert (
        outcome.err
        == f"pxed: the database {config_file.parent}/state/pxed.db is kept from this user; root may use it\n"
    )


def test_a_deep_look_says_what_it_cannot_see(jane: Pxed, config_file: Path) -> None:
    rows = jane("check", "--deep", "--json", code=78).json
    assert {row["key"] for row in rows} >= {"service.state_dir", "database.url", "loaders"}
    (loaders,) = (row for row in rows if row["key"] == "loaders")
    assert loaders["severity"] == "warning"
    assert f"{config_file.parent}/state/tftp/" in loaders["text"]
