"""How a socket that was accepted gets a transport."""

import asyncio
import socket

import pytest

from pxed.web.opening import Opening


@pytest.fixture
def ends() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


async def test_when_nothing_is_served_any_more_it_is_closed(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends

    def none() -> asyncio.Protocol:
        raise ConnectionAbortedError

    opening = Opening()
    opening.open(ours, none)
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
