"""Connections that are aiohttp's for one request, and those that stay there."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from pxed.web.visits import Begun
from tests.descriptors import descriptors
from tests.web.reading import CONTENT, Reader, request
from tests.web.serving import Point, files_below, serving, until

BIG = bytes(50_000_000)
"""more than the buffers between two sockets ever hold"""
FILE = request("kernel.efi")


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
async def point(tmp_path: Path, directory: Path, scripts: Scripts) -> AsyncIterator[Point]:
    async with serving(files_below(tmp_path), scripts) as point:
        yield point


def script(name: str, *headers: str) -> bytes:
    return request(name, *headers, below="/boot")


class Client(Reader):
    """One of which the bodies of answers are looked at."""

    async def say(self, *requests: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.client, b"".join(requests))

    async def hear(self) -> bytes:
        return (await self.answer())[2]

    async def fetch(self, asked: bytes) -> bytes:
        return (await self.ask(asked))[2]


async def test_after_a_script_the_files_come_the_shortest_way(
    point: Point, by_aiohttp: Callable[[], list[bytes]]
) -> None:
    client = Client(await point.connect())
    for _ in range(3):
        assert await client.fetch(script("a")) == b"#!ipxe"
        assert await client.fetch(FILE) == CONTENT
        assert await client.fetch(FILE) == CONTENT
    assert by_aiohttp() == [script("a")] * 3
    assert point.connections.status()["connections"] == 1


async def test_after_a_file_that_is_not_there_as_well(point: Point, by_aiohttp: Callable[[], list[bytes]]) -> None:
    client, missing = Client(await point.connect()), request("missing")
    await client.fetch(missing)
    assert await client.fetch(FILE) == CONTENT
    assert by_aiohttp() == [missing]


async def test_when_the_client_goes_nothing_of_it_stays(point: Point) -> None:
    before = descriptors()
    ends = await point.connect()
    client = Client(ends)
    await client.fetch(script("a"))
    await client.fetch(FILE)
    ends.close()
    await until(lambda: point.connections.status()["connections"] == 0)
    await until(lambda: descriptors() == before)


async def test_what_comes_while_a_script_is_made_is_answered_after_it(
    point: Point, scripts: Scripts, by_aiohttp: Callable[[], list[bytes]]
) -> None:
    client = Client(await point.connect())
    scripts.may_answer.clear()
    await client.say(script("a"))
    await until(lambda: scripts.asked == 1)
    await client.say(FILE)
    await client.say(script("b"))
    await asyncio.sleep(0.05)
    scripts.may_answer.set()
    assert [await client.hear() for _ in range(3)] == [b"#!ipxe", CONTENT, b"#!ipxe"]
    assert scripts.asked == 2
    assert by_aiohttp()[0] == script("a")


async def test_requests_that_come_together_stay_together(point: Point, by_aiohttp: Callable[[], list[bytes]]) -> None:
    client = Client(await point.connect())
    await client.say(script("a"), FILE, script("b"))
    assert [await client.hear() for _ in range(3)] == [b"#!ipxe", CONTENT, b"#!ipxe"]
    assert await client.fetch(FILE) == CONTENT
    assert by_aiohttp() == [script("a") + FILE + script("b")]


async def test_the_last_one_ends_the_connection(point: Point) -> None:
    client = Client(await point.connect())
    await client.say(script("a", "Connection: close"))
    assert await client.hear() == b"#!ipxe"
    with pytest.raises(EOFError):
        await client.hear()
    await until(lambda: point.connections.status()["connections"] == 0)


async def test_an_answer_that_the_client_does_not_take_at_once_is_whole(
    point: Point, by_aiohttp: Callable[[], list[bytes]]
) -> None:
    client = Client(await point.connect())
    await client.say(script("big"))
    await asyncio.sleep(0.1)
    assert await client.hear() == BIG
    assert await client.fetch(FILE) == CONTENT
    assert by_aiohttp() == [script("big")]


async def test_after_a_fault_of_ours_the_connection_ends(point: Point) -> None:
    client = Client(await point.connect())
    assert b"500" in await client.fetch(script("fault"))
    with pytest.raises(EOFError):
        await client.fetch(FILE)


async def test_without_descriptors_it_stays_where_it_is(
    point: Point, by_aiohttp: Callable[[], list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: socket.socket) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket.socket, "dup", none)
    client = Client(await point.connect())
    assert await client.fetch(script("a")) == b"#!ipxe"
    assert await client.fetch(FILE) == CONTENT
    assert by_aiohttp() == [script("a")]


async def test_when_the_service_ends_a_script_under_way_is_answered_and_the_connection_ends(
    point: Point, scripts: Scripts
) -> None:
    client = Client(await point.connect())
    scripts.may_answer.clear()
    await client.say(script("a"))
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
