"""Connections that are aiohttp's for one request, and those that stay there."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from pxed.boot.token import Grant, seal
from pxed.site.boot_image import Cpu
from pxed.web.direct import DirectConnection
from pxed.web.visits import Begun
from tests.support import KEY
from tests.web.serving import Point, files_below, serving, until

CONTENT = os.urandom(300_000)
BIG = bytes(50_000_000)
"""more than the buffers between two sockets ever hold"""
FILE = f"/b/{seal(Grant(1, 1, 7, Cpu.AMD64, 10), KEY)}/kernel.efi"


class Scripts:
    """What is asked for under /boot/."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/boot/{name}", self._script)

    async def _script(self, request: web.Request) -> web.Response:
        self.asked += 1
        await self.may_answer.wait()
        if request.match_info["name"] == "fault":
            raise RuntimeError
        return web.Response(body=BIG if request.match_info["name"] == "big" else b"#!ipxe")


@pytest.fixture
def scripts() -> Scripts:
    scripts = Scripts()
    scripts.may_answer.set()
    return scripts


@pytest.fixture
async def point(tmp_path: Path, scripts: Scripts) -> AsyncIterator[Point]:
    directory = tmp_path / "images" / "7" / "amd64"
    directory.mkdir(parents=True)
    (directory / "kernel.efi").write_bytes(CONTENT)
    async with serving(files_below(tmp_path), scripts) as point:
        yield point


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The first lines of requests that aiohttp got in a connection that was not aiohttp's before."""
    handed_over: list[bytes] = []
    hand_over = DirectConnection._hand_over

    def noting(connection: DirectConnection, data: bytes, *, comes_back: bool) -> None:
        handed_over.append(data.split(b"\r\n")[0].split()[1])
        hand_over(connection, data, comes_back=comes_back)

    monkeypatch.setattr(DirectConnection, "_hand_over", noting)
    return handed_over


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Client:
    """One connection."""

    def __init__(self, client: socket.socket) -> None:
        self._socket = client
        self._data = b""

    async def say(self, *paths: str, last: bool = False) -> None:
        ends = "Connection: close\r\n" if last else ""
        data = "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n{ends}\r\n" for path in paths).encode()
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def hear(self) -> bytes:
        """The body of the next answer."""
        while b"\r\n\r\n" not in self._data:
            self._data += await self._some()
        head, _, body = self._data.partition(b"\r\n\r\n")
        (length,) = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < length:
            body += await self._some()
        self._data = body[length:]
        return body[:length]

    async def ask(self, path: str) -> bytes:
        await self.say(path)
        return await self.hear()

    async def _some(self) -> bytes:
        data = await asyncio.get_running_loop().sock_recv(self._socket, 1 << 20)
        if not data:
            raise EOFError
        return data


async def test_after_a_script_the_files_come_the_shortest_way(point: Point, handed_over: list[bytes]) -> None:
    client = Client(await point.connect())
    for _ in range(3):
        assert await client.ask("/boot/a") == b"#!ipxe"
        assert await client.ask(FILE) == CONTENT
        assert await client.ask(FILE) == CONTENT
    assert handed_over == [b"/boot/a"] * 3
    assert point.connections.status()["connections"] == 1


async def test_after_a_file_that_is_not_there_as_well(point: Point, handed_over: list[bytes]) -> None:
    client, missing = Client(await point.connect()), FILE.replace("kernel", "missing")
    await client.ask(missing)
    assert await client.ask(FILE) == CONTENT
    assert handed_over == [missing.encode()]


async def test_when_the_client_goes_nothing_of_it_stays(point: Point) -> None:
    before = descriptors()
    ends = await point.connect()
    client = Client(ends)
    await client.ask("/boot/a")
    await client.ask(FILE)
    ends.close()
    await until(lambda: point.connections.status()["connections"] == 0)
    await until(lambda: descriptors() == before)


async def test_what_comes_while_a_script_is_made_is_answered_after_it(
    point: Point, scripts: Scripts, handed_over: list[bytes]
) -> None:
    client = Client(await point.connect())
    scripts.may_answer.clear()
    await client.say("/boot/a")
    await until(lambda: scripts.asked == 1)
    await client.say(FILE)
    await client.say("/boot/b")
    await asyncio.sleep(0.05)
    scripts.may_answer.set()
    assert [await client.hear() for _ in range(3)] == [b"#!ipxe", CONTENT, b"#!ipxe"]
    assert scripts.asked == 2
    assert handed_over[0] == b"/boot/a"


async def test_requests_that_come_together_stay_together(point: Point, handed_over: list[bytes]) -> None:
    client = Client(await point.connect())
    await client.say("/boot/a", FILE, "/boot/b")
    assert [await client.hear() for _ in range(3)] == [b"#!ipxe", CONTENT, b"#!ipxe"]
    assert await client.ask(FILE) == CONTENT
    assert handed_over == [b"/boot/a"]


async def test_the_last_one_ends_the_connection(point: Point) -> None:
    client = Client(await point.connect())
    await client.say("/boot/a", last=True)
    assert await client.hear() == b"#!ipxe"
    with pytest.raises(EOFError):
        await client.hear()
    await until(lambda: point.connections.status()["connections"] == 0)


async def test_an_answer_that_the_client_does_not_take_at_once_is_whole(point: Point, handed_over: list[bytes]) -> None:
    client = Client(await point.connect())
    await client.say("/boot/big")
    await asyncio.sleep(0.1)
    assert await client.hear() == BIG
    assert await client.ask(FILE) == CONTENT
    assert handed_over == [b"/boot/big"]


async def test_after_a_fault_of_ours_the_connection_ends(point: Point) -> None:
    client = Client(await point.connect())
    assert b"500" in await client.ask("/boot/fault")
    with pytest.raises(EOFError):
        await client.ask(FILE)


async def test_without_descriptors_it_stays_where_it_is(
    point: Point, handed_over: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: socket.socket) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket.socket, "dup", none)
    client = Client(await point.connect())
    assert await client.ask("/boot/a") == b"#!ipxe"
    assert await client.ask(FILE) == CONTENT
    assert handed_over == [b"/boot/a"]


async def test_when_the_service_ends_a_script_under_way_is_answered_and_the_connection_ends(
    point: Point, scripts: Scripts
) -> None:
    client = Client(await point.connect())
    scripts.may_answer.clear()
    await client.say("/boot/a")
    await until(lambda: scripts.asked == 1)
    draining = asyncio.create_task(point.server.drain(60))
    await asyncio.sleep(0.05)
    scripts.may_answer.set()
    assert await client.hear() == b"#!ipxe"
    with pytest.raises((EOFError, ConnectionResetError)):
        await client.hear()
    await draining


class Noting(asyncio.Protocol):
    """What it is told, in its order."""

    def __init__(self, noted: list[tuple[str, object]]) -> None:
        self.noted = noted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.noted.append(("made", transport.get_protocol()))

    def data_received(self, data: bytes) -> None:
        self.noted.append(("received", data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.noted.append(("lost", exc))


async def test_what_was_read_before_comes_first() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    noted: list[tuple[str, object]] = []
    protocol = Noting(noted)
    theirs.send(b"later")
    begun = Begun(protocol, b"before")
    await asyncio.get_running_loop().connect_accepted_socket(lambda: begun, ours)
    await until(lambda: len(noted) == 3)
    theirs.close()
    await until(lambda: ours.fileno() < 0)
    assert noted == [("made", protocol), ("received", b"before"), ("received", b"later"), ("lost", None)]
