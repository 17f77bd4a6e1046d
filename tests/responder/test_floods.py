"""An endpoint in a flood: the thread receives, the loop answers what is passed up, and nothing is lost between."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from pxed.config import Config
from pxed.config import Responder as ResponderConfig
from pxed.datagrams import Received
from pxed.responder import endpoint, fastpath
from pxed.responder.endpoint import Answer, Endpoint, Outcome
from pxed.responder.fastpath import FastPath
from pxed.responder.flows import Flow
from pxed.responder.place import Place
from pxed.wire.dhcp import decode
from tests.responder.flooding import PATIENCE, Site, needs_compiled, packet, received, udp_socket
from tests.responder.test_answer import AT_67
from tests.support import MAC

LOOK = 0.02
"""seconds between two looks at a flood; more than three packets in that time are one"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(endpoint, "_LOOK_SECONDS", LOOK)
    with Site(tmp_path) as made:
        with made.edit() as tx:
            tx.put_computer("PC1", [MAC], None)
        yield made


class Flooded:
    """An endpoint on loopback, and a client to whom all replies come back; `is_on` says whether there is a flood."""

    def __init__(self, site: Site, bound: socket.socket, client: socket.socket) -> None:
        self.site = site
        self.is_on = False
        self.client = client
        self.asked = 0
        self.long_way = 0
        self.replies: list[bytes] = []
        self.counted: Counter[str] = Counter()
        self.endpoint = Endpoint(bound, AT_67, self.answer)
        self._to = bound.getsockname()

    def answer(self, batch: Sequence[Received], place: Place) -> Sequence[Outcome]:
        self.long_way += len(batch)
        outcomes = self.site.responder.answer(batch, place)
        return [_back(outcome, peer) for outcome, (_, peer) in zip(outcomes, batch, strict=True)]

    def is_flood(self) -> bool:
        return self.is_on

    def flow(self, datagram: Received, place: Place) -> Flow | None:
        flow = self.site.responder.flow(datagram, place)
        return flow._replace(destination=b"") if flow else None

    def count(self, counted: dict[str, int], lost: int) -> None:
        self.counted.update(counted)
        assert not lost

    def ask(self, count: int = 1) -> None:
        for _ in range(count):
            self.asked += 1
            self.client.sendto(packet(mac=MAC, xid=self.asked), self._to)

    def heard(self) -> list[int]:
        """Which of the packets were answered."""
        self.replies += received(self.client)
        return sorted(decode(reply).xid for reply in self.replies)

    async def all_answered(self) -> None:
        await until(lambda: len(self.heard()) >= self.asked)
        assert self.heard() == list(range(1, self.asked + 1))


def _back(outcome: Outcome, peer: tuple[str, int]) -> Outcome:
    return Answer(outcome.data, peer) if isinstance(outcome, Answer) else outcome


async def until(probe: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not probe():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


@asynccontextmanager
async def flooded(site: Site) -> AsyncIterator[Flooded]:
    with udp_socket() as bound, udp_socket() as client:
        made = Flooded(site, bound, client)
        path = FastPath(bound, AT_67, site.for_flows(), made)
        task = asyncio.create_task(made.endpoint.serve(path))
        await asyncio.sleep(0)
        try:
            yield made
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "flood" in record.getMessage()]


BEGINS = "a flood of packets to port 67: those that are alike take the fast path"
ENDS = "the flood of packets to port 67 is over"


