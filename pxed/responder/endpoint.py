"""A UDP socket on port 67 or 4011 of one interface, and the loop that answers on it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import NamedTuple

from pxed.datagrams import Address, Received, datagrams_on
from pxed.interfaces import Interface

log = logging.getLogger("pxed.responder")

_MAX_DELAYED = 1024
"""Answers that wait for the configured delay at one time on one endpoint; more are left to the client's retry."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a datagram was heard, and so where its answer comes from."""

    interface: Interface
    port: int
    address: IPv4Address
    """ours, which the client can reach"""


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
        self.unsent = 0
        """answers that the kernel did not take"""
        self._socket = bound
        self._datagrams = datagrams_on(bound)
        self._answerer = answerer
        self._delayed = 0

    async def serve(self) -> None:
        """Answers until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._answer_what_came)
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(self._socket)

    def _answer_what_came(self) -> None:
        """One batch in one turn of the loop: HTTP must have its turn within milliseconds."""
        self._handle(self._datagrams.receive())

    def _handle(self, batch: Sequence[Received]) -> None:
        """Answers what of `batch` has an answer by now."""
        if not batch:
            return
        outcomes = self._outcomes(batch)
        self.unsent += self._datagrams.send([outcome for outcome in outcomes if isinstance(outcome, Answer)])
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
        if self._socket.fileno() >= 0:
            self._handle([received])
