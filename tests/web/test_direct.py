"""Files of boot images the shortest way: the same answers as aiohttp's, and nothing of one request in another."""

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pxed.web.connections import Connection
from pxed.web.direct import Direct
from pxed.web.part import Part
from tests.web.reading import CONTENT, LARGE, Reader, request
from tests.web.serving import Noted, Point, files_below, until


def opened(name: str) -> bool:
    """Whether this process has a file of that name open."""
    return any(path.is_symlink() and path.resolve().name == name for path in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Range: bytes=0-0",),
        ("Range: bytes=1000-200999",),
        ("Range: bytes=-17",),
        ("Range: bytes=299999-",),
        ("Range: bytes=0-1,5-6",),
        ("Range: bytes=5-1000000", 'If-Range: "something else"'),
        ("If-Match: *", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"),
    ],
)
async def test_the_answer_is_that_of_aiohttp(
    point: Point, noted: Noted, by_aiohttp: Callable[[], list[bytes]], headers: tuple[str, ...]
) -> None:
    short = await Reader(await point.connect()).ask(request("kernel.efi", *headers))
    assert by_aiohttp() == []
    told = await noted.all.get()
    long = await Reader(await point.connect()).ask(request("kernel.efi?", *headers))
    assert by_aiohttp()
    for _, those, _ in (short, long):
        those["Date"] = re.sub(r"[^,:]", "x", those["Date"])  # of another second
    long[1].pop("Server")
    assert short == long
    again = await noted.all.get()
    assert (told.complete, told.sent, told.outcome, told.interface, told.name, told.grant) == (
        *(again.complete, again.sent, again.outcome, again.interface, again.name, again.grant),
    )


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [
        ("missing", (), "404"),
        ("../kernel.efi", (), "403"),
        ("empty", (), "200"),
        ("kernel.efi", ("Range: bytes=300000-",), "416"),
        ("kernel.efi", ("If-None-Match: *",), "304"),
        ("kernel.efi", ('If-Match: "something else"',), "412"),
        ("kernel.efi", ("Expect: 100-continue",), "100"),
    ],
)
async def test_what_is_no_octets_of_a_file_is_left_to_aiohttp(
    point: Point, by_aiohttp: Callable[[], list[bytes]], name: str, headers: tuple[str, ...], status: str
) -> None:
    asked = request(name, *headers)
    answered, _, _ = await Reader(await point.connect()).ask(asked)
    assert answered.split()[1] == status
    assert by_aiohttp() == [asked]
    await until(lambda: not opened("kernel.efi"))


async def test_a_wrong_token(point: Point) -> None:
    status, _, _ = await Reader(await point.connect()).ask(request("kernel.efi").replace(b"/b/", b"/b/A"))
    assert status == "HTTP/1.1 403 Forbidden"


async def test_a_connection_is_ours_until_something_else_is_asked_for(
    point: Point, by_aiohttp: Callable[[], list[bytes]]
) -> None:
    reader = Reader(await point.connect())
    for first in range(20):
        _, _, body = await reader.ask(request("kernel.efi", f"Range: bytes={first}-{first + 9999}"))
        assert body == CONTENT[first : first + 10_000]
    assert by_aiohttp() == []
    _, headers, _ = await reader.ask(request("kernel.efi", method="HEAD"))
    assert headers["Content-Length"] == str(len(CONTENT))
    for _ in range(2):
        assert (await reader.ask(request("kernel.efi")))[2] == CONTENT
    assert by_aiohttp() == [request("kernel.efi", method="HEAD")]


async def test_requests_that_come_together_are_answered_in_their_order(point: Point) -> None:
    reader = Reader(await point.connect())
    parts = [(0, 9), (10, 250_000), (5, 5), (0, 299_999), (7, 8)]
    requests = [request("kernel.efi", f"Range: bytes={first}-{last}") for first, last in parts]
    for cut in (0, 1, 100):  # the first alone, then the others, in the midst of which one is cut off
        data = b"".join(requests[1:])
        answers = [await reader.ask(requests[0])]
        await asyncio.get_running_loop().sock_sendall(reader.client, data[: len(data) - cut])
        await asyncio.sleep(0)
        await asyncio.get_running_loop().sock_sendall(reader.client, data[len(data) - cut :])
        answers += [await reader.answer() for _ in requests[1:]]
        assert [body for _, _, body in answers] == [CONTENT[first : last + 1] for first, last in parts]
        reader = Reader(await point.connect())


async def test_one_that_comes_while_a_file_is_sent_waits_for_it(
    point: Point, by_aiohttp: Callable[[], list[bytes]]
) -> None:
    reader = Reader(await point.connect())
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(reader.client, request("large"))
    await asyncio.sleep(0.1)
    await loop.sock_sendall(reader.client, request("kernel.efi"))
    assert len((await reader.answer())[2]) == LARGE
    assert (await reader.answer())[2] == CONTENT
    assert by_aiohttp() == []


async def test_one_in_pieces(point: Point) -> None:
    reader = Reader(await point.connect())
    data = request("kernel.efi")
    for octet in data[:-1]:
        await asyncio.get_running_loop().sock_sendall(reader.client, bytes([octet]))
        await asyncio.sleep(0)
    assert (await reader.ask(data[-1:]))[2] == CONTENT


