"""`pxed lab`: a network of namespaces and virtual machines, to try pxed on real firmware."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.names import GuidType, MacType
from pxed.cli.output import say
from pxed.errors import PxedError

if TYPE_CHECKING:
    from rich.console import Console

_Command = Callable[..., Any]


def _cache_option(command: _Command) -> _Command:
    return click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where downloaded packages are kept. [default: ~/.cache/pxed]",
    )(command)


@click.group
def command() -> None:
    """Boot machines in a network of their own, to try pxed.

    The lab has a switch, a DHCP server that knows nothing of network boot, a service point, and QEMU machines with real
    firmware. It is made of network namespaces: nothing outside is touched. It needs root.

    \b
    Example:
      pxed lab demo
    """


@command.command
@_cache_option
@click.option("--logs", type=click.Path(path_type=Path, file_okay=False), help="Keep all logs in this directory.")
def demo(cache: Path | None, logs: Path | None) -> None:
    """Show the main job on BIOS and UEFI machines: about five minutes, exit status 0 only if all of it was observed.

    \b
    Example:
      pxed lab demo --logs demo-logs
    """
    from pxed.lab.demo import STEPS
    from pxed.lab.demo import demo as show_demo
    from pxed.lab.loaders import find_loaders
    from pxed.lab.needs import check_needs
    from pxed.lab.opening import run
    from pxed.lab.timeline import Timeline

    check_needs()
    place = cache or _default_cache()
    timeline = Timeline(STEPS, _console())
    try:
        run(show_demo(place, find_loaders(place), timeline, logs))
    finally:
        timeline.table()
    if not timeline.complete:
        raise PxedError("not every step was observed")


@command.command
@_cache_option
def up(cache: Path | None) -> None:
    """Bring up a network with a service point, and stay until Ctrl-C or `pxed lab down`.

    \b
    Example:
      pxed lab up
    """
    from pxed.lab.by_hand import up as bring_up
    from pxed.lab.loaders import find_loaders
    from pxed.lab.needs import check_needs
    from pxed.lab.opening import run

    check_needs()
    run(bring_up(find_loaders(cache or _default_cache()), click.echo))


@command.command
@click.option("--firmware", type=click.Choice(["bios", "uefi"]), default="bios", show_default=True)
@click.option("--mac", type=MacType(), default="52:54:00:70:78:64", show_default=True, help="Of its network card.")
@click.option("--guid", type=GuidType(), help="SMBIOS GUID. [default: made from the MAC address]")
@click.option("--disk", type=click.Path(path_type=Path, dir_okay=False), help="Raw image. [default: a blank one]")
@click.option("--press-f12", is_flag=True, help="Press F12 when the machine asks for it.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Switch it off after this time. [default: Ctrl-C]")
@click.option("--lab", help="Id of the lab, if more than one is up.")
def boot(
    firmware: str,
    mac: str,
    guid: uuid.UUID | None,
    disk: Path | None,
    press_f12: bool,
    seconds: float | None,
    lab: str | None,
) -> None:
    """Switch on a machine in the lab that is up, and show its serial port.

    \b
    Example:
      pxed lab boot --firmware uefi --seconds 90
    """
    from pxed.lab.by_hand import boot as switch_on
    from pxed.lab.machine import Firmware
    from pxed.lab.needs import check_needs
    from pxed.lab.opening import run

    check_needs()
    guid = guid or uuid.uuid5(uuid.NAMESPACE_OID, mac)
    run(switch_on(lab, Firmware(firmware), mac, guid, disk, press_f12, seconds, click.echo))


@command.command
@click.argument("labs", nargs=-1, metavar="[LAB...]")
def down(labs: tuple[str, ...]) -> None:
    """Take down labs: by default those that `lab up` made, and what is left of any whose owner was killed.

    Nothing to take down is no error.

    \b
    Example:
      pxed lab down
    """
    from pxed.lab.needs import check_needs
    from pxed.lab.registry import down as take_down
    from pxed.lab.registry import entries

    check_needs()
    chosen = labs or [entry.lab for entry in entries() if entry.purpose == "up" or not entry.alive]
    for lab in chosen:
        say(f"lab {lab} is down" if take_down(lab) else f"there was no lab {lab}")


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pxed"


def _console() -> Console | None:
    """For a terminal; None where plain text is wanted."""
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    return Console()
