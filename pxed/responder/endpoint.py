"""A UDP socket on port 67 or 4011 of one interface, and the loop that answers on it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import cast

import asyncio_dgram

from pxed.interfaces import Interface

log = logging.getLogger("pxed.responder")

Address = tuple[str, int]
Received = tuple[bytes, Address]

_DRAIN = 32
"""Datagrams answered in one turn of the loop: asyncio brings one a turn, which holds no storm, and HTTP must have its
turn within milliseconds."""
_LARGEST = 65535
_MAX_DELAYED = 1024
"""Answers that wait for the configured delay at one time on one endpoint; more are left to the client's retry."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a datagram was heard, and so where its answer comes from."""

    interface: Interface
    port: int
    address: IPv4Address
    """ours, which the client can reach"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send, where to, and when."""

    data: bytes
    destination: Address


@dataclass(frozen=True, slots=True)
class Later:
    """Ask again: the same datagram gets its answer after `seconds`."""

    seconds: float


Answerer = Callable[[bytes, Address, Place], "Answer | Later | None"]


class Endpoint:
    """One bound socket. The answer is made synchronously, so what is received cannot pile up behind it."""

    def __init__(self, bound: socket.socket, place: Place, answerer: Answerer) -> None:
        self.place = place
        self.unsent = 0
        """answers that the kernel did not take"""
        self._socket = bound
        self._answerer = answerer
        self._delayed = 0

    async def serve(self) -> None:
        """Answers until cancelled or until the interface is gone."""
        stream = await asyncio_dgram.from_socket(self._socket)
        try:
            while True:
                try:
                    data, peer = cast(Received, await stream.recv())
                except OSError:
                    continue  # an ICMP error for an earlier answer: the client's trouble
                self._handle(data, peer)
                self._drain()
        except asyncio_dgram.TransportClosed:
            return
        finally:
            stream.close()

    def _drain(self) -> None:
        """What else waits in the socket by now."""
        for _ in range(_DRAIN):
            try:
                data, peer = self._socket.recvfrom(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                continue  # as above
            self._handle(data, peer)

    def _handle(self, data: bytes, peer: Address) -> None:
        try:
            outcome = self._answerer(data, peer, self.place)
        except Exception:
            # A bug of ours is loud, but one packet that finds it must not take the service from everybody else.
            log.exception("bug: no answer to %d bytes from %s: %s", len(data), peer[0], data[:600].hex())
            return
        match outcome:
            case Answer() as answer:
                self._send(answer)
            case Later(seconds=seconds) if self._delayed < _MAX_DELAYED:
                self._delayed += 1
                asyncio.get_running_loop().call_later(seconds, self._handle_delayed, data, peer)

    def _handle_delayed(self, data: bytes, peer: Address) -> None:
        self._delayed -= 1
        if self._socket.fileno() >= 0:
            self._handle(data, peer)

    def _send(self, answer: Answer) -> None:
        try:
            self._socket.sendto(answer.data, answer.destination)
        except OSError:
            self.unsent += 1  # full buffer or no route: the client asks again
