"""Downloads in turns: each gets its octets, none holds up the loop, and one that goes leaves nothing behind."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from pxed.web.downloads import Downloads
from pxed.web.part import Part
from tests.descriptors import descriptors

CONTENT = os.urandom(1_000_000)
WHOLE = Part(HTTPStatus.OK, 0, len(CONTENT))


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(CONTENT)
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


class Connection:
    """Both ends of one, with small buffers."""

    def __init__(self) -> None:
        self.server, self.client = socket.socketpair()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.client.setblocking(False)
        self.transport: asyncio.Transport

    async def receive(self, count: int) -> bytes:
        loop, received = asyncio.get_running_loop(), b""
        while len(received) < count:
            received += await loop.sock_recv(self.client, 65536)
        return received

    def fill(self) -> None:
        """Until the kernel takes no more of the server."""
        with contextlib.suppress(BlockingIOError):
            while self.server.send(b"-"):
                pass


@pytest.fixture
async def connections() -> AsyncIterator[list[Connection]]:
    made = [Connection() for _ in range(5)]
    for one in made:
        loop = asyncio.get_running_loop()
        one.transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, one.server)
    yield made
    for one in made:
        one.transport.abort()
        one.client.close()


async def test_all_get_their_parts_at_once(connections: list[Connection], fd: int) -> None:
    running = Downloads()
    parts = [Part(HTTPStatus.PARTIAL_CONTENT, 1000 * number, 500_000) for number in range(len(connections))]
    sent, received = await asyncio.gather(
        asyncio.gather(*(running.send(one.transport, fd, part) for one, part in zip(connections, parts, strict=True))),
        asyncio.gather(*(one.receive(500_000) for one in connections)),
    )
    assert sent == [500_000] * len(connections)
    assert received == [CONTENT[part.first : part.first + part.length] for part in parts]


async def test_a_turn_ends_when_its_time_is_over_and_who_waited_longest_is_next(
    connections: list[Connection], fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, served, turns = 0.0, [], 0
    whole = os.sendfile

    def slow(connection: int, file: int, offset: int, count: int) -> int:
        nonlocal now
        now += 0.0007  # a turn has time for two
        served.append((turns, connection))
        return whole(connection, file, offset, min(count, 10))

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(os, "sendfile", slow)
    running = Downloads()
    part = Part(HTTPStatus.OK, 0, 30)
    tasks = [asyncio.create_task(running.send(one.transport, fd, part)) for one in connections]
    while not all(task.done() for task in tasks):
        turns += 1
        await asyncio.sleep(0)
    assert [task.result() for task in tasks] == [30] * 5
    per_turn = [sum(turn == number for turn, _ in served) for number in range(turns + 1)]
    assert max(per_turn) == 2
    order = [connection for _, connection in served]
    assert order == order[:5] * 3
    assert len(set(order)) == 5


async def test_what_the_transport_still_holds_goes_first(connections: list[Connection], fd: int) -> None:
    connection = connections[0]
    connection.fill()
    connection.transport.write(b"head")
    sending = asyncio.create_task(Downloads().send(connection.transport, fd, WHOLE))
    await asyncio.sleep(0)
    received = b""
    while len(received.lstrip(b"-")) < 4 + len(CONTENT):
        received += await connection.receive(1)
    assert received.lstrip(b"-") == b"head" + CONTENT
    assert await sending == len(CONTENT)


async def test_a_client_that_goes_ends_its_download_alone(connections: list[Connection], fd: int) -> None:
    running, (gone, other) = Downloads(), connections[:2]
    broken = asyncio.create_task(running.send(gone.transport, fd, WHOLE))
    whole = asyncio.create_task(running.send(other.transport, fd, WHOLE))
    await gone.receive(1)
    gone.client.close()
    with pytest.raises(ConnectionError):
        await broken
    assert await other.receive(len(CONTENT)) == CONTENT
    assert await whole == len(CONTENT)


async def test_a_transport_that_is_closed_ends_its_download(connections: list[Connection], fd: int) -> None:
    connection = connections[0]
    broken = asyncio.create_task(Downloads().send(connection.transport, fd, WHOLE))
    await connection.receive(1)
    connection.transport.close()
    while await asyncio.get_running_loop().sock_recv(connection.client, 65536):
        pass
    with pytest.raises(ConnectionResetError):
        await broken


async def test_what_is_cancelled_leaves_no_descriptor(connections: list[Connection], fd: int) -> None:
    running, (first, second) = Downloads(), connections[:2]
    before = descriptors()
    cancelled = asyncio.create_task(running.send(first.transport, fd, WHOLE))
    whole = asyncio.create_task(running.send(second.transport, fd, WHOLE))
    await asyncio.sleep(0)
    assert len(descriptors() - before) == 2
    cancelled.cancel()
    assert await second.receive(len(CONTENT)) == CONTENT
    assert await whole == len(CONTENT)
    assert cancelled.cancelled()
    assert descriptors() == before


async def test_what_is_cancelled_as_it_ends_disturbs_nobody(
    connections: list[Connection], fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    def last(connection: int, file: int, offset: int, count: int) -> int:
        cancelled.cancel()
        return count

    monkeypatch.setattr(os, "sendfile", last)
    running = Downloads()
    cancelled = asyncio.create_task(running.send(connections[0].transport, fd, Part(HTTPStatus.OK, 0, 10)))
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert faults == []


async def test_a_file_that_is_shorter_than_promised(connections: list[Connection], fd: int) -> None:
    connection = connections[0]
    part = Part(HTTPStatus.OK, len(CONTENT) - 10, 20)
    assert await Downloads().send(connection.transport, fd, part) == 10


async def test_a_piece_is_what_the_kernel_takes_in_a_turn(
    connections: list[Connection], fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, seconds_each = 0.0, 0.0
    asked: list[int] = []

    def timed(connection: int, file: int, offset: int, count: int) -> int:
        nonlocal now
        now += count * seconds_each
        asked.append(count)
        return count  # as if a network had taken it

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(os, "sendfile", timed)
    running, part = Downloads(), Part(HTTPStatus.OK, 0, 10**9)
    for pace, piece in ((1e6, 1 << 20), (2e9, 2_000_000), (1e12, 8 << 20), (2e9, 2_000_000)):
        seconds_each = 1 / pace
        assert await running.send(connections[0].transport, fd, part) == part.length
        assert asked[-2] == pytest.approx(piece, rel=0.01)
