"""Connections that go over to aiohttp with what was read of them, and those that come back after one request.

A machine asks for its boot script and then, over the same connection, for the files of a boot image, which are served
the shortest way (`direct.py`). So a connection with which aiohttp gets one whole request comes back once that is
answered, unless the client has sent more meanwhile: what aiohttp has read, it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp.abc import AbstractAccessLogger
from aiohttp.web import BaseRequest, StreamResponse

from pxed.web.connections import Connection


class Begun(asyncio.Protocol):
    """Gives `protocol` a connection of which `read` was read before."""

    def __init__(self, protocol: asyncio.Protocol, read: bytes) -> None:
        self._protocol = protocol
        self._read = read
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As of asyncio, which reads nothing until this has returned."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of TCP
        self._transport = transport
        self._leave()
        self._protocol.connection_made(transport)
        self._protocol.data_received(self._read)

    def _leave(self) -> None:
        """The connection is `protocol`'s for good."""
        self._transport.set_protocol(self._protocol)


class Visiting(Begun):
    """The same for one request: stands before `protocol` until that is answered and `take` gets the connection back, or
    more comes."""

    def __init__(
        self, protocol: asyncio.Protocol, read: bytes, connection: Connection, take: Callable[[Connection], None]
    ) -> None:
        super().__init__(protocol, read)
        self._connection = connection
        self._take = take

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As of asyncio."""
        super().connection_made(transport)
        self._transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """As of asyncio."""
        self._leave()
        self._protocol.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """As of asyncio."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """As of asyncio."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """As of asyncio."""
        self._protocol.resume_writing()

    def answered(self, response: StreamResponse) -> None:
        """The connection comes back if nothing is in the way."""
        if self._transport.is_closing() or not response.keep_alive or self._transport.get_write_buffer_size():
            self._leave()  # it ends, or the client does not take the answer
            return
        try:
            goes_on = self._connection.socket.dup()  # the transport closes its own one
        except OSError:
            self._leave()
            return
        self._transport.abort()
        self._connection.socket = goes_on
        self._take(self._connection)


class Answered(AbstractAccessLogger):
    """What aiohttp tells that it has answered a request."""

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """As of aiohttp."""
        protocol = request.transport.get_protocol() if request.transport else None
        if isinstance(protocol, Visiting):
            protocol.answered(response)
