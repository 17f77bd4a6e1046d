"""One socket: what comes is answered in batches, and nothing that comes stops that."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Address, IPv4Interface

import pytest

from pxed.datagrams import Received
from pxed.interfaces import Interface
from pxed.responder.endpoint import Answer, Endpoint, Later, Outcome
from pxed.responder.place import Place

PLACE = Place(Interface("lo", "", 65536, (IPv4Interface("127.0.0.1/8"),)), 67, IPv4Address("127.0.0.1"))
Ask = Callable[[bytes], object]


class Echo:
    """Answers with what was said, but for a few words."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.asked_again = 0

    def __call__(self, batch: Sequence[Received], place: Place) -> list[Outcome]:
        assert place is PLACE
        self.batches.append(len(batch))
        return [self._one(word, peer) for word, peer in batch]

    def _one(self, word: bytes, peer: tuple[str, int]) -> Outcome:
        if word == b"fatal":
            raise RuntimeError("a bug")
        if word == b"later" and not self.asked_again:
            self.asked_again += 1
            return Later(0.01)
        return None if word == b"nothing" else Answer(word, peer)


@asynccontextmanager
async def served(echo: Echo) -> AsyncIterator[tuple[socket.socket, Ask]]:
    """A client's socket, and what says something to the endpoint with it."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with bound, client:
        for one in (bound, client):
            one.bind(("127.0.0.1", 0))
            one.setblocking(False)
        task = asyncio.create_task(Endpoint(bound, PLACE, echo).serve())
        await asyncio.sleep(0)
        try:
            yield client, lambda word: client.sendto(word, bound.getsockname())
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def heard(client: socket.socket, count: int) -> list[bytes]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        return [await loop.sock_recv(client, 100) for _ in range(count)]


async def test_what_came_together_is_answered_together_in_its_order() -> None:
    echo = Echo()
    async with served(echo) as (client, ask):
        words = [b"%d" % number for number in range(100)]
        for word in words:
            ask(word)
        assert await heard(client, 100) == words
    assert echo.batches == [64, 36]


async def test_what_has_no_answer_gets_none() -> None:
    async with served(Echo()) as (client, ask):
        ask(b"nothing")
        ask(b"something")
        assert await heard(client, 1) == [b"something"]


async def test_a_delayed_answer_comes_by_itself() -> None:
    echo = Echo()
    async with served(echo) as (client, ask):
        ask(b"later")
        ask(b"at once")
        assert await heard(client, 2) == [b"at once", b"later"]
    assert echo.batches == [2, 1]


async def test_a_packet_that_finds_a_bug_is_told_of_and_takes_nothing_from_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, "pxed")
    async with served(Echo()) as (client, ask):
        for word in (b"before", b"fatal", b"behind"):
            ask(word)
        assert await heard(client, 2) == [b"before", b"behind"]
    (record,) = caplog.records
    assert record.getMessage().startswith("bug: no answer to 5 bytes from 127.0.0.1: ")


async def test_one_that_was_ended_hears_no_more() -> None:
    echo = Echo()
    async with served(echo) as (client, ask):
        ask(b"first")
        await heard(client, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        task = asyncio.create_task(Endpoint(bound, PLACE, echo).serve())
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        bound.sendto(b"second", bound.getsockname())
        await asyncio.sleep(0.05)
    assert echo.batches == [1]
