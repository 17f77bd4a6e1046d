"""What tests of several rooms are given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pxed.lab.loaders import Loaders, find_loaders
from tests.postgresql import Server, programs

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pxed"
"""where packages are kept from one run of the tests to the next, and by `pxed lab`"""


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A PostgreSQL server of this run's own; without the programs for one, what asks for it is skipped."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server here (initdb, pg_ctl): make test-postgresql installs one")
    with Server(found) as server:
        yield server


@pytest.fixture(scope="session")
def loaders() -> Loaders:
    """The boot loaders of labs."""
    return find_loaders(CACHE)


@pytest.fixture(scope="session")
def boot_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files of the default boot image, built once."""
    directory = tmp_path_factory.mktemp("boot-image")
    build = [sys.executable, "-m", "pxed", "bootimage", "build", "any", "--output", str(directory)]
    subprocess.run([*build, "--cache", str(CACHE / "packages")], check=True)
    return directory
