"""A machine of the lab: QEMU with real firmware, its serial port and its power switch.

Emulated by TCG, not by KVM: iPXE's ROM does not survive the nested KVM of common cloud machines.
"""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from pxed.errors import Unavailable
from pxed.lab.keyboard import keys_of
from pxed.lab.needs import OVMF_CODE, OVMF_VARIABLES
from pxed.lab.network import Network, inside
from pxed.lab.process import running
from pxed.lab.qmp import Monitor
from pxed.lab.transcript import Line, Transcript
from pxed.lab.uefi import CARD_SLOT, DISK_SLOT, with_boot_order

_KEY_SECONDS = 0.15
"""between two keys: QEMU holds each for 0.1 s, and firmware that is emulated looks at its keyboard now and then"""
_SWITCH_OFF = 5.0
"""seconds for QEMU to end by itself"""


class Firmware(StrEnum):
    """What a machine begins with."""

    BIOS = "bios"
    """SeaBIOS, and iPXE's ROM on the network card"""
    UEFI = "uefi"
    """OVMF with its own PXE client"""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a machine is made of. It is the same machine after power-off, with its disk and its firmware's variables."""

    name: str
    firmware: Firmware
    mac: str
    guid: uuid.UUID
    disk: Path
    """a raw image; what the machine writes stays there"""
    card: str = "virtio-net-pci"
    """QEMU's name of the network card's model"""
    memory: int = 1024
    """MiB"""


class Machine:
    """A machine that is switched on."""

    def __init__(self, hardware: Hardware, log: TextIO, on_line: Callable[[Line], None] | None) -> None:
        self.hardware = hardware
        self.serial = Transcript(hardware.name, lambda: self.uptime, file=log, on_line=on_line)
        """what it says on its serial port; the clock begins at power-on"""
        self.resets = 0
        """how often it restarted since power-on"""
        self._monitor: Monitor | None = None
        self._started = time.monotonic()

    @property
    def uptime(self) -> float:
        """Seconds since power-on."""
        return time.monotonic() - self._started

    async def press(self, key: str) -> None:
        """Presses and releases a key of its keyboard, in QEMU's names ("f12", "ret")."""
        await self._ask("send-key", keys=[{"type": "qcode", "data": key}])

    async def type(self, text: str) -> None:
        """Types text on its keyboard, at the pace of a person who is quick; a line feed is Enter."""
        for character in text:
            await self._ask("send-key", keys=[{"type": "qcode", "data": key} for key in keys_of(character)])
            await asyncio.sleep(_KEY_SECONDS)

    async def _power_on(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._started = time.monotonic()
        await self._ask("cont")

    def _event(self, name: str, data: dict[str, Any]) -> None:
        if name == "RESET" and data.get("guest", False):
            self.resets += 1

    async def _ask(self, command: str, **arguments: Any) -> None:
        if self._monitor is None:
            raise Unavailable(f"{self.hardware.name} is not switched on")
        await self._monitor.ask(command, **arguments)


@asynccontextmanager
async def switched_on(
    hardware: Hardware, net: Network, directory: Path, *, on_line: Callable[[Line], None] | None = None
) -> AsyncIterator[Machine]:
    """Plugs a machine into the lab's switch and keeps it switched on for as long as the block lasts.

    Its serial port goes to `<directory>/<name>.log` too, each line with the seconds since power-on.
    """
    port = "tap" + hardware.mac.replace(":", "")  # fills the fifteen characters of an interface name
    ours, theirs = socket.socketpair()
    with (
        (directory / f"{hardware.name}.log").open("a") as log,
        ours,
        theirs,
        net.tap(port) as tap,
    ):
        machine = Machine(hardware, log, on_line)
        arguments = inside(net.switch, command_line(hardware, tap, theirs.fileno(), directory))
        async with running(machine.serial, arguments, pass_fds=[theirs.fileno()]):
            theirs.close()
            try:
                monitor = await Monitor.connect(ours, machine._event)
            except Unavailable:
                await machine.serial.wait_end()
                raise Unavailable(f"{hardware.name} cannot be switched on:\n{machine.serial.tail()}") from None
            await machine._power_on(monitor)
            try:
                yield machine
            finally:
                await _switch_off(machine, monitor)


async def _switch_off(machine: Machine, monitor: Monitor) -> None:
    """Cuts the power; what does not end by this is ended as a process."""
    with suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(_SWITCH_OFF):
            await monitor.ask("quit")
            await machine.serial.wait_end()
    monitor.close()


def command_line(hardware: Hardware, tap: str, monitor: int, directory: Path) -> list[str]:
    """QEMU's arguments: paused at power-on, serial port on standard output, the monitor on an inherited descriptor.

    Boot order: network first, then disk, as on machines that are to be installed.
    """
    card = f"{hardware.card},netdev=net0,mac={hardware.mac},addr={CARD_SLOT}"
    disk = f"virtio-blk-pci,drive=disk0,addr={DISK_SLOT}"
    arguments = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-accel", "tcg"]
    arguments += ["-m", str(hardware.memory), "-uuid", str(hardware.guid), "-name", hardware.name]
    arguments += ["-display", "none", "-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"]
    arguments += ["-S", "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control"]
    match hardware.firmware:
        case Firmware.BIOS:
            arguments += ["-machine", "q35,graphics=off"]  # SeaBIOS then speaks on the serial port
            card += ",bootindex=1"
            disk += ",bootindex=2"
        case Firmware.UEFI:
            arguments += ["-machine", "q35"]
            arguments += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF_CODE}"]
            arguments += ["-drive", f"if=pflash,unit=1,format=raw,file={_variables(hardware, directory)}"]
            card += ",romfile="  # no iPXE ROM: OVMF's own PXE client shall run
    arguments += ["-netdev", f"tap,id=net0,ifname={tap},script=no,downscript=no", "-device", card]
    arguments += ["-drive", f"if=none,id=disk0,format=raw,file={hardware.disk}", "-device", disk]
    arguments += ["-device", "virtio-rng-pci"]  # OVMF of 2024 and later has no network without random numbers
    return arguments


def _variables(hardware: Hardware, directory: Path) -> Path:
    """The file of a UEFI machine's variables, made when it is first switched on."""
    path = directory / f"{hardware.name}.vars"
    if not path.exists():
        path.write_bytes(with_boot_order(OVMF_VARIABLES.read_bytes(), hardware.mac))
    return path
