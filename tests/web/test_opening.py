"""How a socket that was accepted gets a transport."""

import asyncio
import socket

import pytest

from pxed.web.opening import Opening
from tests.web.serving import until


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


@pytest.fixture
def ends() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


async def test_what_was_read_before_comes_first(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    noted: list[tuple[str, object]] = []
    protocol = Noting(noted)
    theirs.send(b"later")
    opening = Opening()
    opening.open(ours, lambda: protocol, read=b"before")
    await until(lambda: len(noted) == 3)
    theirs.close()
    await until(lambda: ours.fileno() < 0)
    assert noted == [("made", protocol), ("received", b"before"), ("received", b"later"), ("lost", None)]


async def test_when_nothing_is_served_any_more_it_is_closed(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends

    def none() -> asyncio.Protocol:
        raise ConnectionAbortedError

    opening = Opening()
    opening.open(ours, none, read=b"before")
    with theirs:
        assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""


async def test_so_many_in_a_turn_of_the_loop() -> None:
    opening, made, theirs = Opening(), 0, []

    def count() -> asyncio.Protocol:
        nonlocal made
        made += 1
        return asyncio.Protocol()

    for _ in range(20):
        ours, its = socket.socketpair()
        ours.setblocking(False)
        theirs.append(its)
        opening.open(ours, count)
    each_turn = []
    while made < 20:
        before = made
        await asyncio.sleep(0)
        each_turn.append(made - before)
    assert max(each_turn) == 8
    for its in theirs:
        its.close()
    await asyncio.sleep(0.01)
