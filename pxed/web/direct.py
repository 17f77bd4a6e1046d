"""Connections that ask for files of boot images, the shortest way: a socket without a transport or a task, and head and
file in one go.

A request that is no plain GET (`plain.py`), or whose answer would be anything but octets of a file, is aiohttp's, and
from then on the connection as well: nothing is decided here that is not decided there.

The event loop sees one descriptor for all of them, an epoll(7) that holds their sockets, and gives them one short turn
however many can go on. The kernel hands out first the one that has waited longest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pxed.content import ContentError, Opened
from pxed.web.downloads import GONE, Pace
from pxed.web.files import ABORTED, Files, headers_of, version_of
from pxed.web.part import Part, http_date, part_of
from pxed.web.plain import PlainGet, PlainGets
from pxed.web.request import InterfaceOf, Origin, Peer, origin_of_socket

_CLOSE = "Connection: close\r\n"
HandOver = Callable[[socket.socket, bytes], None]
"""Gives a connection, and what was read of it, to what serves everything else."""

_TURN_SECONDS = 0.002
"""After so long everything else on the loop has its turn. Requests and pieces have this in common: it is no longer than
if each had a millisecond of its own."""
_MOST_READ = 16 << 10
"""octets of requests that are taken from a connection at once; further ones wait in the kernel"""
_ASKED, _TAKES = select.EPOLLIN | select.EPOLLRDHUP, select.EPOLLOUT | select.EPOLLRDHUP
"""what is waited for before a request, and within an answer"""


class Direct:
    """All of them; to be made on the event loop."""

    def __init__(self, files: Files, interface_of: InterfaceOf, hand_over: HandOver) -> None:
        self.files = files
        self.interface_of = interface_of
        self.hand_over = hand_over
        self.gets = PlainGets()
        self.pace = Pace()
        self.loop = asyncio.get_running_loop()
        self.stopping = False
        self._ready = select.epoll()
        self._connections: dict[int, DirectConnection] = {}

    def take(self, client: socket.socket, peer: Peer, ended: Callable[[], None]) -> None:
        """Serves a connection that was accepted, and tells when it has ended here."""
        if not self._connections:
            self.loop.add_reader(self._ready, self._turn)
        self._connections[client.fileno()] = DirectConnection(self, client, peer, ended)
        self._ready.register(client, _ASKED)

    def wait(self, client: socket.socket, events: int) -> None:
        """The connection goes on when one of `events` (epoll(7)) is there."""
        self._ready.modify(client, events)

    def leave(self, client: socket.socket) -> None:
        """The connection is no longer served here."""
        if self._connections.pop(client.fileno(), None) is None:
            return
        self._ready.unregister(client)
        if not self._connections:
            self.loop.remove_reader(self._ready)

    def stop(self) -> None:
        """Each connection ends with the request that is under way."""
        self.stopping = True
        for connection in list(self._connections.values()):
            if connection.is_idle:
                connection.close()

    def _turn(self) -> None:
        end = time.monotonic() + _TURN_SECONDS
        while ready := self._ready.poll(0, 1):
            descriptor, events = ready[0]
            self._connections[descriptor].go_on(events)
            if time.monotonic() >= end:
                return


@dataclass(slots=True)
class _Answer:
    """Part of a file, on its way since `started`, on the loop's clock."""

    opened: Opened
    part: Part
    last: bool
    """the client asked for nothing further, or was told that it ends with this"""
    started: float
    head: bytes
    """what was not sent yet"""
    sent: int = 0
    """octets of the file"""


