"""Who goes on next: each has its turn, and requests are not behind downloads."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable

import pytest

from pxed.web.plain import PlainGet, PlainGets
from tests.web.reading import CONTENT, Reader, request
from tests.web.serving import Noted, Point, until


class Turns:
    """Gives the kernel room for ten octets at a time, for which there is time twice in a turn of the event loop, and
    notes in which turn they are sent. The first ones of a file take no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.turn = 0.0, 0
        self.begun: list[tuple[int, int]] = []
        """turn and connection"""
        self.sent: list[tuple[int, int]] = []
        """those after the first"""
        self._full: set[int] = set()
        self._sendfile = os.sendfile
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr(os, "sendfile", self._send)

    def _send(self, connection: int, file: int, offset: int, count: int) -> int:
        if connection in self._full:
            self._full.remove(connection)
            raise BlockingIOError
        self._full.add(connection)
        if offset:
            self.now += 0.0007
        (self.sent if offset else self.begun).append((self.turn, connection))
        return self._sendfile(connection, file, offset, min(count, 10))

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.turn += 1
            await asyncio.sleep(0)


async def connected(point: Point, clients: int) -> list[Reader]:
    """So many clients, all of whom were accepted."""
    readers = [Reader(await point.connect()) for _ in range(clients)]
    await until(lambda: point.connections.status()["connections"] == clients)
    return readers


async def test_a_turn_ends_when_its_time_is_over_and_who_waited_longest_is_next(
    point: Point, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = await connected(point, 5)
    turns = Turns(monkeypatch)
    for reader in readers:
        reader.client.send(request("kernel.efi", "Range: bytes=0-29"))
    await turns.until(lambda: noted.all.qsize() == 5)
    assert max(Counter(turn for turn, _ in turns.sent).values()) == 2
    order = [connection for _, connection in turns.sent]
    assert order == order[:5] * 2
    assert len(set(order)) == 5
    assert [(await reader.answer())[2] for reader in readers] == [CONTENT[:30]] * 5


async def test_a_request_is_not_behind_downloads(point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = await connected(point, 41)
    turns = Turns(monkeypatch)
    for reader in readers[:-1]:
        reader.client.send(request("kernel.efi", "Range: bytes=0-99"))
    await turns.until(lambda: len(turns.begun) == 40)
    readers[-1].client.send(request("kernel.efi", "Range: bytes=0-9"))
    asked_in = turns.turn
    await turns.until(lambda: len(turns.begun) == 41)
    assert turns.begun[-1][0] <= asked_in + 2
    assert (await readers[-1].answer())[2] == CONTENT[:10]


async def test_requests_for_much_are_read_together_before_any_of_it_is_sent(
    point: Point, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = await connected(point, 5)
    turns = Turns(monkeypatch)
    monkeypatch.setattr("pxed.web.direct.LEAST_PIECE", 29)
    read = PlainGets.read
    sent_before: list[int] = []

    def told(gets: PlainGets, data: bytes) -> PlainGet | None:
        sent_before.append(len(turns.begun))
        return read(gets, data)

    monkeypatch.setattr(PlainGets, "read", told)
    for reader in readers:
        reader.client.send(request("kernel.efi", "Range: bytes=0-29"))
    await turns.until(lambda: noted.all.qsize() == 5)
    assert sent_before == [0] * 5
    assert [(await reader.answer())[2] for reader in readers] == [CONTENT[:30]] * 5
