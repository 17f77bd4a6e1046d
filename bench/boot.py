"""Power-on to boot script, and to the disk when there is nothing to do: the same machine, loader files and DHCP server,
with `pxed serve`, with dnsmasq as PXE proxy, at its best and with a menu, and with no PXE server at all.

The machine is emulated: seconds of firmware are longer than on hardware, rounds and time-outs are as long. It is the
same one whoever serves it, and was switched on before: at its first start firmware fills its variables.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import product
from pathlib import Path

from bench.result import SUBJECT, Result
from bench.timeline_svg import Row, draw
from pxed.lab import disk
from pxed.lab.loaders import find_loaders
from pxed.lab.machine import Firmware, Hardware, switched_on
from pxed.lab.network import INTERFACE, POINT_ADDRESS, Network, dhcp_server, inside, network
from pxed.lab.opening import run as run_lab
from pxed.lab.point import ServicePoint, configure, serving
from pxed.lab.process import running
from pxed.lab.registry import registered
from pxed.lab.transcript import Transcript
from pxed.lab.wording import event_of

QUICK = (
    "Boot: once each, a UEFI machine at the same time as a BIOS one; without dnsmasq's menu, and without the UEFI "
    "machine that has nothing to do, which takes a minute where there is no PXE server"
)

_CACHE = Path.home() / ".cache" / "pxed"
_LONGEST = 150.0
"""seconds after which a boot is given up"""
_OWN_SYSTEM = "what was on it before"
_SCRIPT = r"^pxed: "
"""the first line that a boot script prints, whoever serves it"""
_DISK = re.escape(disk.MARK)
_STATIC_PORT = 8080
_URL = f"http://{POINT_ADDRESS}:{_STATIC_PORT}/boot.ipxe"
_FLOOR = {
    Firmware.BIOS: "whoever serves it, iPXE's ROM waits 2.0 s for a key before it sends its first packet",
    Firmware.UEFI: "whoever serves it, OVMF needs more than 3 s to start its PXE client, and then collects offers for "
    "four ticks of its clock, about 3.6 s (EDK2 UefiPxeBcDxe/PxeBcDhcp4.c answers every one with EFI_NOT_READY); our "
    "offer spares the 1 s that a round to port 4011 takes, and `autoexec.ipxe` the 2.0 s in which iPXE waits for a key",
}
_CLIENT_STARTS = {Firmware.BIOS: "iPXE starts", Firmware.UEFI: "OVMF starts its PXE client"}
_BARS = {Firmware.BIOS: None, Firmware.UEFI: 0.75}
"""against dnsmasq at its best; on BIOS nearly all of the time passes before a server hears anything"""
_MENU_BAR = 0.5


class Task(StrEnum):
    """What the service point has for the machine."""

    SCRIPT = "script"
    NOTHING = "nothing to do"


_END = {Task.SCRIPT: "the first line of the script", Task.NOTHING: "the first line of the disk"}
_MENU_SECONDS = 10
_MENU = "dnsmasq with a menu"
_NOBODY = "no PXE server"
Boot = tuple[Firmware, Task]
_PLAN: Mapping[str, Sequence[Sequence[Boot]]] = {
    SUBJECT: [[boot] for boot in product(Firmware, Task)],
    "dnsmasq": [[(firmware, Task.SCRIPT)] for firmware in Firmware],
    _MENU: [[(Firmware.BIOS, Task.SCRIPT)]],
    _NOBODY: [[(firmware, Task.NOTHING)] for firmware in Firmware],
}
"""what boots beside which server: one group after the other, the machines of a group at the same time"""
_QUICK_PLAN: Mapping[str, Sequence[Sequence[Boot]]] = {
    SUBJECT: [[(Firmware.BIOS, Task.SCRIPT)], [(Firmware.BIOS, Task.NOTHING), (Firmware.UEFI, Task.SCRIPT)]],
    "dnsmasq": [[(firmware, Task.SCRIPT) for firmware in Firmware]],
    _NOBODY: [[(Firmware.BIOS, Task.NOTHING)]],
}
_DNSMASQ = {
    Firmware.BIOS: "dnsmasq has one service for firmware and one for iPXE, told apart by tag; with one for all, iPXE "
    "loads itself from the menu again and again and does not reach the script within 150 s",
    Firmware.UEFI: "dnsmasq as a proxy sends UEFI to port 4011, with `dhcp-option=vendor:PXEClient,6,8` and with "
    "`dhcp-boot` instead of a service too",
}
_FIRST_START = r">>Start PXE over IPv4"
"""by then OVMF has filled its variables"""


@dataclass(frozen=True)
class Timeline:
    """One boot."""

    firmware: Firmware
    server: str
    task: Task
    events: tuple[tuple[float, str], ...]
    """seconds since power-on, what happened; the last one is the end that was waited for"""


def run(quick: bool) -> list[Result]:
    """Times to the first script line and to the disk, with timelines in words and as a picture."""
    return results_of(run_lab(_measure(_QUICK_PLAN, 1) if quick else _measure(_PLAN, 2)))


def results_of(timelines: list[Timeline]) -> list[Result]:
    """Medians against dnsmasq, with its menu and without, and against no server."""
    results = []
    for firmware in Firmware:
        name = f"{firmware.upper()}: power-on to the first line of the boot script"
        best = Result("Boot", f"{name}, dnsmasq at its best", "s", "lower", _BARS[firmware])
        best.notes += [_FLOOR[firmware], _DNSMASQ[firmware]]
        menu = Result("Boot", f"{name}, {_MENU}", "s", "lower", _MENU_BAR)
        menu.note(f"dnsmasq with `pxe-prompt`: its menu stands for {_MENU_SECONDS} s; EDK2 shows none of one item")
        client = Result(
            "Boot", f"{firmware.upper()}: the firmware's PXE client to the first line of the script", "s", "lower"
        )
        client.note("what is left when the firmware's own start is left out, which is longest where it is emulated")
        nothing = Result("Boot", f"{firmware.upper()}: power-on to the disk, with nothing to do", "s", "lower", 1.0)
        of_server = {SUBJECT: (best, menu), _MENU: (menu,)}
        for timeline in timelines:
            if timeline.firmware is firmware:
                asked = of_server.get(timeline.server, (best,)) if timeline.task is Task.SCRIPT else (nothing,)
                for result in asked:
                    result.add(timeline.server, timeline.events[-1][0])
                asked[0].notes.append(_told(timeline))
                if asked[0] is best:
                    client.add(timeline.server, timeline.events[-1][0] - _client_starts(timeline))
        best.picture = _drawn(timelines, firmware)
        results += [result for result in (best, client, menu, nothing) if result.best_peer()]
    return results


def _client_starts(timeline: Timeline) -> float:
    return next(at for at, text in timeline.events if text == _CLIENT_STARTS[timeline.firmware])


def _drawn(timelines: list[Timeline], firmware: Firmware) -> str:
    """The latest boot of each kind."""
    latest = {(one.task, one.server): one for one in timelines if one.firmware is firmware}
    return draw([Row(f"{firmware.upper()}: {task}", server, one.events) for (task, server), one in latest.items()])


async def _measure(plan: Mapping[str, Sequence[Sequence[Boot]]], rounds: int) -> list[Timeline]:
    """Every boot of the plan, server by server, `rounds` times."""
    loaders = find_loaders(_CACHE)
    with registered("bench") as (lab, directory), network(lab) as net:
        async with AsyncExitStack() as stack:
            say = _log(directory, "dhcp")
            await stack.enter_async_context(dhcp_server(net, directory, say))
            point = configure(directory, loaders.directory, _log(directory, "pxed"))
            await point.pxed("cert", "init", "--name", POINT_ADDRESS)
            await _advertise(point, directory)
            dnsmasq = partial(_dnsmasq, net, directory, loaders.directory)
            servers: dict[str, Callable[[], AbstractAsyncContextManager[None]]] = {
                SUBJECT: partial(_pxed, net, directory, point),
                "dnsmasq": dnsmasq,
                _MENU: partial(dnsmasq, menu=True),
                _NOBODY: nullcontext,
            }
            await _start_first(net, directory, {boot for groups in plan.values() for group in groups for boot in group})
            timelines = []
            for _ in range(rounds):
                for name, groups in plan.items():
                    async with servers[name]():
                        for group in groups:
                            async with asyncio.TaskGroup() as tasks:
                                boots = [tasks.create_task(_boot(net, directory, *boot, name)) for boot in group]
                            timelines += [boot.result() for boot in boots]
            return timelines


async def _start_first(net: Network, directory: Path, boots: Iterable[Boot]) -> None:
    """Switches every UEFI machine on for the first time, when it fills its variables: into emulated flash memory, octet
    by octet, which takes half a second and is not what is measured."""

    async def start(hardware: Hardware) -> None:
        async with switched_on(hardware, net, directory) as machine:
            await machine.serial.wait_for(_FIRST_START, _LONGEST)

    async with asyncio.TaskGroup() as tasks:
        for firmware, task in boots:
            if firmware is Firmware.UEFI:
                tasks.create_task(start(_hardware(directory, firmware, task)))


def _hardware(directory: Path, firmware: Firmware, task: Task) -> Hardware:
    """The machine for that task, with its own system on its disk."""
    name = re.sub(r"\W+", "-", f"{firmware} {task}")
    path = directory / f"{name}.disk"
    disk.make(path, _OWN_SYSTEM)
    return Hardware(name, firmware, _mac(firmware, task), uuid.UUID(int=0), path)


async def _boot(net: Network, directory: Path, firmware: Firmware, task: Task, server: str) -> Timeline:
    async with switched_on(_hardware(directory, firmware, task), net, directory) as machine:
        end = await machine.serial.wait_for(_SCRIPT if task is Task.SCRIPT else _DISK, _LONGEST)
        events = [(line.at, text) for line in machine.serial.lines if (text := event_of(line.text))]
    return Timeline(firmware, server, task, (*(event for event in events if event[0] < end.at), (end.at, _END[task])))


async def _advertise(point: ServicePoint, directory: Path) -> None:
    """Machines with an optional advertisement and machines without: its script prints a line before anything else."""
    kernel, sequence, computers = directory / "kernel", directory / "sequence.json", directory / "computers.csv"
    kernel.write_bytes(bytes(1000))
    sequence.write_text('{"steps": [{"kind": "command", "name": "nothing", "run": "true"}]}')
    await point.pxed("bootimage", "add", "bench", "--arch", "amd64", "--kernel", str(kernel))
    await point.pxed("sequence", "add", "bench", str(sequence), "--boot-image", "bench")
    for task in Task:
        await point.pxed("collection", "add", task)
        rows = "".join(f"{firmware} {task},,{_mac(firmware, task)}\n" for firmware in Firmware)
        computers.write_text("name,guid,mac\n" + rows)
        await point.pxed("computer", "import", str(computers), "--header", "--collection", task)
    await point.pxed("advertise", "bench", "--to", Task.SCRIPT, "--optional", "--name", "bench")


def _pxed(net: Network, directory: Path, point: ServicePoint) -> AbstractAsyncContextManager[None]:
    """One run of the service, with a log of its own."""
    return serving(replace(point, log=_log(directory, "pxed")), net)


@asynccontextmanager
async def _dnsmasq(net: Network, directory: Path, loaders: Path, *, menu: bool = False) -> AsyncIterator[None]:
    """dnsmasq beside the DHCP server, with one thing to boot, and a server of static files for the script.

    It is set up as well as can be: services by tag, so that iPXE gets its script at once. With one service for all,
    which its manual shows, iPXE loads itself from the menu without end. `menu` shows it for some seconds first.
    """
    static = directory / "static"
    static.mkdir(exist_ok=True)
    (static / "boot.ipxe").write_text("#!ipxe\necho pxed: this is the script\nsleep 60\n")
    arguments = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=-", "--log-dhcp"]
    arguments += ["--user=root", "--port=0", "--bind-interfaces", f"--interface={INTERFACE}", "--pid-file="]
    arguments += ["--dhcp-range=10.77.0.0,proxy", "--enable-tftp", f"--tftp-root={loaders}"]
    arguments += ["--dhcp-match=set:ipxe,175"]
    for system, file in (("x86PC", "undionly.kpxe"), ("X86-64_EFI", "snponly.efi"), ("BC_EFI", "snponly.efi")):
        arguments += [f"--pxe-service=tag:!ipxe,{system},boot,{file}", f"--pxe-service=tag:ipxe,{system},boot,{_URL}"]
    arguments += [f"--dhcp-boot=tag:ipxe,{_URL}"]
    if menu:
        arguments += [f"--pxe-prompt=Press F8 for the boot menu,{_MENU_SECONDS}"]
    files = [sys.executable, "-m", "http.server", "--bind", POINT_ADDRESS, "--directory", str(static)]
    log, web = _log(directory, "dnsmasq"), _log(directory, "static")
    static_server = inside(net.point, [*files, str(_STATIC_PORT)])
    async with running(log, inside(net.point, arguments)), running(web, static_server):
        await log.wait_for("sockets bound|started", 20)
        yield


def _mac(firmware: Firmware, task: Task) -> str:
    return f"52:54:00:70:78:{list(Firmware).index(firmware)}{list(Task).index(task)}"


def _log(directory: Path, name: str) -> Transcript:
    return Transcript(name, time.monotonic, file=(directory / f"{name}.log").open("a"))


def _told(timeline: Timeline) -> str:
    steps = "; ".join(f"{at:.1f} s {text}" for at, text in timeline.events)
    return f"{timeline.server}, {timeline.task}: {steps}"
