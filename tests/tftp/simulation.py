"""A TFTP client and a network in memory, to drive a `Session` without sockets or a clock.

The client keeps to RFC 1350 and RFC 7440: it takes blocks in order, acknowledges the last of each window and of the
file, and, for a block that it did not expect, the last one that it has. It waits twice as long as the server before it
repeats its own last packet.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pxed.tftp.negotiation import Limits, Terms, negotiate
from pxed.tftp.session import NOTHING, Outcome, Range, Session
from pxed.wire.tftp import ReadRequest

LIMITS = Limits(max_block_size=65464, mtu=65536, max_window=64, timeout=1.0)

Fate = Callable[[], tuple[float, ...]]
"""The delays in seconds after which copies of the next packet arrive: none if it is lost"""

OK = (0.001,)
"""Once, after a millisecond."""
LOST: tuple[float, ...] = ()


def reliable() -> tuple[float, ...]:
    """No packet is lost."""
    return OK


def agreed(options: dict[str, int] | None = None) -> Terms:
    """The terms for a request with `options`."""
    pairs = tuple((name, str(value)) for name, value in (options or {}).items())
    return negotiate(ReadRequest(b"file", "octet", pairs), LIMITS)


def session(options: dict[str, int] | None = None, size: int = 10_000) -> Session:
    """One with those terms, without a network."""
    return Session(agreed(options), size, retries=6, unproven_timeout=LIMITS.timeout)


def acknowledge(one: Session, block: int, now: float) -> tuple[int, int]:
    """What is sent at once, be it by the timer that this sets off."""
    blocks = one.acknowledge(block, now)
    return one.expire(now) if blocks == NOTHING and one.deadline == now else blocks


@dataclass
class Run:
    """What happened."""

    outcome: Outcome | None = None
    received: list[int] = field(default_factory=list)
    """unwrapped numbers of the blocks that the client took, in order"""
    sent: Counter[int] = field(default_factory=Counter)
    """block number -> how often the server sent it"""
    acknowledgements: int = 0
    """packets of the client"""
    finished: bool = False
    """the client has the last block"""
    seconds: float = 0.0
    """when the server was done"""


class Simulation:
    """One transfer of `blocks` blocks through a network that does to each packet what `fate` says."""

    def __init__(self, terms: Terms, size: int, fate: Fate = reliable, *, retries: int = 6) -> None:
        self.session = Session(terms, size, retries=retries, unproven_timeout=1.0)
        self.run = Run()
        self._terms = terms
        self._fate = fate
        self._now = 0.0
        self._serial: Iterator[int] = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_at = -1.0
        self._expected = 0 if terms.accepted else 1
        self._since_ack = 0
        self._patience = 0

    @property
    def now(self) -> float:
        """Seconds of the simulation's clock."""
        return self._now

    def complete(self, most_events: int = 1_000_000) -> Run:
        """Runs until nothing can happen any more."""
        self._transmit(self.session.start(self._now))
        self._client_waits()
        for _ in range(most_events):
            if not self._events:
                break
            self._now, _, action = heapq.heappop(self._events)
            action()
        else:
            raise AssertionError("the transfer does not end")
        return self.run

    def _at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._serial), action))

    def _transmit(self, blocks: Range) -> None:
        first, count = blocks
        assert blocks == NOTHING or count > 0
        for block in range(first, first + count):
            self.run.sent[block] += 1
            for delay in self._fate():
                self._at(self._now + delay, lambda block=block: self._client_gets(block))  # type: ignore[misc]
        self._watch()

    def _watch(self) -> None:
        """A timer at the session's deadline, as the worker has it."""
        if self.session.outcome is not None:
            self.run.outcome, self.run.seconds = self.session.outcome, self._now
        elif self.session.deadline != self._timer_at:
            self._timer_at = self.session.deadline
            self._at(self._timer_at, self._timer)

    def _timer(self) -> None:
        if self.session.outcome is None:
            if self.session.deadline > self._now:
                self.session.measure()
            self._transmit(self.session.expire(self._now))

    def _server_gets(self, block: int) -> None:
        if self.session.outcome is None:
            self._transmit(self.session.acknowledge(block, self._now))

    def _client_gets(self, block: int) -> None:
        if self.run.finished and block != self.session.last:
            return
        if block & 0xFFFF == self._expected & 0xFFFF and not self.run.finished:
            if block:
                assert block == self._expected, "an old block was taken for a new one"
                self.run.received.append(block)
            self._expected += 1
            self._since_ack += 1
            self.run.finished = block == self.session.last
            self._patience += 1
            if block and not self.run.finished and self._since_ack < self._terms.window:
                self._client_waits()
                return
        self._acknowledge()
        self._client_waits()

    def _acknowledge(self) -> None:
        if self._expected == 0 or (self._expected == 1 and not self._terms.accepted):
            return  # there is nothing yet to acknowledge
        self._since_ack = 0
        self.run.acknowledgements += 1
        number = (self._expected - 1) & 0xFFFF
        for delay in self._fate():
            self._at(self._now + delay, lambda: self._server_gets(number))

    def _client_waits(self, tries: int = 0) -> None:
        patience = self._patience

        def repeat() -> None:
            if patience == self._patience and not self.run.finished and tries < 5:
                self._acknowledge()
                self._client_waits(tries + 1)

        if not self.run.finished:
            self._at(self._now + 2.0, repeat)
