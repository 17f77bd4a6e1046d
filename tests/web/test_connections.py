"""Who is connected over TCP: how many may be, and what becomes of one on which nothing moves; on real sockets."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from pxed.boot.token import Grant, seal
from pxed.site.boot_image import Cpu
from pxed.web import connections as module
from pxed.web.files import Files
from tests.support import KEY
from tests.web.certificate import contexts
from tests.web.serving import REQUEST, files_below, serving, until

LARGE = 10**8
"""octets of a file: more than the buffers between two sockets ever hold"""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "small").write_bytes(b"small")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGE)
    return files_below(tmp_path)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets how long a connection may be still, and how long until it gives way."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(module, "_SWEEP_SECONDS", 0.0)

    def hasten(still: float = 60.0, gives_way: float = 60.0) -> None:
        monkeypatch.setattr(module, "STILL_SECONDS", still)
        monkeypatch.setattr(module, "_GIVES_WAY_SECONDS", gives_way)

    return hasten


async def ended(client: socket.socket) -> bool:
    """Reads to the end of the connection."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionResetError):
        while await loop.sock_recv(client, 1 << 20):
            pass
    return True


async def answers(client: socket.socket, name: bytes = b"small") -> bool:
    loop, received = asyncio.get_running_loop(), b""
    await loop.sock_sendall(client, REQUEST % name)
    while not received.endswith(b"small"):
        received += await loop.sock_recv(client, 1000)
    return received.startswith(b"HTTP/1.1 200")


async def test_what_ends_is_counted_no_more(files: Files) -> None:
    async with serving(files, most=2) as point:
        for _ in range(10):
            client = await point.connect()
            assert await answers(client)
            client.close()
            await until(lambda: point.connections.status()["connections"] == 0)
        assert point.connections.status() == {"connections": 0, "refused": 0}


async def test_one_address_has_its_share_and_another_one_is_not_harmed(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(files, most=10, most_of_one=3) as point:
        held = [await point.connect("127.0.0.2") for _ in range(3)]
        with caplog.at_level(logging.WARNING):
            for _ in range(4):
                assert await ended(await point.connect("127.0.0.2"))
        other = await point.connect("127.0.0.3")
        assert await answers(other)
        assert all([await answers(one) for one in held])
        assert point.connections.status() == {"connections": 4, "refused": 4}
        assert [record.getMessage() for record in caplog.records] == [
            "1 HTTP connections refused, the latest of 127.0.0.2: there are 3, 3 of that address"
        ]
        held.pop().close()
        await until(lambda: point.connections.status()["connections"] == 3)
        assert await answers(await point.connect("127.0.0.2"))


async def test_one_that_has_ended_makes_room_at_once(files: Files, tmp_path: Path) -> None:
    """However fast they come: boot loaders make a connection for each part of a file."""
    path = tmp_path / "images" / "7" / "amd64" / "small"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"small")
    name = f"b/{seal(Grant(1, 1, 7, Cpu.AMD64, 10), KEY)}/small"
    async with serving(files, most=2) as point:
        for _ in range(20):
            client = await point.connect()
            last = REQUEST.replace(b"x\r\n", b"x\r\nConnection: close\r\n") % name.encode()
            await asyncio.get_running_loop().sock_sendall(client, last)
            assert await ended(client)
        assert point.connections.status() == {"connections": 0, "refused": 0}


async def test_one_that_is_still_gives_way_to_a_new_one_and_one_that_moves_does_not(
    files: Files, hasty: Callable[..., None]
) -> None:
    hasty(gives_way=0.3)
    async with serving(files, most=3) as point:
        still, moving, later = [await point.connect() for _ in range(3)]
        stop = asyncio.Event()

        async def move(client: socket.socket) -> None:
            while not stop.is_set():
                assert await answers(client)

        moves = [asyncio.create_task(move(client)) for client in (moving, later)]
        await asyncio.sleep(0.5)
        new = await point.connect()
        assert await answers(new)
        assert await ended(still)
        assert await ended(await point.connect())  # all the others move
        stop.set()
        await asyncio.gather(*moves)
        assert point.connections.status() == {"connections": 3, "refused": 1}


async def test_one_that_never_asks_is_ended(files: Files, hasty: Callable[..., None]) -> None:
    hasty(still=0.1)
    async with serving(files) as point:
        assert await ended(await point.connect())


async def test_one_that_does_not_agree_on_tls_is_ended(files: Files, hasty: Callable[..., None]) -> None:
    hasty(still=0.1)
    async with serving(files, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as point:
        client = await point.connect()
        await asyncio.get_running_loop().sock_sendall(client, b"\x16\x03\x01")
        assert await ended(client)
        await until(lambda: point.connections.status()["connections"] == 0)


async def test_a_download_that_nobody_takes_is_ended(files: Files, hasty: Callable[..., None]) -> None:
    hasty(still=0.3)
    async with serving(files) as point:
        client = await point.asking(b"large")
        await until(lambda: point.connections.status()["connections"] == 0)
        assert await ended(client)


async def test_a_download_over_tls_that_nobody_takes_is_ended(
    files: Files, tmp_path: Path, hasty: Callable[..., None]
) -> None:
    hasty(still=0.3)
    ours, theirs = contexts(tmp_path)
    async with serving(files, tls=ours) as point:
        client = await point.connect()
        reader, writer = await asyncio.open_connection(sock=client, ssl=theirs, server_hostname="localhost")
        writer.write(REQUEST % b"large")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        await until(lambda: point.connections.status()["connections"] == 0)
        writer.transport.abort()


async def test_a_download_that_is_taken_slowly_goes_on(files: Files, hasty: Callable[..., None]) -> None:
    hasty(still=0.5)
    async with serving(files) as point:
        client = await point.asking(b"large")
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while loop.time() < begin + 1.5:
            assert await loop.sock_recv(client, 1 << 20)
            await asyncio.sleep(0.05)
        assert point.connections.status()["connections"] == 1
        client.close()


async def test_draining_ends_who_is_silent_and_waits_for_who_takes(files: Files, hasty: Callable[..., None]) -> None:
    hasty()
    async with serving(files) as point:
        silent, taking = await point.asking(b"large"), await point.asking(b"large")
        draining = asyncio.create_task(point.connections.drain(60, 0.5))
        gone = asyncio.create_task(until(lambda: point.connections.status()["connections"] == 1))
        while not gone.done():
            assert await asyncio.get_running_loop().sock_recv(taking, 1 << 16)
            await asyncio.sleep(0.02)
        assert await ended(silent)
        assert not draining.done()
        assert await ended(taking)
        await draining


async def test_draining_ends_all_when_its_time_is_over(files: Files, hasty: Callable[..., None]) -> None:
    hasty()
    async with serving(files) as point:
        client = await point.asking(b"large")
        await point.connections.drain(0.2, 60)
        assert await ended(client)
