"""HTTP and HTTPS of a service point: what serves a connection, and how long all of them may go on."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager

from aiohttp import web

from pxed.web.connections import Connections
from pxed.web.direct import Direct
from pxed.web.files import Files
from pxed.web.opening import Opening
from pxed.web.request import InterfaceOf, Peer

_KEEP_ALIVE_SECONDS = 30.0
"""how long aiohttp waits for the next request on a connection"""


class WebServer:
    """Serves `application`, and `files` the shortest way where that can be; `drain_seconds` is how long it may take to
    end."""

    def __init__(
        self,
        application: web.Application,
        files: Files,
        interface_of: InterfaceOf,
        drain_seconds: float,
        connections: Connections | None = None,
    ) -> None:
        self._drain_seconds = drain_seconds
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=drain_seconds, keepalive_timeout=_KEEP_ALIVE_SECONDS
        )
        self._connections = connections or Connections()
        self._opening = Opening()
        self._direct = Direct(files, interface_of, self._hand_over)

    async def start(self) -> None:
        """Makes ready for connections."""
        await self._runner.setup()

    def accepting(self, listener: socket.socket, tls: ssl.SSLContext | None) -> AbstractContextManager[None]:
        """Takes connections from `listener`, with TLS if there is a context, as long as the block lasts."""

        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # its connections inherit it

        def encrypt(client: socket.socket, _: Peer, _ended: Callable[[], None]) -> None:
            self._opening.open(client, self._aiohttp, tls=tls)

        return self._connections.accepting(listener, encrypt if tls else self._direct.take)

    async def run(self) -> None:
        """Ends connections on which nothing moves, until cancelled."""
        await self._connections.run()

    async def drain(self, silence: float) -> None:
        """Lets requests that are under way go on, those excepted whose client takes nothing for `silence` seconds."""
        self._direct.stop()
        await asyncio.gather(self._connections.drain(self._drain_seconds, silence), self._runner.cleanup())

    def status(self) -> dict[str, int]:
        """How many connections there are, and how many were refused since the service started."""
        return self._connections.status()

    def _hand_over(self, client: socket.socket, read: bytes) -> None:
        self._opening.open(client, self._aiohttp, read=read)

    def _aiohttp(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None:  # it ends
            raise ConnectionAbortedError
        return server()
