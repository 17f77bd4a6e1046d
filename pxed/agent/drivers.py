"""Drivers for the hardware that is there.

The kernel describes every device by a modalias, and `modprobe` finds the driver that claims it. A driver brings new
devices to light (a USB controller its network adapter), so this goes in rounds until nothing new appears. Disk drivers
finish their search before modprobe returns, if the driver of the disks themselves is there first: hence FIRST.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

FIRST = ("sd_mod", "sr_mod", "mmc_block")
MAX_ROUNDS = 8

Modprobe = Callable[[list[str]], object]
"""loads the drivers of the names or aliases given; one that does not exist is no error"""


class Drivers:
    """Loads each driver once; `load` may be called again when devices may have come."""

    def __init__(self, modprobe: Modprobe, devices: Path = Path("/sys/devices")) -> None:
        self._modprobe = modprobe
        self._devices = devices
        self._seen: set[str] = set()

    def load(self) -> int:
        """Loads what the devices ask for that were not there before; gives the number of new aliases."""
        if not self._seen:
            self._modprobe(list(FIRST))
        before = len(self._seen)
        for _ in range(MAX_ROUNDS):
            new = _modaliases(self._devices) - self._seen
            if not new:
                break
            self._seen |= new
            self._modprobe(sorted(new))
        return len(self._seen) - before


def _modaliases(devices: Path) -> set[str]:
    found = set()
    for path in devices.rglob("modalias"):
        try:
            found.add(path.read_text().strip())
        except OSError:
            continue  # the device went away between the two looks
    return found - {""}
