"""What tests of several rooms are given, and how they are shared out among processes."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pxed.lab.loaders import Loaders, find_loaders
from tests.postgresql import Server, programs

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pxed"
"""where packages are kept from one run of the tests to the next, and by `pxed lab`"""

# How long an example takes is the machine's business, which may be doing something else.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A PostgreSQL server of this run's own; without the programs for one, what asks for it is skipped."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server here (initdb, pg_ctl): make test-postgresql installs one")
    with Server(found) as server:
        yield server


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`--dist loadgroup`: the tests of a room stay together, for they share what is costly to make. One that boots a
    machine runs wherever there is time."""
    for item in items:
        if item.get_closest_marker("firmware") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.parent.name))


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory of this run, the same in all its processes."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@contextmanager
def one_by_one(path: Path) -> Iterator[None]:
    """One process after the other; `path` is a file that may be there or not."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def loaders(run_directory: Path) -> Loaders:
    """The boot loaders of labs."""
    with one_by_one(run_directory / "loaders.lock"):
        return find_loaders(CACHE)


@pytest.fixture(scope="session")
def boot_image(run_directory: Path) -> Path:
    """A directory with the files of the default boot image, built once."""
    directory, built = run_directory / "boot-image", run_directory / "boot-image.built"
    with one_by_one(run_directory / "boot-image.lock"):
        if not built.exists():
            build = [sys.executable, "-m", "pxed", "bootimage", "build", "any", "--output", str(directory)]
            subprocess.run([*build, "--cache", str(CACHE / "packages")], check=True)
            built.touch()
    return directory
