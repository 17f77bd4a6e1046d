"""The octets of a file on their way to a client: with sendfile(2), or through TLS."""

from __future__ import annotations

import asyncio
import os

from aiohttp import web

from pxed.web.downloads import Downloads
from pxed.web.part import Part
from pxed.web.request import is_encrypted
from pxed.web.turns import Turnstile

_ENCRYPTED_PIECE = 256 << 10
"""octets that are read and encrypted at once, about a millisecond"""
_ENCRYPTED_PIECES_A_TURN = 4


class Sender:
    """Sends to many clients; none of them waits long, nor does anything else on the loop."""

    def __init__(self) -> None:
        self._downloads = Downloads()
        self._turnstile = Turnstile(_ENCRYPTED_PIECES_A_TURN)

    async def send(self, transport: asyncio.Transport, response: web.StreamResponse, fd: int, part: Part) -> int:
        """Sends `part` of the file `fd` as the body of `response`; fewer octets if the file ends before.

        ConnectionError if the client is gone.
        """
        if is_encrypted(transport):
            return await self._send_encrypted(response, fd, part)
        return await self._downloads.send(transport, fd, part)

    async def _send_encrypted(self, response: web.StreamResponse, fd: int, part: Part) -> int:
        """From the page cache as a rule."""
        sent = 0
        while piece := os.pread(fd, min(_ENCRYPTED_PIECE, part.length - sent), part.first + sent):
            await self._turnstile.turn()
            await response.write(piece)
            sent += len(piece)
        return sent
