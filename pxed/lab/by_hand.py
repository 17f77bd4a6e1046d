"""A lab for a person to play with: brought up by one command, used by others, taken down by a third."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pxed.lab import disk as disks
from pxed.lab import wording
from pxed.lab.loaders import Loaders
from pxed.lab.machine import Firmware, Hardware, Machine, switched_on
from pxed.lab.network import INTERFACE, POINT_ADDRESS, Network
from pxed.lab.opening import opened
from pxed.lab.registry import RUN_DIRECTORY, find_running

PURPOSE = "up"

Say = Callable[[str], None]


async def up(loaders: Loaders, say: Say) -> None:
    """Brings up a lab, says how to use it, and stays until it is cancelled or the service ends."""
    async with opened(PURPOSE, loaders, lambda _at, who, what: say(f"{who}: {what}")) as lab:
        say(f"configuration   {lab.point.config}: give it to any verb as --config, or as PXED_CONFIG")
        say(
            f"service point   {POINT_ADDRESS} on {INTERFACE} in namespace {lab.net.point}; log {lab.directory}/pxed.log"
        )
        say("a machine       pxed lab boot --firmware bios")
        say("the end         pxed lab down, or Ctrl-C here")
        await lab.point.log.wait_end()
        say("the service has ended by itself")


async def boot(
    lab: str | None,
    firmware: Firmware,
    mac: str,
    guid: uuid.UUID,
    disk: Path | None,
    press_f12: bool,
    seconds: float | None,
    say: Say,
) -> None:
    """Switches a machine on in the lab that is up, or in the one named, and shows its serial port line by line.

    It stays on until it is cancelled, `seconds` have passed, or the lab is taken down. Without `disk` it has a disk of
    its own in the lab, which is the same one when the machine of that name is switched on again.
    """
    lab = lab or find_running(PURPOSE).lab
    directory = RUN_DIRECTORY / lab
    name = f"{firmware}-{mac.replace(':', '')}"
    place = disk or directory / f"{name}.disk"
    if not place.exists():
        disks.make(place)
    hardware = Hardware(name, firmware, mac, guid, place)
    async with switched_on(
        hardware, Network(lab), directory, on_line=lambda line: say(f"{line.at:8.2f}  {line.text}")
    ) as machine:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _stay(machine, press_f12)


async def _stay(machine: Machine, press_f12: bool) -> None:
    if press_f12:
        await machine.serial.wait_for(wording.PROMPT, 600)
        await machine.press("f12")
    await machine.serial.wait_end()
