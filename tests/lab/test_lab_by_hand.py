"""`pxed lab up`, `boot` and `down`, as a person uses them."""

import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pxed.lab import disk
from pxed.lab.network import labs_with_namespaces
from pxed.lab.process import output

pytestmark = [pytest.mark.firmware, pytest.mark.netns, pytest.mark.timeout(300), pytest.mark.usefixtures("loaders")]

PXED = [sys.executable, "-m", "pxed"]
CONFIG = r"configuration\s+(\S+pxed\.toml)"


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[Process]:
    """A verb that stays; it never outlives the test."""
    process = await asyncio.create_subprocess_exec(*PXED, *arguments, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def read_until(process: Process, pattern: str) -> str:
    """The group of the first line on standard output that matches."""
    assert process.stdout is not None
    seen = []
    async for line in process.stdout:
        if match := re.search(pattern, line.decode()):
            return match[1]
        seen.append(line.decode())
    pytest.fail(f"no {pattern!r} in:\n{''.join(seen)}")


async def test_a_lab_is_brought_up_used_and_taken_down(tmp_path: Path) -> None:
    own = tmp_path / "own.disk"
    disk.make(own, "its own system")
    async with started("lab", "up") as lab:
        config = await read_until(lab, CONFIG)
        name = Path(config).parent.name
        assert name in labs_with_namespaces()

        boot = ("lab", "boot", "--lab", name, "--disk", str(own), "--mac", "52:54:00:00:00:01")
        async with started(*boot) as machine:
            assert await read_until(machine, r"pxed lab disk: (.*)") == "its own system"
            machine.send_signal(signal.SIGINT)
            assert await machine.wait() == 130

        (sighting,) = json.loads(await output([*PXED, "sightings", "--json", "--config", config]))
        assert sighting["mac"] == "52:54:00:00:00:01"

        await output([*PXED, "lab", "down", name])
        assert await lab.wait() == 130
    assert name not in labs_with_namespaces()
    assert not Path(config).parent.exists()


async def test_a_machine_that_runs_when_its_lab_goes_ends_with_it() -> None:
    async with started("lab", "up") as lab:
        name = Path(await read_until(lab, CONFIG)).parent.name
        async with started("lab", "boot", "--lab", name) as machine:
            await read_until(machine, r"(SeaBIOS)")

            await output([*PXED, "lab", "down", name])

            assert await machine.wait() == 0
    assert name not in labs_with_namespaces()
