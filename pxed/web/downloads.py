"""Files that go out with sendfile(2), by the hundred, in turns.

The event loop sees one descriptor for all of them, an epoll(7) that holds their connections, and gives them one short
turn however many can go on. The kernel hands out first the one that has waited longest.

Each piece that a file is cut into costs both ends a wake-up, and TCP perhaps a slow start, so a piece is as large as
the kernel takes it in about one turn: that is measured, since it differs with network cards.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from dataclasses import dataclass, field

from pxed.web.part import Part

TURN_SECONDS = 0.001
"""after so long no further piece is begun before everything else on the loop had its turn"""
_LEAST_PIECE, _LARGEST_PIECE = 1 << 20, 8 << 20
"""octets that are given to the kernel at once"""
_TELLING = 256 << 10
"""octets; fewer say more about a connection that was nearly full than about the kernel's pace"""
GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""The client sends no more, and the transport has closed its end, or will; our own descriptor would keep it open."""
_WEIGHT = 0.25
"""of the latest piece against those before"""


class Pace:
    """How fast the kernel takes files, of which most are in its page cache."""

    def __init__(self) -> None:
        self.piece = _LEAST_PIECE
        """octets that it takes in about one turn"""
        self._pace = _LEAST_PIECE / TURN_SECONDS

    def learn(self, octets: int, seconds: float) -> None:
        """It took so many in so long."""
        if octets >= _TELLING and seconds:
            self._pace += _WEIGHT * (octets / seconds - self._pace)
            self.piece = min(max(int(self._pace * TURN_SECONDS), _LEAST_PIECE), _LARGEST_PIECE)


@dataclass(slots=True, eq=False)
class _Download:
    """A part of a file on its way to one client."""

    transport: asyncio.Transport
    connection: int
    """A descriptor of our own: the transport closes its one when it likes, and its number may become another's."""
    fd: int
    part: Part
    done: asyncio.Future[None]
    sent: int = 0

    def advance(self, piece: int) -> bool:
        """Sends at most `piece` octets, which never pass through this process; False if there is no more to do.

        ConnectionError if the client is gone.
        """
        if self.transport.is_closing():
            raise ConnectionResetError
        first, left = self.part.first + self.sent, self.part.length - self.sent
        try:
            count = os.sendfile(self.connection, self.fd, first, min(piece, left))
        except BlockingIOError:
            return True
        self.sent += count
        return 0 < count < left


@dataclass(slots=True)
class Downloads:
    """All that are under way; none of them waits long, nor does anything else on the loop."""

    _writable: select.epoll = field(default_factory=select.epoll)
    _under_way: dict[int, _Download] = field(default_factory=dict)
    _pace: Pace = field(default_factory=Pace)

    async def send(self, transport: asyncio.Transport, fd: int, part: Part) -> int:
        """Sends `part` of the file `fd` after what the transport still holds; how many octets went, fewer if the file
        ends before. ConnectionError if the client is gone."""
        if not part.length:
            return 0
        connection = os.dup(transport.get_extra_info("socket").fileno())
        download = _Download(transport, connection, fd, part, asyncio.get_running_loop().create_future())
        try:
            self._add(download)
            await download.done
        finally:
            self._remove(download)
            os.close(connection)
        return download.sent

    def _turn(self) -> None:
        now = time.monotonic()
        end = now + TURN_SECONDS
        while now < end and (ready := self._writable.poll(0, 1)):
            descriptor, events = ready[0]
            download = self._under_way[descriptor]
            if download.transport.get_write_buffer_size() and not events & GONE:
                return  # the answer's head goes first, and it is the loop that sends it
            before = download.sent
            try:
                if events & GONE:
                    raise ConnectionResetError
                if not download.advance(self._pace.piece):
                    self._finish(download, None)
            except OSError as error:
                self._finish(download, error)
            began, now = now, time.monotonic()
            self._pace.learn(download.sent - before, now - began)

    def _finish(self, download: _Download, error: OSError | None) -> None:
        self._remove(download)
        if download.done.done():
            return  # cancelled a moment ago
        if error is None:
            download.done.set_result(None)
        else:
            download.done.set_exception(error)

    def _add(self, download: _Download) -> None:
        if not self._under_way:
            asyncio.get_running_loop().add_reader(self._writable, self._turn)
        self._under_way[download.connection] = download
        self._writable.register(download.connection, select.EPOLLOUT | select.EPOLLRDHUP)

    def _remove(self, download: _Download) -> None:
        if self._under_way.pop(download.connection, None) is None:
            return  # it was finished
        self._writable.unregister(download.connection)
        if not self._under_way:
            asyncio.get_running_loop().remove_reader(self._writable)
