"""A lab that is up: a directory, a network, a DHCP server, a service point; and machines to switch on in it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pxed.lab.loaders import Loaders
from pxed.lab.machine import Hardware, Machine, switched_on
from pxed.lab.network import POINT_ADDRESS, Network, dhcp_server, network
from pxed.lab.point import ServicePoint, configure, serving
from pxed.lab.registry import registered
from pxed.lab.transcript import Line, Transcript
from pxed.lab.wording import event_of

_T = TypeVar("_T")

Tell = Callable[[float | None, str, str], None]
"""takes an event: seconds since power-on (None for what is no machine), who, what"""


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that is up."""

    directory: Path
    net: Network
    point: ServicePoint
    tell: Tell

    @asynccontextmanager
    async def switched_on(self, hardware: Hardware) -> AsyncIterator[Machine]:
        """Keeps a machine switched on for as long as the block lasts, and tells what happens to it."""

        def tell(line: Line) -> None:
            if (event := event_of(line.text)) is not None:
                self.tell(line.at, hardware.name, event)

        self.tell(0.0, hardware.name, f"switched on ({hardware.firmware.upper()}, {hardware.mac}, {hardware.guid})")
        async with switched_on(hardware, self.net, self.directory, on_line=tell) as machine:
            yield machine
            self.tell(machine.uptime, hardware.name, "switched off")


@asynccontextmanager
async def opened(
    purpose: str, loaders: Loaders, tell: Tell, logs: Path | None = None, settings: str = ""
) -> AsyncIterator[Lab]:
    """Brings a lab up and, when the block ends, takes it down with all that belongs to it.

    Its logs are copied into `logs` first, if that is given. `settings` are further tables of the configuration.
    """
    started = time.monotonic()

    def clock() -> float:
        return time.monotonic() - started

    with registered(purpose) as (lab, directory), network(lab) as net:
        async with AsyncExitStack() as stack:
            if logs is not None:
                stack.callback(_copy_logs, directory, logs)
            dhcp_log = Transcript(
                "the DHCP server", clock, file=stack.enter_context((directory / "dhcp.log").open("w"))
            )
            log = Transcript("pxed serve", clock, file=stack.enter_context((directory / "pxed.log").open("w")))
            point = configure(directory, loaders.directory, log, settings)
            await point.pxed("cert", "init", "--name", POINT_ADDRESS)
            await stack.enter_async_context(dhcp_server(net, directory, dhcp_log))
            await stack.enter_async_context(serving(point, net))
            tell(None, "lab", f"{lab} is up; {loaders.origin}")
            yield Lab(directory, net, point, tell)


def _copy_logs(directory: Path, logs: Path) -> None:
    logs.mkdir(parents=True, exist_ok=True)
    for path in directory.glob("*.log"):
        shutil.copy(path, logs)


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """asyncio.run for a lab: Ctrl-C, SIGTERM and SIGHUP let it take everything down, however often they come.

    KeyboardInterrupt if one of them ended it.
    """

    async def guarded() -> _T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        interrupted = False

        def interrupt() -> None:
            nonlocal interrupted
            if task is not None and not interrupted:
                task.cancel()
            interrupted = True

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, interrupt)
        return await main

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