class DirectConnection:
    """One connection."""

    def __init__(self, direct: Direct, client: socket.socket, peer: Peer, ended: Callable[[], None]) -> None:
        self._direct = direct
        self._socket = client
        self._peer = peer
        self._ended = ended
        self._waits_for = _ASKED
        self._answer: _Answer | None = None

    @property
    def is_idle(self) -> bool:
        """No request is under way."""
        return self._answer is None

    def go_on(self, events: int) -> None:
        """The socket has one of the `events` that were waited for, or is of no use any more."""
        try:
            if self._answer is None:
                self._read()
            elif events & GONE:
                raise ConnectionResetError
            else:
                self._send(self._answer)
        except OSError:
            self._abort()  # the client has gone or the disk fails: fewer octets than promised
        except BaseException:
            self._abort()  # or it would be tried again for ever
            raise

    def close(self) -> None:
        """Ends it when what was written is sent."""
        self._leave()
        self._socket.close()
        self._ended()

    @cached_property
    def _origin(self) -> Origin:
        return origin_of_socket(self._socket, self._peer, self._direct.interface_of)

    def _read(self) -> None:
        try:
            data = self._socket.recv(_MOST_READ)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        asked = self._direct.gets.read(data)
        if asked:
            self._answer = self._answer_to(asked)
        if self._answer:
            self._begin(self._answer)
        else:
            self._hand_over(data)

    def _hand_over(self, data: bytes) -> None:
        if self._direct.stopping:
            self.close()
            return
        self._leave()
        self._direct.hand_over(self._socket, data)

    def _answer_to(self, asked: PlainGet) -> _Answer | None:
        files = self._direct.files
        try:
            opened = files.content.open(asked.name, files.unix_time())
        except ContentError:
            return None
        try:
            part = part_of(version_of(opened), "GET", asked.headers)
            last = asked.last or self._direct.stopping
            if part.count:
                return _Answer(opened, part, last, self._direct.loop.time(), _head(opened, part, last=last))
        except BaseException:
            os.close(opened.fd)
            raise
        os.close(opened.fd)
        return None

    def _begin(self, answer: _Answer) -> None:
        """The head goes with the file, in whole segments only; MSG_MORE for the head alone makes parts of a MiB dearer,
        and TCP_CORK that is kept long files."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, True)
        self._send(answer)
        if self._socket.fileno() >= 0:  # closing it sends what is left as well
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, False)

    def _send(self, answer: _Answer) -> None:
        """As much as the kernel takes, a piece at most."""
        pace = self._direct.pace
        first, left = answer.part.first + answer.sent, answer.part.count - answer.sent
        try:
            while answer.head:
                answer.head = answer.head[self._socket.send(answer.head) :]
            began = time.monotonic()
            count = os.sendfile(self._socket.fileno(), answer.opened.fd, first, min(pace.piece, left))
        except BlockingIOError:
            self._wait(_TAKES)
            return
        pace.learn(count, time.monotonic() - began)
        answer.sent += count
        if 0 < count < left:
            self._wait(_TAKES)
        else:
            self._end(answer)

    def _end(self, answer: _Answer) -> None:
        """The last octet was handed to the kernel, or the file has no more."""
        if answer.sent < answer.part.count:
            raise ConnectionAbortedError  # a client that waits for the rest must see that it ends
        self._tell(answer, f"GET {answer.part.status}")
        if answer.last or self._direct.stopping:
            # What the client has asked for since, left unread, would make the kernel throw away what is not sent yet.
            with contextlib.suppress(OSError):
                self._socket.recv(_MOST_READ)
            self.close()
        else:
            self._wait(_ASKED)

    def _abort(self) -> None:
        if self._answer:
            self._tell(self._answer, ABORTED)
        self.close()

    def _tell(self, answer: _Answer, outcome: str) -> None:
        self._answer = None
        os.close(answer.opened.fd)
        seconds = self._direct.loop.time() - answer.started
        self._direct.files.tell(self._origin, answer.opened, answer.sent, seconds, outcome)

    def _wait(self, events: int) -> None:
        if events != self._waits_for:
            self._waits_for = events
            self._direct.wait(self._socket, events)

    def _leave(self) -> None:
        self._direct.leave(self._socket)


def _head(opened: Opened, part: Part, *, last: bool) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers_of(opened, part).items()])
    return (
        f"HTTP/1.1 {part.status.value} {part.status.phrase}\r\n{lines}Content-Length: {part.count}\r\n"
        f"Date: {http_date(int(time.time()))}\r\n{_CLOSE if last else ''}\r\n"
    ).encode("ascii")
