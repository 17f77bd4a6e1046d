"""One segment with two service points and all the machines that one likes: four namespaces and a bridge."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from tests.service.namespaces import inside, ip

T = TypeVar("T")
_numbers = itertools.count(1)
MACHINES = "192.0.2.100"


@dataclass(frozen=True)
class Spot:
    """Where one service point is plugged in."""

    point: str
    """name of its network namespace"""
    address: str


class Segment:
    """`north` (192.0.2.1), `south` (192.0.2.2) and the machines (192.0.2.100), each with its end called eth0."""

    def __init__(self) -> None:
        name = f"pxs{os.getpid()}x{next(_numbers)}"
        self._bridge, self._machines = f"{name}b", f"{name}m"
        self.north, self.south = Spot(f"{name}n", "192.0.2.1"), Spot(f"{name}s", "192.0.2.2")

    def __enter__(self) -> Segment:
        for namespace in self._all:
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", self._bridge, "link", "add", "br0", "type", "bridge")
        ip("-n", self._bridge, "link", "set", "br0", "up")
        ends = ((self.north.point, self.north.address), (self.south.point, self.south.address))
        for number, (namespace, address) in enumerate((*ends, (self._machines, MACHINES))):
            ip(
                "-n",
                namespace,
                "link",
                "add",
                "eth0",
                "type",
                "veth",
                "peer",
                "name",
                f"p{number}",
                "netns",
                self._bridge,
            )
            ip("-n", self._bridge, "link", "set", f"p{number}", "master", "br0", "up")
            ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", namespace, "link", "set", "eth0", "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for namespace in self._all:
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)

    def among_machines(self, action: Callable[[], T]) -> T:
        """Runs `action` in a thread that lives where the machines are."""
        return inside(self._machines, action)

    @property
    def _all(self) -> tuple[str, ...]:
        return (self._bridge, self._machines, self.north.point, self.south.point)
