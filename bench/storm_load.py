"""Machines by the thousand that boot at once, each with an address of its own, in one process.

`python -m bench.storm_load '<json of Order>'` prints the JSON of an `Outcome`. How long an answer of port 67 or 4011
took is told by the kernel's time stamp on it: this process may be busy with the octets of others when it comes.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

from bench.network import INTERFACE
from bench.storm_machine import TIMESTAMP, Failed, Journal, Life, Machine, Order, receive

_RCVBUFFORCE = 33
_LOOK = 0.02
"""seconds between two looks at who is to be switched on and whose time is over"""


@dataclass
class Outcome:
    """What became of the storm; times in seconds."""

    complete: int
    """machines that have their whole boot image, every octet as it should be"""
    seconds: float
    """from the first power-on to the last octet"""
    octets: int
    """of boot images"""
    repeated: int
    """packets that were sent again, since no answer came in time"""
    stages: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """median, 99th percentile, worst"""
    failures: dict[str, int] = field(default_factory=dict)
    """what machines failed at, and how many"""


class Storm:
    """The machines, what each waits for, and the socket of answers that are sent to all."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._journal = Journal()
        self._failures: Counter[str] = Counter()
        self._common = _common_socket()
        self._poll = select.epoll()
        self._poll.register(self._common, select.EPOLLIN)
        self._machines = [Machine(number, order, self._common, self._journal) for number in range(order.machines)]
        self._lives: dict[int, Life] = {}
        self._until: dict[int, float] = {}
        """machine -> when its patience ends"""
        self._waiting: dict[int, int] = {}
        """descriptor -> machine"""
        self._descriptor: dict[int, int | None] = {}
        """machine -> descriptor, None for the common one"""

    def run(self) -> Outcome:
        """Until every machine has booted or given up."""
        begun = look = time.monotonic()
        on = 0
        while on < self._order.machines or self._lives:
            for descriptor, _ in self._poll.poll(_LOOK):
                if descriptor == self._common.fileno():
                    self._hear()
                elif descriptor in self._waiting:
                    self._resume(self._waiting[descriptor], came=True)
            now = time.monotonic()
            if now < look:
                continue
            look = now + _LOOK
            while on < self._order.machines and now - begun >= on * self._order.spread / self._order.machines:
                self._lives[on] = self._machines[on].life()
                self._advance(on, None)
                on += 1
            for number in [number for number, until in self._until.items() if until <= now]:
                self._resume(number, came=False)
        return self._outcome(time.monotonic() - begun)

    def _hear(self) -> None:
        while True:
            try:
                data, arrived = receive(self._common)
            except BlockingIOError:
                return
            number, turn = divmod(int.from_bytes(data[4:8]), 4)
            if number in self._lives and self._descriptor[number] is None and self._machines[number].xid == turn:
                self._machines[number].heard = data, arrived
                self._resume(number, came=True)

    def _resume(self, number: int, *, came: bool) -> None:
        descriptor = self._descriptor.pop(number)
        if descriptor is not None:
            del self._waiting[descriptor]
        del self._until[number]
        self._advance(number, came)

    def _advance(self, number: int, came: bool | None) -> None:
        try:
            life = self._lives[number]
            wait = next(life) if came is None else life.send(came)
        except StopIteration:
            del self._lives[number]
        except (Failed, OSError) as error:
            del self._lives[number]
            self._failures[str(error)] += 1
        else:
            self._descriptor[number] = wait.descriptor
            self._until[number] = time.monotonic() + wait.seconds
            if wait.descriptor is not None:
                self._waiting[wait.descriptor] = number
                self._watch(wait.descriptor, wait.events | select.EPOLLONESHOT)

    def _watch(self, descriptor: int, events: int) -> None:
        try:
            self._poll.modify(descriptor, events)
        except FileNotFoundError:
            self._poll.register(descriptor, events)

    def _outcome(self, seconds: float) -> Outcome:
        journal = self._journal
        complete = self._order.machines - self._failures.total()
        stages = {stage.value: _spread(took) for stage, took in journal.took.items() if took}
        return Outcome(complete, seconds, journal.octets, journal.repeated, stages, dict(self._failures.most_common(5)))


def _spread(took: list[float]) -> tuple[float, float, float]:
    took.sort()
    return took[len(took) // 2], took[len(took) * 99 // 100], took[-1]


def _common_socket() -> socket.socket:
    common = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    common.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    common.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
    common.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 8 << 20)
    common.setsockopt(socket.SOL_SOCKET, TIMESTAMP, 1)
    common.bind(("0.0.0.0", 68))  # noqa: S104 - in a namespace of the benchmark's own
    return common


if __name__ == "__main__":
    print(json.dumps(asdict(Storm(Order(**json.loads(sys.argv[1]))).run())))
