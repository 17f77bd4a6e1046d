"""Files that go out with sendfile(2), by the hundred, in turns.

Each piece that a file is cut into costs both ends a wake-up, and TCP perhaps a slow start, so a piece is as large as
the kernel takes it in about one turn: that is measured, since it differs with network cards.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field

from pxed.web.part import Part
from pxed.web.ready import GONE, ROOM, Queue
from pxed.web.turns import TURN_SECONDS

LEAST_PIECE, _LARGEST_PIECE = 1 << 20, 8 << 20
"""octets that are given to the kernel at once"""
_TELLING = 256 << 10
"""octets; fewer say more about a connection that was nearly full than about the kernel's pace"""
_WEIGHT = 0.25
"""of the latest piece against those before"""


class Pace:
    """How fast the kernel takes files, of which most are in its page cache."""

    def __init__(self) -> None:
        self.piece = LEAST_PIECE
        """octets that it takes in about one turn"""
        self._pace = LEAST_PIECE / TURN_SECONDS

    def learn(self, octets: int, seconds: float) -> None:
        """It took so many in so long."""
        if octets >= _TELLING and seconds:
            self._pace += _WEIGHT * (octets / seconds - self._pace)
            self.piece = min(max(int(self._pace * TURN_SECONDS), LEAST_PIECE), _LARGEST_PIECE)


@dataclass(slots=True, eq=False)
class _Download:
    """A part of a file on its way to one client."""

    transport: asyncio.Transport
    connection: int
    """A descriptor of our own: the transport closes its one when it likes, and its number may become another's."""
    fd: int
    part: Part
    pace: Pace
    queue: Queue[_Download]
    done: asyncio.Future[None]
    sent: int = 0

    def go_on(self, events: int) -> bool:
        """Sends a piece; False if the answer's head goes first, which is the loop's."""
        if self.transport.get_write_buffer_size() and not events & GONE:
            return False
        try:
            # the transport of one that is gone has closed its end, or will; our own descriptor would keep it open
            if events & GONE or self.transport.is_closing():
                raise ConnectionResetError
            if not self._advance():
                self._finish(None)
        except OSError as error:
            self._finish(error)
        return True

    def _advance(self) -> bool:
        """Sends at most a piece, which never passes through this process; False if there is no more to do."""
        first, left = self.part.first + self.sent, self.part.length - self.sent
        began = time.monotonic()
        try:
            count = os.sendfile(self.connection, self.fd, first, min(self.pace.piece, left))
        except BlockingIOError:
            return True
        self.pace.learn(count, time.monotonic() - began)
        self.sent += count
        return 0 < count < left

    def _finish(self, error: OSError | None) -> None:
        self.queue.remove(self.connection)
        if self.done.done():
            return  # cancelled a moment ago
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


@dataclass(slots=True)
class Downloads:
    """All that are under way; none of them waits long, nor does anything else on the loop."""

    _queue: Queue[_Download] = field(default_factory=lambda: Queue(ROOM))
    _pace: Pace = field(default_factory=Pace)

    async def send(self, transport: asyncio.Transport, fd: int, part: Part) -> int:
        """Sends `part` of the file `fd` after what the transport still holds; how many octets went, fewer if the file
        ends before. ConnectionError if the client is gone."""
        if not part.length:
            return 0
        connection = os.dup(transport.get_extra_info("socket").fileno())
        done = asyncio.get_running_loop().create_future()
        download = _Download(transport, connection, fd, part, self._pace, self._queue, done)
        try:
            self._queue.add(connection, download)
            await done
        finally:
            self._queue.remove(connection)
            os.close(connection)
        return download.sent