@needs_compiled
async def test_nothing_is_lost_when_a_flood_begins_and_ends(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pxed.responder")
    async with flooded(site) as one:
        one.ask(30)
        await one.all_answered()
        assert lines(caplog) == []
        for _ in range(3):
            one.is_on = True
            caplog.clear()
            for _ in range(20):
                one.ask(20)
                await one.all_answered()
            assert BEGINS in lines(caplog)
            one.is_on = False
            one.ask(7)
            await until(lambda: lines(caplog)[-1] == ENDS)
            await one.all_answered()
            one.ask(1)
            before = one.long_way
            await one.all_answered()
            assert one.long_way == before + 1
    assert one.long_way < one.asked  # the thread had its part
    assert one.long_way + one.counted.total() == one.asked


@needs_compiled
async def test_a_flood_goes_on_while_enough_comes(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pxed.responder")
    looks = 0

    async with flooded(site) as one:
        path = one.endpoint._fast_path
        assert path
        count = path.count

        def enough() -> int:
            nonlocal looks
            looks += 1
            count()
            return 2 if looks == 3 or looks > 5 else 3

        path.count = enough  # type: ignore[method-assign]
        one.is_on = True
        one.ask()
        await until(lambda: looks == 1)
        one.is_on = False
        await until(lambda: looks == 5 + endpoint._QUIET_LOOKS)
        await one.all_answered()
        path.count = count  # type: ignore[method-assign]
    assert lines(caplog) == [BEGINS, ENDS]


@needs_compiled
async def test_it_is_closed_in_the_midst_of_a_flood(site: Site) -> None:
    async with flooded(site) as one:
        one.is_on = True
        one.ask(20)
        await one.all_answered()
        one.ask(200)
    path = one.endpoint._fast_path
    assert path
    assert (path.upward.fileno(), path._up.fileno()) == (-1, -1)
    assert one.counted.total() + one.long_way <= one.asked


@needs_compiled
async def test_what_is_to_be_forgotten_is_forgotten_in_a_flood_too(site: Site) -> None:
    """As SIGHUP has it: the configuration is another one, then all answers are."""
    async with flooded(site) as one:
        one.is_on = True
        for _ in range(5):
            one.ask(20)
            await one.all_answered()
        assert one.counted or one.endpoint._fast_path
        silent = Config(responder=ResponderConfig(nothing_to_do="silent"))
        site.responder.config = site.responder._verdicts.config = silent
        one.endpoint.forget()
        before = len(one.heard())
        one.ask(20)
        await until(lambda: one.long_way + one.counted.total() >= one.asked or _counted(one))
        await asyncio.sleep(0.05)
        assert len(one.heard()) == before


def _counted(one: Flooded) -> bool:
    """Asks the thread for what it did, and says nothing yet."""
    assert one.endpoint._fast_path
    one.endpoint._fast_path.count()
    return False


@needs_compiled
async def test_garbage_in_a_flood_takes_the_long_way_and_teaches_nothing(site: Site) -> None:
    async with flooded(site) as one:
        one.is_on = True
        one.ask(5)
        await one.all_answered()
        malformed = site.responder.counters["malformed"]
        for number in range(50):
            one.client.sendto(b"x" * number, one._to)
            one.ask()
        one.client.sendto(bytes(6000), one._to)
        await one.all_answered()
        await until(lambda: site.responder.counters["malformed"] == malformed + 51)


class Upward:
    """A fast path whose thread passes `left` packets up between the last turn of the loop and its end."""

    def __init__(self, left: int) -> None:
        self.unsent = 0
        self.upward, self._other = socket.socketpair()
        self.events: list[str] = []
        self._left = [(b"%d" % number, ("127.0.0.1", 9)) for number in range(left)]
        self._stopped = False
        self.fault: OSError | None = None

    def is_flood(self) -> bool:
        return not self._stopped

    def start(self) -> None:
        if self.fault:
            raise self.fault
        self.events.append("start")

    def stop(self) -> None:
        self._stopped = True
        self.events.append("stop")

    def count(self) -> int:
        return 0

    def passed_up(self) -> tuple[list[Received], list[Received]]:
        passed, self._left = (self._left[:64], self._left[64:]) if self._stopped else ([], self._left)
        return passed, []

    def forget(self) -> None:
        self.events.append("forget")

    def close(self) -> None:
        self.events.append("close")
        self.upward.close()
        self._other.close()


@asynccontextmanager
async def beside(path: Upward) -> AsyncIterator[tuple[Endpoint, list[bytes], Callable[[bytes], object]]]:
    """An endpoint with that fast path, what it was asked, and what asks it."""
    asked: list[bytes] = []

    def answer(batch: Sequence[Received], _: Place) -> list[Outcome]:
        asked.extend(data for data, _ in batch)
        return [None] * len(batch)

    with udp_socket() as bound:
        one = Endpoint(bound, AT_67, answer)
        task = asyncio.create_task(one.serve(path))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        try:
            yield one, asked, lambda data: bound.sendto(data, bound.getsockname())
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_all_that_was_passed_up_in_the_end_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much it is: nobody looks there again before the next flood."""
    monkeypatch.setattr(endpoint, "_LOOK_SECONDS", LOOK)
    path = Upward(200)
    async with beside(path) as (_, asked, ask):
        ask(b"first")
        await until(lambda: len(asked) == 201)
        ask(b"last")
        await until(lambda: len(asked) == 202)
    assert asked == [b"first", *(b"%d" % number for number in range(200)), b"last"]
    assert path.events == ["start", "stop", "close"]


def _are(asked: list[bytes], count: int) -> bool:
    return len(asked) == count


async def test_an_endpoint_whose_thread_cannot_be_started_goes_on_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    path = Upward(0)
    path.fault = OSError("no more threads")
    async with beside(path) as (_, asked, ask):
        for number in range(1, 6):
            ask(b"any")
            await until(partial(_are, asked, number))
    assert path.events == ["close"]
    assert [record.getMessage() for record in caplog.records] == [
        "floods of packets take the long way: no more threads"
    ]


async def test_forgetting_reaches_the_fast_path_if_there_is_one() -> None:
    path = Upward(0)
    async with beside(path) as (one, _, _):
        one.forget()
    assert path.events == ["forget", "close"]
    with udp_socket() as bound:
        Endpoint(bound, AT_67, lambda _, __: []).forget()


async def test_without_one_a_flood_takes_the_long_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastpath, "_flows", None)
    with udp_socket() as bound, udp_socket() as client:
        one = Flooded(site, bound, client)
        one.is_on = True
        task = asyncio.create_task(one.endpoint.serve(None))
        for _ in range(10):
            one.ask(20)
            await one.all_answered()
        assert one.long_way == 200
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
