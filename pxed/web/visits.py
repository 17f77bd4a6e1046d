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


class Visits:
    """All that are under way; `take` gets connections back."""

    def __init__(self, take: Callable[[Connection], None]) -> None:
        self._take = take
        self._under_way: dict[asyncio.BaseTransport, Connection] = {}

    def begin(self, transport: asyncio.Transport, connection: Connection) -> None:
        """aiohttp gets one request of `connection` by `transport`."""
        self._under_way[transport] = connection

    def end(self, transport: asyncio.Transport) -> None:
        """The connection stays aiohttp's, or is no more."""
        self._under_way.pop(transport, None)

    def access_logger(self) -> type[AbstractAccessLogger]:
        """What aiohttp tells that it has answered a request."""
        answered = self._answered

        class Answered(AbstractAccessLogger):
            def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
                if request.transport is not None:
                    answered(request.transport, response)

        return Answered

    def _answered(self, transport: asyncio.Transport, response: StreamResponse) -> None:
        connection = self._under_way.pop(transport, None)
        if connection is None or transport.is_closing() or not response.keep_alive:
            return
        if transport.get_write_buffer_size():
            return  # the client does not take the answer
        try:
            goes_on = connection.socket.dup()  # the transport closes its own one
        except OSError:
            return
        transport.abort()
        connection.socket = goes_on
        self._take(connection)


class Begun(asyncio.Protocol):
    """Gives `protocol` a connection of which `read` was read before."""

    def __init__(self, protocol: asyncio.Protocol, read: bytes) -> None:
        self._protocol = protocol
        self._read = read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As of asyncio, which reads nothing until this has returned."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of TCP
        transport.set_protocol(self._protocol)
        self._protocol.connection_made(transport)
        self._protocol.data_received(self._read)


class Visiting(Begun):
    """The same for one request, and stands before `protocol` until it is answered, or more comes."""

    def __init__(self, protocol: asyncio.Protocol, read: bytes, connection: Connection, visits: Visits) -> None:
        super().__init__(protocol, read)
        self._connection = connection
        self._visits = visits
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As of asyncio."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of TCP
        transport.set_protocol(self)
        self._transport = transport
        self._visits.begin(transport, self._connection)

    def data_received(self, data: bytes) -> None:
        """As of asyncio."""
        self._visits.end(self._transport)
        self._transport.set_protocol(self._protocol)
        self._protocol.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """As of asyncio."""
        self._visits.end(self._transport)
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """As of asyncio."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """As of asyncio."""
        self._protocol.resume_writing()
