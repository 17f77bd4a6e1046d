"""Who is connected over TCP: how many may be, and for how long one may do nothing.

A connection counts from accept(2) on, before TLS is agreed on. Whether it moves is asked of the kernel, which counts
the octets that the other end has sent and those that it has acknowledged: this holds for a request that never comes, a
handshake, a connection that is kept for later and a download that nobody takes any more, whatever serves them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import termios
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import ioctl

from pxed.web.request import Peer
from pxed.web.turns import TURN_SECONDS

log = logging.getLogger("pxed.http")

MOST = 4096
"""connections in all; a download needs three descriptors"""
MOST_OF_ONE = 1024
"""of one address, behind which a class room of 500 machines may be"""
STILL_SECONDS = 60.0
"""A connection on which nothing moves for so long is ended. A request waits for the database for 20 seconds at most."""
_GIVES_WAY_SECONDS = 5.0
"""When there are too many, one that was still for so long makes room for a new one."""

_LOOK_SECONDS, _DRAIN_LOOK_SECONDS = 1.0, 0.1
_LOOKED_AT_A_TURN = 256
"""connections, a quarter of a millisecond"""
_SWEEP_SECONDS = 0.1
"""When there are too many it is looked no more often than that which of them have ended."""
_ACCEPTED_A_TURN = 16
_NO_DESCRIPTOR_SECONDS = 1.0
"""after which accept(2) is tried again when it failed"""
_TELL_SECONDS = 60.0
_MOVED = struct.Struct("QQ")
_MOVED_AT = 120
"""where tcp_info(linux/tcp.h) has tcpi_bytes_acked and tcpi_bytes_received"""
_NOBODY_THERE = (ConnectionAbortedError, BlockingIOError, InterruptedError)
_RESET = struct.pack("ii", 1, 0)
"""struct linger: what was not taken is thrown away with the connection"""


@dataclass(slots=True, eq=False)
class Connection:
    """One that was accepted."""

    socket: socket.socket
    """It does not block. Whoever serves the connection closes it, and may put another descriptor of it here."""
    peer: Peer
    interface: str
    """the name of the one that it came by"""
    moved_at: float
    octets: tuple[int, int] = (0, 0)
    """acknowledged and received"""

    @property
    def address(self) -> str:
        """The client's."""
        return self.peer[0]

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self.socket.fileno() < 0

    def look(self, now: float) -> None:
        """Sees whether anything has moved."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MOVED_AT + _MOVED.size)
        octets = _MOVED.unpack_from(info, _MOVED_AT)
        if octets != self.octets:
            self.octets, self.moved_at = octets, now

    def end(self) -> None:
        """Wakes whoever serves it, who finds that the client is gone."""
        if self.closed:
            return
        with suppress(OSError):  # the client was quicker
            if any(ioctl(self.socket, termios.TIOCOUTQ, bytes(4))):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.socket.shutdown(socket.SHUT_RDWR)


Serve = Callable[[Connection], None]
"""Takes over a connection. It may tell `Connections.forget` that it has ended; else that is found out in a second."""


class Connections:
    """All of a service point, on all interfaces."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._all: dict[Connection, None] = {}
        self._of: Counter[str] = Counter()
        self._patience = STILL_SECONDS
        self._refused = self._told = 0
        self._tell_at = self._sweep_at = 0.0
        self._giving_way: deque[Connection] = deque()

    @contextmanager
    def accepting(self, listener: socket.socket, interface: str, serve: Serve) -> Iterator[None]:
        """Takes connections from `listener` on `interface` and gives them to `serve`, as long as the block lasts."""
        loop = asyncio.get_running_loop()
        pause: asyncio.TimerHandle | None = None

        def accept() -> None:
            nonlocal pause
            end = time.monotonic() + TURN_SECONDS
            for _ in range(_ACCEPTED_A_TURN):
                try:
                    client, peer = listener.accept()
                except _NOBODY_THERE:
                    return
                except OSError as error:  # as a rule there is no descriptor left
                    log.error("no HTTP connection can be taken: %s", error.strerror)
                    loop.remove_reader(listener)
                    pause = loop.call_later(_NO_DESCRIPTOR_SECONDS, loop.add_reader, listener, accept)
                    return
                self._take(client, peer, interface, serve)
                if time.monotonic() >= end:  # to serve it may have begun at once
                    return

        loop.add_reader(listener, accept)
        try:
            yield
        finally:
            if pause is not None:
                pause.cancel()
            loop.remove_reader(listener)

    def forget(self, connection: Connection) -> None:
        """It has ended."""
        if connection in self._all:
            del self._all[connection]
            self._of[connection.address] -= 1
            if not self._of[connection.address]:
                del self._of[connection.address]

    async def run(self) -> None:
        """Ends those that are still for too long, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look()

    async def drain(self, seconds: float, silence: float) -> None:
        """Returns when all have ended: those on which nothing moves for `silence`, and after `seconds` the others."""
        self._patience = silence
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._all:
                    await self._look()
                    await asyncio.sleep(_DRAIN_LOOK_SECONDS)
        for each in self._all:
            each.end()

    def status(self) -> dict[str, int]:
        """How many there are, and how many were refused since the service started."""
        self._sweep()
        return {"connections": len(self._all), "refused": self._refused}

    def _take(self, client: socket.socket, peer: Peer, interface: str, serve: Serve) -> None:
        now, address = asyncio.get_running_loop().time(), peer[0]
        if not self._has_room(address, now):
            client.close()
            self._refused += 1
            self._tell(address, now)
            return
        client.setblocking(False)
        connection = Connection(client, peer, interface, now)
        self._all[connection] = None
        self._of[address] += 1
        try:
            serve(connection)
        except OSError as error:
            client.close()
            self.forget(connection)
            log.debug("no connection with %s: %s", address, error)

    def _has_room(self, address: str, now: float) -> bool:
        """Whether there may be one more, for which another one may have been ended."""
        if self._is_full(address) and now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_SECONDS
            self._sweep()
            still = [each for each in self._all if now - each.moved_at >= _GIVES_WAY_SECONDS]
            self._giving_way = deque(sorted(still, key=lambda each: each.moved_at))
        while self._is_full(address) and self._giving_way and self._of[address] < self._most_of_one:
            stillest = self._giving_way.popleft()
            if now - stillest.moved_at >= _GIVES_WAY_SECONDS:
                stillest.end()
                self.forget(stillest)
        return not self._is_full(address)

    def _is_full(self, address: str) -> bool:
        return len(self._all) >= self._most or self._of[address] >= self._most_of_one

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for number, each in enumerate(list(self._all), 1):
            if not number % _LOOKED_AT_A_TURN:
                await asyncio.sleep(0)
            if each.closed:
                self.forget(each)
                continue
            each.look(now)
            if now - each.moved_at >= self._patience:
                each.end()

    def _sweep(self) -> None:
        for each in [each for each in self._all if each.closed]:
            self.forget(each)

    def _tell(self, address: str, now: float) -> None:
        """Not of each one: whoever connects too often would fill the log as well."""
        if now < self._tell_at:
            return
        log.warning(
            "%d HTTP connections refused, the latest of %s: there are %d, %d of that address",
            *(self._refused - self._told, address, len(self._all), self._of[address]),
        )
        self._told, self._tell_at = self._refused, now + _TELL_SECONDS
