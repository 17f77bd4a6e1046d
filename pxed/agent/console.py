"""What a person in front of the machine reads.

The kernel gives a program one console, the last `console=` of the command line; whoever watches the others would see
nothing. So the agent writes to every console that the kernel itself writes to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
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


@contextlib.contextmanager
def open_consoles(active: Path = ACTIVE, devices: Path = Path("/dev")) -> Iterator[Console]:
    """The consoles that the kernel names in `active`, those that can be opened."""
    with contextlib.ExitStack() as opened:
        streams: list[BinaryIO] = []
        for name in active.read_text().split() if active.exists() else ():
            with contextlib.suppress(OSError):
                # Without O_CREAT, which would make a file of a device that is not there.
                descriptor = os.open(devices / name, os.O_WRONLY | os.O_NOCTTY)
                streams.append(opened.enter_context(os.fdopen(descriptor, "wb", buffering=0)))
        yield Console(streams)
