"""What a person in front of the machine reads.

The kernel gives a program one console, the last `console=` of the command line; whoever watches the others would see
nothing. So the agent writes to every console that the kernel itself writes to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

ACTIVE = Path("/sys/class/tty/console/active")


class Console:
    """Writes to some streams at once; one that fails (a serial port that is not there) is no reason to stop."""

    def __init__(self, streams: Sequence[BinaryIO]) -> None:
        self._streams = streams

    def write(self, data: bytes) -> None:
        """Shows `data` as it is."""
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.write(data)
                stream.flush()

    def say(self, text: str) -> None:
        """Shows one line of the agent's own."""
        self.write(f"pxed: {text}\n".encode(errors="replace"))


def open_consoles(active: Path = ACTIVE, devices: Path = Path("/dev")) -> Console:
    """The consoles that the kernel names in `active`, those that can be opened."""
    streams: list[BinaryIO] = []
    for name in active.read_text().split() if active.exists() else ():
        with contextlib.suppress(OSError):
            streams.append((devices / name).open("wb", buffering=0))
    return Console(streams)
