"""Connections that asyncio serves: how a socket that was accepted gets a transport, with TLS if there is a context."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from pxed.web.turns import Turnstile

ProtocolFactory = Callable[[], asyncio.Protocol]
"""ConnectionAbortedError if nothing is served any more."""

log = logging.getLogger("pxed.http")

_OPENED_A_TURN = 8
"""of the event loop, about a millisecond"""
_HANDSHAKE_SECONDS = 30.0


class Opening:
    """All that are being opened."""

    def __init__(self) -> None:
        self._turnstile = Turnstile(_OPENED_A_TURN)
        self._under_way: set[asyncio.Task[None]] = set()

    def open(
        self, client: socket.socket, protocol: ProtocolFactory, *, tls: ssl.SSLContext | None = None, read: bytes = b""
    ) -> None:
        """`protocol` makes what serves the connection, of which `read` was read already."""
        task = asyncio.create_task(self._open(client, protocol, tls, read))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _open(
        self, client: socket.socket, protocol: ProtocolFactory, tls: ssl.SSLContext | None, read: bytes
    ) -> None:
        await self._turnstile.turn()
        try:
            serves = _Begin(protocol(), read) if read else protocol()
        except ConnectionAbortedError:
            client.close()
            return
        limit = _HANDSHAKE_SECONDS if tls else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: serves, client, ssl=tls, ssl_handshake_timeout=limit
            )
        except OSError as error:  # whoever has the transport closes the socket
            log.debug("no connection: %s", error)


class _Begin(asyncio.Protocol):
    """Gives a protocol what was read before it had the connection."""

    def __init__(self, protocol: asyncio.Protocol, read: bytes) -> None:
        self._protocol = protocol
        self._read = read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As of asyncio, which reads nothing until this has returned."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of TCP
        transport.set_protocol(self._protocol)
        self._protocol.connection_made(transport)
        self._protocol.data_received(self._read)
