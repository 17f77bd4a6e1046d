"""A real pool of workers on loopback, and a client that says exactly what a test wants."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pxed.tftp.messages import TftpSettings, Transfer
from pxed.tftp.pool import Pool
from pxed.wire.tftp import Ack, Data, Error, OptionAck, Packet, ReadRequest, decode, encode

KEY = bytes(range(32))
WAIT = 20.0
"""Seconds after which a test fails that waits for something: far beyond what it takes."""


@dataclass
class Server:
    """A pool that serves `public` on 127.0.0.1."""

    pool: Pool
    settings: TftpSettings
    public: Path
    images: Path
    transfers: asyncio.Queue[Transfer] = field(default_factory=asyncio.Queue)

    @property
    def port(self) -> int:
        return self.settings.port

    def put(self, name: str, content: bytes) -> bytes:
        """A public file."""
        (self.public / name).write_bytes(content)
        return content

    async def ended(self) -> Transfer:
        """The next transfer that is reported."""
        async with asyncio.timeout(WAIT):
            return await self.transfers.get()

    def client(self, port: int = 0) -> Client:
        return Client(self.port, port)


class Client:
    """A socket that speaks TFTP one packet at a time. Blocking: what it waits for comes from another process."""

    def __init__(self, server_port: int, port: int = 0) -> None:
        self._server = ("127.0.0.1", server_port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.settimeout(WAIT)
        self.peer = self._server
        """where the last packet came from"""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def request(self, name: str, mode: str = "octet", /, **options: int) -> Packet:
        """Asks for a file; the first answer."""
        pairs = tuple((option, str(value)) for option, value in options.items())
        return self.raw(encode(ReadRequest(name.encode(), mode, pairs)))

    def raw(self, datagram: bytes) -> Packet:
        """Sends any octets to the listening port; the answer."""
        self.socket.sendto(datagram, self._server)
        return self.hear()

    def say(self, packet: Packet) -> None:
        """To where the last packet came from."""
        self.socket.sendto(encode(packet), self.peer)

    def hear(self) -> Packet:
        data, self.peer = self.socket.recvfrom(65536)
        return decode(data)

    def get(self, name: str, mode: str = "octet", /, **options: int) -> bytes:
        """A whole file in lock step or windows of one datagram after the other; Refused if the server says so."""
        return self.finish(self.request(name, mode, **options))

    def finish(self, first: Packet) -> bytes:
        """The file whose transfer began with `first`."""
        content, expected, block_size, window, unacknowledged = [], 1, 512, 1, 0
        packet = first
        if isinstance(packet, OptionAck):
            options = dict(packet.options)
            block_size, window = int(options.get("blksize", 512)), int(options.get("windowsize", 1))
            self.say(Ack(0))
            packet = self.hear()
        while True:
            if isinstance(packet, Error):
                raise Refused(packet)
            assert isinstance(packet, Data)
            if packet.block == expected & 0xFFFF:
                content.append(packet.payload)
                expected += 1
                unacknowledged += 1
                at_end = len(packet.payload) < block_size
                if at_end or unacknowledged == window:
                    self.say(Ack(packet.block))
                    unacknowledged = 0
                if at_end:
                    return b"".join(content)
            else:
                self.say(Ack((expected - 1) & 0xFFFF))
            packet = self.hear()


class Refused(Exception):
    """The server sent an ERROR."""

    def __init__(self, error: Error) -> None:
        self.error = error
        super().__init__(str(error))


def free_port() -> int:
    """A UDP port that nobody has, and none of those that the kernel gives out (ip_local_port_range): another test's
    client might get it before it is bound."""
    while True:
        port = secrets.choice(range(20_000, 32_768))
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", port))
            return port


Serve = Callable[..., Awaitable[Server]]


@asynccontextmanager
async def serving(settings: TftpSettings) -> AsyncIterator[Server]:
    """A running pool, drained at the end."""
    transfers: asyncio.Queue[Transfer] = asyncio.Queue()
    pool = Pool(settings, transfers.put_nowait)
    pool.bind()
    running = asyncio.create_task(pool.run())
    try:
        async with asyncio.timeout(WAIT):
            await pool.ready()
        yield Server(pool, settings, settings.public_dir, settings.images_dir, transfers)
    finally:
        await pool.drain(0, 0)
        await running
