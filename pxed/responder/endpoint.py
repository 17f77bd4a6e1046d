"""A UDP socket on port 67 or 4011 of one interface, and the loop that answers on it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pxed.datagrams import Address, Received, datagrams_on
from pxed.responder.fastpath import FastPath
from pxed.responder.place import Place
from pxed.verdict_log import TOLD_A_SECOND

log = logging.getLogger("pxed.responder")

_MAX_DELAYED = 1024
"""Answers that wait for the configured delay at one time on one endpoint; more are left to the client's retry."""

_LOOK_SECONDS = 1.0
"""how often it is looked whether a flood is over"""
_QUIET_LOOKS = 10
"""so many times on end it has to look over: what is told is shared by all endpoints, so that a flood on two of them, or
a little beside another's, would be one second a flood and none the next"""


class Answer(NamedTuple):
    """What to send, and where to."""

    data: bytes
    destination: Address


@dataclass(frozen=True, slots=True)
class Later:
    """Ask again: the same datagram gets its answer after `seconds`."""

    seconds: float


Outcome = Answer | Later | None
Answerer = Callable[[Sequence[Received], Place], Sequence[Outcome]]
"""What to do about each datagram of a batch."""


class Endpoint:
    """One bound socket. The answers are made synchronously, so what is received cannot pile up behind them."""

    def __init__(self, bound: socket.socket, place: Place, answerer: Answerer) -> None:
        self.place = place
        self.socket = bound
        self._datagrams = datagrams_on(bound)
        self._answerer = answerer
        self._delayed = 0
        self._unsent = 0
        self._fast_path: FastPath | None = None
        self._next_look: asyncio.TimerHandle | None = None
        self._quiet_looks = 0

    @property
    def unsent(self) -> int:
        """Answers that the kernel did not take."""
        return self._unsent + (self._fast_path.unsent if self._fast_path else 0)

    async def serve(self, fast_path: FastPath | None = None) -> None:
        """Answers until cancelled; floods on the fast path, if there is one."""
        loop = asyncio.get_running_loop()
        self._fast_path = fast_path
        loop.add_reader(self.socket, self._answer_what_came)
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(self.socket)
            if self._next_look is not None:
                self._next_look.cancel()
            if fast_path is not None:
                loop.remove_reader(fast_path.upward)
                fast_path.close()

    def forget(self) -> None:
        """Answers are other ones from now on."""
        if self._fast_path is not None:
            self._fast_path.forget()

    def _answer_what_came(self) -> None:
        """One batch in one turn of the loop: HTTP must have its turn within milliseconds."""
        self._handle(self._datagrams.receive())
        if self._fast_path is not None and self._fast_path.is_flood():
            self._begin_a_flood(self._fast_path)

    def _begin_a_flood(self, fast_path: FastPath) -> None:
        try:
            fast_path.start()
        except OSError as error:
            log.error("floods of packets take the long way: %s", error, extra={"iface": self.place.interface.name})
            self._fast_path = None
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.socket)
        loop.add_reader(fast_path.upward, self._answer_what_was_passed_up, fast_path)
        self._tell("a flood of packets to port %d: those that are alike take the fast path")
        self._next_look = loop.call_later(_LOOK_SECONDS, self._look_at_the_flood, fast_path)

    def _answer_what_was_passed_up(self, fast_path: FastPath) -> bool:
        """One lesson in a turn: of many that are alike one is enough, and the others come again. False if there was
        nothing."""
        passed, untaught = fast_path.passed_up()
        self._handle(passed)
        if untaught:
            fast_path.learn(random.choice(untaught))  # noqa: S311 - some day each kind has its turn
        return bool(passed)

    def _look_at_the_flood(self, fast_path: FastPath) -> None:
        """Now and then; once it is over this socket is received from in the loop again."""
        loop = asyncio.get_running_loop()
        self._quiet_looks = self._quiet_looks + 1 if fast_path.count() < TOLD_A_SECOND * _LOOK_SECONDS else 0
        if self._quiet_looks < _QUIET_LOOKS:
            self._next_look = loop.call_later(_LOOK_SECONDS, self._look_at_the_flood, fast_path)
            return
        self._quiet_looks = 0
        fast_path.stop()
        while self._answer_what_was_passed_up(fast_path):
            pass  # what stayed would be answered in the next flood, long after its sender gave up
        loop.remove_reader(fast_path.upward)
        loop.add_reader(self.socket, self._answer_what_came)
        self._tell("the flood of packets to port %d is over")

    def _tell(self, text: str) -> None:
        log.info(text, self.place.port, extra={"iface": self.place.interface.name})

    def _handle(self, batch: Sequence[Received]) -> None:
        """Answers what of `batch` has an answer by now."""
        if not batch:
            return
        outcomes = self._outcomes(batch)
        self._unsent += self._datagrams.send([outcome for outcome in outcomes if isinstance(outcome, Answer)])
        for received, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Later) and self._delayed < _MAX_DELAYED:
                self._delayed += 1
                asyncio.get_running_loop().call_later(outcome.seconds, self._handle_delayed, received)

    def _outcomes(self, batch: Sequence[Received]) -> Sequence[Outcome]:
        try:
            return self._answerer(batch, self.place)
        except Exception:
            # A bug of ours is loud, but one packet that finds it must not take the service from everybody else.
            if len(batch) > 1:
                return [outcome for one in batch for outcome in self._outcomes([one])]
            ((data, peer),) = batch
            log.exception("bug: no answer to %d bytes from %s: %s", len(data), peer[0], data[:600].hex())
            return [None]

    def _handle_delayed(self, received: Received) -> None:
        self._delayed -= 1
        if self.socket.fileno() >= 0:
            self._handle([received])
