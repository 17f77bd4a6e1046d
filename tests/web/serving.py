"""A web server on a port of loopback, and its clients."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pxed.content import Content
from pxed.transfers import Transfer
from pxed.web.app import application
from pxed.web.connections import Connections
from pxed.web.files import Files
from pxed.web.server import WebServer
from tests.support import KEY

REQUEST = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


class Noted:
    """Takes the place of Transfers."""

    def __init__(self) -> None:
        self.all: asyncio.Queue[Transfer] = asyncio.Queue()

    def finished(self, transfer: Transfer) -> None:
        self.all.put_nowait(transfer)


def files_below(directory: Path, noted: Noted | None = None) -> Files:
    """Those in `directory` for anybody, those of boot images in images/ for who has a grant."""
    content = Content(directory, directory / "images", {}, KEY)
    return Files(content, noted or Noted(), lambda: 0.0)  # type: ignore[arg-type]


class Point:
    """The server, and clients of it."""

    def __init__(self, server: WebServer, connections: Connections, port: int) -> None:
        self.server = server
        self.connections = connections
        self._port = port
        self._clients: list[socket.socket] = []

    async def connect(self, sender: str = "127.0.0.1") -> socket.socket:
        client = socket.socket()
        self._clients.append(client)
        client.setblocking(False)
        client.bind((sender, 0))
        with contextlib.suppress(ConnectionResetError):  # refused at once
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", self._port))
        return client

    async def asking(self, name: bytes, sender: str = "127.0.0.1") -> socket.socket:
        """A connection that asks for a file and takes the beginning of the answer."""
        client = await self.connect(sender)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, REQUEST % name)
        assert (await loop.sock_recv(client, 12)) == b"HTTP/1.1 200"
        return client

    def leave(self) -> None:
        for client in self._clients:
            client.close()


@asynccontextmanager
async def serving(
    files: Files, *rooms: Any, most: int = 100, most_of_one: int = 100, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Point]:
    def interface_of(_: str) -> str:
        return "eth0"

    connections = Connections(most, most_of_one)
    server = WebServer(application(interface_of, *rooms, files), files, 60, connections)
    await server.start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        with server.accepting(listener, "eth0", tls):
            looking = asyncio.create_task(server.run())
            point = Point(server, connections, listener.getsockname()[1])
            yield point
    point.leave()
    looking.cancel()
    await server.drain(0)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0.01)
