"""The fast path of one endpoint: in a flood a compiled thread answers what has been answered already.

As long as every verdict is told and remembered, each packet takes the long way. In a flood most are not
(`verdict_log`), and what is left to do for a packet is to find out who it is and to send what those like it were sent.
The thread does that (`_flows.c`); what it cannot answer it passes up to the endpoint, which answers and teaches it, and
so it does with as many as there is room to tell of. When the flood is over the endpoint receives by itself again.

Without the compiled module, or on a site that is not in SQLite, there is no fast path, and floods take the long way.
"""

from __future__ import annotations

import socket
from typing import Protocol

from pxed.datagrams import LARGEST, Received
from pxed.responder.flows import Flow, Ground
from pxed.responder.place import Place
from pxed.site.sql.flows import FlowSite
from pxed.verdict_log import TOLD_A_SECOND

try:
    from pxed.responder import _flows
except ImportError:  # not compiled
    _flows = None  # type: ignore[assignment]

_QUEUE_OCTETS = 1 << 18
"""what waits to be answered in the long way"""
_AT_ONCE = 64
"""datagrams that are answered in the long way in one turn of the loop"""
_HEAD = 7
"""octets before a packet that was passed up: why, and the sender's address and port"""


class Teacher(Protocol):
    """Who knows what flows there are."""

    def is_flood(self) -> bool:
        """Whether more is answered than is told of."""
        ...

    def flow(self, received: Received, place: Place) -> Flow | None:
        """The flow that an answered datagram belongs to."""
        ...

    def count(self, counted: dict[str, int], lost: int) -> None:
        """So many packets were answered by flows, by what is counted of each, and so many not even looked at."""
        ...


def is_compiled() -> bool:
    """Whether the compiled module is there."""
    return _flows is not None


class FastPath:
    """The flows of one socket."""

    def __init__(self, bound: socket.socket, place: Place, site: FlowSite, teacher: Teacher) -> None:
        """OSError if there cannot be one: no compiled module, no SQLite that threads can share, no more descriptors."""
        if not is_compiled():
            raise OSError("pxed was installed without its compiled part")
        self.unsent = 0
        """answers that the kernel did not take"""
        self.upward, up = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.upward.setblocking(False)
        up.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _QUEUE_OCTETS)
        self._up = up
        database = str(site.database)
        try:
            self._flows = _flows.Flows(bound.fileno(), up.fileno(), site.library, database, site.who, site.of_one)
        except OSError:
            self.upward.close()
            up.close()
            raise
        self._place = place
        self._teacher = teacher
        self._ground: Ground | None = None
        self._counters: list[str] = []

    def is_flood(self) -> bool:
        """Whether it is time to start."""
        return self._teacher.is_flood()

    def start(self) -> None:
        """From now on the thread receives from the socket, and nobody else; OSError if there can be no thread."""
        self._flows.start(1 / TOLD_A_SECOND)

    def stop(self) -> None:
        """The thread receives no more; what it passed up is still to be taken."""
        self._flows.stop()

    def forget(self) -> None:
        """What was taught holds no longer."""
        self._ground = None
        self._flows.begin(-1, 0, 0, b"", b"")

    def close(self) -> None:
        """Ends the thread."""
        self.stop()
        self.count()
        self.upward.close()
        self._up.close()

    def passed_up(self) -> tuple[list[Received], list[Received]]:
        """Datagrams that are to be answered in the long way, and those of them whose like could be taught."""
        passed: list[Received] = []
        untaught: list[Received] = []
        while len(passed) < _AT_ONCE:
            try:
                message = self.upward.recv(_HEAD + LARGEST + 1)
            except BlockingIOError:
                break
            sender = socket.inet_ntoa(message[1:5]), int.from_bytes(message[5:_HEAD])
            passed.append((message[_HEAD:], sender))
            if message[0] == _flows.UNTAUGHT:
                untaught.append(passed[-1])
        return passed, untaught

    def learn(self, received: Received) -> None:
        """Whoever is like the sender of an answered datagram is answered by the thread from now on."""
        flow = self._teacher.flow(received, self._place)
        if flow is None:
            return
        if flow.ground != self._ground or not self._teach(flow):
            self._ground = flow.ground
            self._flows.begin(flow.ground.plan.change, flow.ground.since, flow.ground.until, *flow.ground.alone)
            self._teach(flow)

    def _teach(self, flow: Flow) -> bool:
        """False if there is no room."""
        if flow.counted_as not in self._counters:
            self._counters.append(flow.counted_as)
        counter = self._counters.index(flow.counted_as)
        return self._flows.teach(*flow[1:-1], counter)

    def count(self) -> int:
        """Tells the teacher what became of packets since the last time; how many came."""
        heard, _, lost, unsent, counted = self._flows.count()
        self.unsent += unsent
        known = dict(zip(self._counters, counted, strict=False))
        self._teacher.count({name: number for name, number in known.items() if number}, lost)
        return heard
