"""Connections that ask for files of boot images, the shortest way: a socket without a transport or a task, and head and
file in one go.

A request that is no plain GET (`plain.py`), or whose answer would be anything but octets of a file, is aiohttp's, and
the connection with it: nothing is decided here that is not decided there. After a plain GET it comes back
(`visits.py`).

Those that wait for a request and those that wait until they can be sent more are two queues, so that a computer that
asks what to boot is not behind hundreds of downloads.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from fcntl import ioctl
from functools import lru_cache
from termios import FIONREAD

from pxed.content import ContentError, Opened
from pxed.web.connections import Connection
from pxed.web.downloads import LEAST_PIECE, Pace
from pxed.web.files import ABORTED, Files, content_type, headers_of, version_of
from pxed.web.part import Part, Version, http_date, part_of
from pxed.web.plain import PlainGet, PlainGets
from pxed.web.ready import GONE, REQUESTS, ROOM, Queue
from pxed.web.request import peer_text

_CLOSE = "Connection: close\r\n"
HandOver = Callable[[Connection, bytes, bool], None]
"""Gives a connection, and what was read of it, to what serves everything else; whether that is one plain GET, after
which the client may ask for more."""

_MOST_READ = 16 << 10
"""octets of requests that are taken from a connection at once; further ones wait in the kernel"""


class Direct:
    """All of them; to be made on the event loop. Who ended is told to `ended`."""

    def __init__(self, files: Files, hand_over: HandOver, ended: Callable[[Connection], None]) -> None:
        self.files = files
        self.hand_over = hand_over
        self.ended = ended
        self.gets = PlainGets()
        self.pace = Pace()
        self.loop = asyncio.get_running_loop()
        self.stopping = False
        self.asking: Queue[DirectConnection] = Queue(REQUESTS)
        self.taking: Queue[DirectConnection] = Queue(ROOM)

    def take(self, connection: Connection) -> None:
        """Serves a connection on which no request is under way; the next one may be there already."""
        served = DirectConnection(self, connection)
        if self.stopping:
            served.close()
        else:
            served.go_on(0)

    def stop(self) -> None:
        """Each connection ends with the request that is under way."""
        self.stopping = True
        for connection in self.asking:
            connection.close()


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
    """One connection, as long as it is served here."""

    __slots__ = ("_answer", "_connection", "_direct", "_queue", "_socket")

    def __init__(self, direct: Direct, connection: Connection) -> None:
        self._direct = direct
        self._connection = connection
        self._socket = connection.socket
        self._answer: _Answer | None = None
        self._queue: Queue[DirectConnection] | None = None

    def go_on(self, events: int) -> bool:
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
        return True

    def close(self) -> None:
        """Ends it when what was written is sent."""
        self._wait(None)
        self._socket.close()
        self._direct.ended(self._connection)

    def _read(self) -> None:
        try:
            data = self._socket.recv(_MOST_READ)
        except BlockingIOError:
            self._wait(self._direct.asking)
            return
        if not data:
            self.close()
            return
        asked = self._direct.gets.read(data)
        if asked and asked.is_of_a_file:
            self._answer = self._answer_to(asked)
        if self._answer:
            self._begin(self._answer)
        else:
            self._hand_over(data, comes_back=asked is not None and not asked.last)

    def _hand_over(self, data: bytes, *, comes_back: bool) -> None:
        if self._direct.stopping:
            self.close()
            return
        self._wait(None)
        self._direct.hand_over(self._connection, data, comes_back)

    def _answer_to(self, asked: PlainGet) -> _Answer | None:
        files = self._direct.files
        try:
            opened = files.content.open(asked.name, files.unix_time())
        except ContentError:
            return None
        try:
            version = version_of(opened)
            part = part_of(version, "GET", asked.headers)
            last = asked.last or self._direct.stopping
            if part.length:
                head = _head(version, content_type(opened.name), part, last=last)
                return _Answer(opened, part, last, self._direct.loop.time(), head)
        except BaseException:
            os.close(opened.fd)
            raise
        os.close(opened.fd)
        return None

    def _begin(self, answer: _Answer) -> None:
        """Head and file go in whole segments, to the end: what is cut off between two pieces costs the kernel a sixth
        more for 10 MB.

        What is longer than the smallest piece waits for its turn, so that requests are read one after the other: the
        octets that the kernel copies between two of them would leave nothing of what reads them in the caches.
        """
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, True)
        if answer.part.length <= LEAST_PIECE:
            self._send(answer)
        else:
            self._wait(self._direct.taking)

    def _send(self, answer: _Answer) -> None:
        """As much as the kernel takes, a piece at most: while it is handed some, the client makes room for more."""
        pace, part = self._direct.pace, answer.part
        before, began = answer.sent, time.monotonic()
        most = min(before + pace.piece, part.length)
        try:
            while answer.head:
                answer.head = answer.head[self._socket.send(answer.head) :]
            while answer.sent < most:
                first, left = part.first + answer.sent, most - answer.sent
                count = os.sendfile(self._socket.fileno(), answer.opened.fd, first, left)
                if not count:
                    raise ConnectionAbortedError  # the file has no more; a client that waits for it must see that
                answer.sent += count
        except BlockingIOError:
            pass
        pace.learn(answer.sent - before, time.monotonic() - began)
        if answer.sent < part.length:
            self._wait(self._direct.taking)
        else:
            self._end(answer)

    def _end(self, answer: _Answer) -> None:
        """The last octet was handed to the kernel."""
        self._tell(answer, f"GET {answer.part.status}")
        if answer.last or self._direct.stopping:
            # What the client has asked for since, left unread, would make the kernel throw away what is not sent yet.
            if any(ioctl(self._socket, FIONREAD, bytes(4))):
                self._socket.recv(_MOST_READ)
            self.close()
        else:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, False)  # sends what is left, as closing does
            self._wait(self._direct.asking)

    def _abort(self) -> None:
        if self._answer:
            self._tell(self._answer, ABORTED)
        self.close()

    def _tell(self, answer: _Answer, outcome: str) -> None:
        self._answer = None
        os.close(answer.opened.fd)
        seconds = self._direct.loop.time() - answer.started
        peer, interface = peer_text(self._connection.peer), self._connection.interface
        self._direct.files.tell(peer, interface, answer.opened, answer.sent, seconds, outcome)

    def _wait(self, queue: Queue[DirectConnection] | None) -> None:
        if queue is self._queue:
            return
        if self._queue:
            self._queue.remove(self._socket.fileno())
        self._queue = queue
        if queue:
            queue.add(self._socket.fileno(), self)


def _head(version: Version, kind: str, part: Part, *, last: bool) -> bytes:
    changing = f"Date: {http_date(int(time.time()))}\r\n{_CLOSE if last else ''}\r\n"
    return _lasting_head(version, kind, part) + changing.encode("ascii")


@lru_cache(maxsize=256)  # of files that are asked for again and again
def _lasting_head(version: Version, kind: str, part: Part) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers_of(version, kind, part).items()])
    status = f"HTTP/1.1 {part.status.value} {part.status.phrase}\r\n"
    return f"{status}{lines}Content-Length: {part.length}\r\n".encode("ascii")
