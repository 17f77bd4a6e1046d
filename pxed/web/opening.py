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

    def open(self, client: socket.socket, protocol: ProtocolFactory, tls: ssl.SSLContext | None = None) -> None:
        """`protocol` makes what serves the connection."""
        task = asyncio.create_task(self._open(client, protocol, tls))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _open(self, client: socket.socket, protocol: ProtocolFactory, tls: ssl.SSLContext | None) -> None:
        await self._turnstile.turn()
        try:
            serves = protocol()
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
