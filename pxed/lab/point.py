"""The lab's service point: a real configuration file, the real `pxed serve` in its namespace, the real verbs."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pxed.lab.network import INTERFACE, Network, inside
from pxed.lab.process import Failed, output, running
from pxed.lab.transcript import Transcript

_START = 60
"""seconds that `pxed serve` has to be ready"""
_PXED = (sys.executable, "-m", "pxed")


@dataclass(frozen=True, slots=True)
class ServicePoint:
    """A configured service point; its verbs work whether it serves or not."""

    config: Path
    log: Transcript
    """what `pxed serve` says"""

    async def pxed(self, *arguments: str, shown: bool = False) -> str:
        """Runs a verb and returns its standard output; Failed if it fails. `shown` lets it write to our own instead."""
        return await output([*_PXED, *arguments, "--config", str(self.config)], shown=shown)

    async def ask(self, *arguments: str) -> Any:
        """Runs a verb and returns what its --json says."""
        return json.loads(await self.pxed(*arguments, "--json"))


def configure(directory: Path, loaders: Path, log: Transcript, settings: str = "") -> ServicePoint:
    """Writes the configuration file of a service point whose state and boot files are in `directory`.

    `settings` are further tables of it, as text.
    """
    config = directory / "pxed.toml"
    config.write_text(
        f"""\
[service]
state_dir = {_quoted(directory / "state")}
run_dir = {_quoted(directory / "run")}

[[interface]]
name = {_quoted(INTERFACE)}

[https]
port = 8443

[tftp]
loader_dirs = [{_quoted(loaders)}]

{settings}
"""
    )
    return ServicePoint(config, log)


@asynccontextmanager
async def serving(point: ServicePoint, net: Network) -> AsyncIterator[None]:
    """Runs `pxed serve` for as long as the block lasts; the block begins when it says that it is ready."""
    ready = asyncio.Event()
    path = point.config.parent / "notify"
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Notifications(ready), local_addr=str(path), family=socket.AF_UNIX
    )
    serve = ["env", f"NOTIFY_SOCKET={path}", *_PXED, "serve", "--config", str(point.config)]
    try:
        async with running(point.log, inside(net.point, serve)):
            await _until(ready, point.log)
            yield
    finally:
        transport.close()


class _Notifications(asyncio.DatagramProtocol):
    """The service manager's side of sd_notify(3)."""

    def __init__(self, ready: asyncio.Event) -> None:
        self._ready = ready

    def datagram_received(self, data: bytes, addr: object) -> None:
        if b"READY=1" in data.splitlines():
            self._ready.set()


async def _until(ready: asyncio.Event, log: Transcript) -> None:
    """Returns when the service is ready; Failed with its words if it ends instead, or takes too long."""
    waits = [asyncio.ensure_future(ready.wait()), asyncio.ensure_future(log.wait_end())]
    try:
        await asyncio.wait(waits, timeout=_START, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    if not ready.is_set():
        raise Failed(f"pxed serve {'ended' if log.ended else f'was not ready within {_START} s'}:\n{log.tail()}")


def _quoted(value: object) -> str:
    """A TOML basic string: JSON's rules are among TOML's."""
    return json.dumps(str(value))
