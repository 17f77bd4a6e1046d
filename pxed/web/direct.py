"""Connections that ask for files of boot images, the shortest way: no task, and head and file in one go.

A request that is no plain GET (`plain.py`), or whose answer would be anything but octets of a file, is aiohttp's, and
from then on the connection as well: nothing is decided here that is not decided there.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from pxed.content import ContentError, Opened
from pxed.web.downloads import TURN_SECONDS, Downloads
from pxed.web.files import ABORTED, Files, headers_of, version_of
from pxed.web.part import Part, http_date, part_of
from pxed.web.plain import PlainGet, PlainGets
from pxed.web.request import InterfaceOf, Origin, origin_of_connection
from pxed.web.turns import Turns

_MOST_WAITING = 16 << 10
"""octets of further requests that a client may send before the present one is answered"""


class Direct:
    """What such connections have in common; to be made on the event loop. Called, it makes what serves one."""

    def __init__(self, files: Files, interface_of: InterfaceOf, others: Callable[[], asyncio.Protocol]) -> None:
        self.files = files
        self.interface_of = interface_of
        self.others = others
        """makes what serves everything else"""
        self.gets = PlainGets()
        self.downloads = Downloads()
        self.turns = Turns(TURN_SECONDS)
        self.idle: set[DirectConnection] = set()
        """where no request is under way"""
        self.stopping = False

    def __call__(self) -> DirectConnection:
        """For one connection."""
        return DirectConnection(self)

    def stop(self) -> None:
        """Each connection ends with the request that is under way."""
        self.stopping = True
        for connection in list(self.idle):
            connection.close()


@dataclass(frozen=True, slots=True)
class _Answer:
    """Part of a file, on its way since `started`, on the loop's clock."""

    opened: Opened
    part: Part
    last: bool
    """the connection ends with it"""
    started: float

    @property
    def head(self) -> bytes:
        headers = headers_of(self.opened, self.part)
        headers["Content-Length"] = str(self.part.count)
        headers["Date"] = http_date(int(time.time()))
        if self.last:
            headers["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.part.status.value} {self.part.status.phrase}\r\n{lines}\r\n".encode("ascii")


class DirectConnection(asyncio.Protocol):
    """One connection."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._transport: asyncio.Transport
        self._origin: Origin
        self._arrived = b""
        """what was not looked at yet"""
        self._waits = False
        """for its turn, in which `_arrived` is looked at"""
        self._sending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As of asyncio."""
        self._transport = cast(asyncio.Transport, transport)
        self._origin = origin_of_connection(transport, self._direct.interface_of)
        self._direct.idle.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """As of asyncio; what is being sent finds out by itself."""
        self._direct.idle.discard(self)

    def data_received(self, data: bytes) -> None:
        """As of asyncio."""
        self._arrived += data
        if len(self._arrived) > _MOST_WAITING:
            self._transport.pause_reading()
        if self._sending is None:
            self._look_soon()

    def close(self) -> None:
        """Ends it when what was written is sent."""
        self._transport.close()

    def _look_soon(self) -> None:
        self._direct.idle.discard(self)
        if not self._waits:
            self._waits = True
            self._direct.turns.add(self._look)

    def _look(self) -> None:
        self._waits = False
        if self._transport.is_closing():
            return
        data, self._arrived = self._arrived, b""
        asked = self._direct.gets.read(data)
        answer = asked and self._answer_to(asked)
        if answer:
            self._begin(answer)
        else:
            self._hand_over(data)

    def _hand_over(self, data: bytes) -> None:
        if self._direct.stopping:
            self._transport.close()
            return
        other = self._direct.others()
        self._transport.set_protocol(other)
        other.connection_made(self._transport)
        self._transport.resume_reading()
        other.data_received(data)

    def _answer_to(self, asked: PlainGet) -> _Answer | None:
        files = self._direct.files
        try:
            opened = files.content.open(asked.name, files.unix_time())
        except ContentError:
            return None
        part = part_of(version_of(opened), "GET", asked.headers)
        if not part.count:
            os.close(opened.fd)
            return None
        last = asked.last or self._direct.stopping
        return _Answer(opened, part, last, asyncio.get_running_loop().time())

    def _begin(self, answer: _Answer) -> None:
        opened, part = answer.opened, answer.part
        connection = self._transport.get_extra_info("socket")
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, True)  # the head goes with the file
            self._transport.write(answer.head)
            sent = self._direct.downloads.attempt(self._transport, opened.fd, part)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, False)  # kept, it makes long files dearer
        except OSError:
            self._end(answer, 0)
            return
        if sent == part.count:
            self._end(answer, sent)
        else:
            rest = Part(part.status, part.first + sent, part.count - sent)
            self._sending = asyncio.get_running_loop().create_task(self._send(answer, sent, rest))

    async def _send(self, answer: _Answer, sent: int, rest: Part) -> None:
        try:
            sent += await self._direct.downloads.send(self._transport, answer.opened.fd, rest)
        except OSError:
            pass  # the client has gone or the disk fails: fewer octets than promised
        finally:
            self._sending = None
            self._end(answer, sent)

    def _end(self, answer: _Answer, sent: int) -> None:
        """The last octet was handed to the kernel, or none can be any more."""
        opened, part = answer.opened, answer.part
        os.close(opened.fd)
        whole = sent == part.count
        seconds = asyncio.get_running_loop().time() - answer.started
        self._direct.files.tell(self._origin, opened, sent, seconds, f"GET {part.status}" if whole else ABORTED)
        if not whole:
            self._transport.abort()  # a client that waits for the rest must see that it ends
        elif answer.last or self._direct.stopping:
            self._transport.close()
        else:
            self._transport.resume_reading()
            self._direct.idle.add(self)
            if self._arrived:
                self._look_soon()
