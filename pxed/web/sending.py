"""The octets of a file on their way to a client: with sendfile(2), or through TLS, in pieces and in turns."""

from __future__ import annotations

import asyncio
import os

from aiohttp import web

from pxed.web.part import Part
from pxed.web.request import is_encrypted
from pxed.web.turns import Turnstile

_PIECE = 4 << 20
"""octets that are given to the kernel at once: a millisecond at most"""
_ENCRYPTED_PIECE = 256 << 10
"""octets that are read and encrypted at once, about as long"""
_PIECES_A_TURN = 4


class Sender:
    """Sends to many clients; none of them waits long, nor does anything else on the loop."""

    def __init__(self) -> None:
        self._turnstile = Turnstile(_PIECES_A_TURN)

    async def send(self, transport: asyncio.Transport, response: web.StreamResponse, fd: int, part: Part) -> int:
        """Sends `part` of the file `fd` as the body of `response`; fewer octets if the file ends before.

        ConnectionError if the client is gone.
        """
        if is_encrypted(transport):
            return await self._send_encrypted(response, fd, part)
        # A descriptor of our own: the transport's cannot be watched beside it, and its number may become another's.
        connection = os.dup(transport.get_extra_info("socket").fileno())
        try:
            return await self._send_plain(transport, connection, fd, part)
        finally:
            os.close(connection)

    async def _send_plain(self, transport: asyncio.Transport, connection: int, fd: int, part: Part) -> int:
        """What is sent never passes through this process."""
        sent = 0
        while sent < part.count:
            await self._turnstile.turn()
            if transport.is_closing():
                raise ConnectionResetError
            if transport.get_write_buffer_size():  # the answer's head goes first
                await _writable(connection)
                continue
            try:
                count = os.sendfile(connection, fd, part.first + sent, min(_PIECE, part.count - sent))
            except BlockingIOError:
                await _writable(connection)
                continue
            if not count:
                break
            sent += count
        return sent

    async def _send_encrypted(self, response: web.StreamResponse, fd: int, part: Part) -> int:
        """From the page cache as a rule."""
        sent = 0
        while piece := os.pread(fd, min(_ENCRYPTED_PIECE, part.count - sent), part.first + sent):
            await self._turnstile.turn()
            await response.write(piece)
            sent += len(piece)
        return sent


async def _writable(connection: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_writer(connection, wake)
    try:
        await ready
    finally:
        loop.remove_writer(connection)
