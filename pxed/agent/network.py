"""An address on the interface that the firmware booted from."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path

DELAYS = (1, 2, 4, 8, 15, 30, 30)
"""seconds between tries; a try itself asks DHCP for about ten seconds, as a switch port may take half a minute"""


class NoNetwork(Exception):
    """No interface, or no address on it; the text says which."""


def interfaces(sysfs: Path) -> dict[str, str]:
    """The MAC addresses of the real interfaces (those with a device behind them) by name."""
    found = {}
    for path in sorted(sysfs.iterdir()) if sysfs.is_dir() else ():
        if (path / "device").exists():
            found[path.name] = (path / "address").read_text().strip().lower()
    return found


def bring_up(
    boot_mac: str | None,
    *,
    lease: Callable[[str], bool],
    load_drivers: Callable[[], object],
    sleep: Callable[[float], None],
    say: Callable[[str], None],
    sysfs: Path = Path("/sys/class/net"),
) -> str:
    """The name of the interface that has an address now: that with `boot_mac`, or, without one, the first that gets a
    lease. `lease` asks DHCP on an interface. NoNetwork after a bounded number of tries."""
    reason = ""
    for delay in chain(DELAYS, repeat(None, 1)):
        load_drivers()
        known = interfaces(sysfs)
        wanted = [name for name, mac in known.items() if boot_mac in {None, mac}]
        for name in wanted:
            if lease(name):
                return name
        if wanted:
            reason = f"no DHCP lease on {', '.join(wanted)}"
        else:
            shown = ", ".join(f"{name} {mac}" for name, mac in known.items()) or "none"
            reason = f"no interface with MAC address {boot_mac or 'of any kind'} (there are: {shown})"
        if delay is not None:
            say(f"{reason}; trying again in {delay} s")
            sleep(delay)
    raise NoNetwork(reason)
