"""HTTP and HTTPS of a service point: what serves a connection, and how long all of them may go on."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import AbstractContextManager

from aiohttp import web

from pxed.web.connections import Connection, Connections
from pxed.web.direct import Direct
from pxed.web.files import Files
from pxed.web.opening import Opening
from pxed.web.visits import Answered, Begun, Visiting

_KEEP_ALIVE_SECONDS = 30.0
"""how long aiohttp waits for the next request on a connection"""


class WebServer:
    """Serves `application`, and `files` the shortest way where that can be; `drain_seconds` is how long it may take to
    end."""

    def __init__(
        self,
        application: web.Application,
        files: Files,
        drain_seconds: float,
        connections: Connections | None = None,
    ) -> None:
        self._drain_seconds = drain_seconds
        self._connections = connections or Connections()
        self._opening = Opening()
        self._direct = Direct(files, self._hand_over, self._connections.forget)
        self._runner = web.AppRunner(
            application,
            access_log_class=Answered,
            shutdown_timeout=drain_seconds,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )

    async def start(self) -> None:
        """Makes ready for connections."""
        await self._runner.setup()

    def accepting(
        self, listener: socket.socket, interface: str, tls: ssl.SSLContext | None
    ) -> AbstractContextManager[None]:
        """Takes connections from `listener` on `interface`, with TLS if there is a context, as long as the block
        lasts."""

        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # its connections inherit it

        def encrypt(connection: Connection) -> None:
            self._opening.open(connection.socket, self._aiohttp, tls)

        return self._connections.accepting(listener, interface, encrypt if tls else self._direct.take)

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

    def _hand_over(self, connection: Connection, read: bytes, comes_back: bool) -> None:
        def protocol() -> asyncio.Protocol:
            if comes_back:
                return Visiting(self._aiohttp(), read, connection, self._direct.take)
            return Begun(self._aiohttp(), read)

        self._opening.open(connection.socket, protocol)

    def _aiohttp(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None:  # it ends
            raise ConnectionAbortedError
        return server()