async def test_a_client_cannot_make_more_wait_than_so_much(point: Point) -> None:
    reader = Reader(await point.connect())
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(reader.client, request("large"))

    async def go_on() -> None:
        while True:
            await loop.sock_sendall(reader.client, request("kernel.efi") * 100)

    with pytest.raises(TimeoutError):  # nobody reads any more
        await asyncio.wait_for(go_on(), 1)


async def test_the_last_one_ends_the_connection(point: Point) -> None:
    reader = Reader(await point.connect())
    _, headers, body = await reader.ask(request("large", "Connection: close"))
    assert (headers["Connection"], len(body)) == ("close", LARGE)
    assert await reader.ended()


@pytest.mark.parametrize("way", ["closes", "resets", "sends no more"])
async def test_a_client_that_goes_leaves_nothing_behind(point: Point, noted: Noted, way: str) -> None:
    client = await point.connect()
    await asyncio.get_running_loop().sock_sendall(client, request("large"))
    await until(lambda: opened("large"))
    if way == "sends no more":
        client.shutdown(socket.SHUT_WR)
    else:
        if way == "resets":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    transfer = await noted.all.get()
    assert (transfer.complete, transfer.outcome) == (False, "aborted by the client")
    assert not opened("large")
    await until(lambda: point.connections.status()["connections"] == 0)


async def test_a_file_that_becomes_shorter_ends_the_connection(
    point: Point, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, end = os.sendfile, len(CONTENT) // 2

    def cut(connection: int, file: int, offset: int, count: int) -> int:
        return whole(connection, file, offset, min(count, end - offset))

    monkeypatch.setattr(os, "sendfile", cut)
    reader = Reader(await point.connect())
    with pytest.raises((EOFError, ConnectionResetError)):
        await reader.ask(request("kernel.efi"))
    assert not (await noted.all.get()).complete


async def test_when_it_ends_requests_under_way_go_on_and_idle_connections_do_not(point: Point) -> None:
    idle, busy = Reader(await point.connect()), Reader(await point.connect())
    assert (await idle.ask(request("kernel.efi")))[2] == CONTENT
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(busy.client, request("large"))
    await until(lambda: opened("large"))
    draining = asyncio.create_task(point.server.drain(60))
    assert await idle.ended()
    assert not draining.done()
    assert len((await busy.answer())[2]) == LARGE
    assert await busy.ended()
    await draining


async def test_what_the_kernel_does_not_take_yet_goes_out_in_its_order(tmp_path: Path, directory: Path) -> None:
    """A head, too, when what went before it was not taken by the client."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.connect(listener.getsockname())
        ours, peer = listener.accept()
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while ours.send(b"-"):
                pass
        direct = Direct(files_below(tmp_path), lambda *_: None, lambda _: None)
        direct.take(Connection(ours, peer, "eth0", 0.0))
        client.setblocking(False)
        loop, received = asyncio.get_running_loop(), b""
        await loop.sock_sendall(client, request("kernel.efi", "Connection: close"))
        await until(lambda: opened("kernel.efi"))
        await asyncio.sleep(0.01)
        while data := await loop.sock_recv(client, 1 << 20):
            received += data
    head, _, body = received.lstrip(b"-").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == CONTENT


async def test_a_fault_ends_its_connection_alone(point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    whole = os.sendfile

    def fail_at_the_end(connection: int, file: int, offset: int, count: int) -> int:
        if count == 1:
            raise LookupError
        return whole(connection, file, offset, count)

    monkeypatch.setattr(os, "sendfile", fail_at_the_end)
    other, reader = Reader(await point.connect()), Reader(await point.connect())
    await asyncio.get_running_loop().sock_sendall(reader.client, request("kernel.efi", "Range: bytes=0-0"))
    with pytest.raises((EOFError, ConnectionResetError)):
        await reader.answer()
    assert isinstance(faults[0]["exception"], LookupError)
    assert len(faults) == 1
    assert (await other.ask(request("kernel.efi")))[2] == CONTENT
    await until(lambda: point.connections.status()["connections"] == 1)


async def test_a_fault_before_the_answer_leaves_no_file_open(point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    def fail(*_: object) -> Part:
        assert opened("kernel.efi")
        raise LookupError

    monkeypatch.setattr("pxed.web.direct.part_of", fail)
    reader = Reader(await point.connect())
    await asyncio.get_running_loop().sock_sendall(reader.client, request("kernel.efi"))
    assert await reader.ended()
    assert isinstance(faults[0]["exception"], LookupError)
    assert not opened("kernel.efi")


async def test_what_was_asked_for_with_the_last_one_does_not_harm_its_answer(point: Point) -> None:
    """Octets that nobody has read when a socket is closed make the kernel throw away what it has not sent."""
    reader = Reader(await point.connect())
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(reader.client, request("large", "Connection: close"))
    await until(lambda: opened("large"))
    await loop.sock_sendall(reader.client, request("kernel.efi"))
    assert len((await reader.answer())[2]) == LARGE
    assert await reader.ended()
