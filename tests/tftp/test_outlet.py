"""In which order one socket serves its clients."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pxed.tftp.batch import Lane, Packet, Peer, peer_of
from pxed.tftp.outlet import Delivery, Outlet
from pxed.tftp.session import Session
from pxed.tftp.source import Sources

from .simulation import agreed

LONG, SHORT, OTHER = (peer_of("192.0.2.1", port) for port in (2001, 2002, 2003))


class ScriptedBatch:
    """Clients that say what `script` says, one list a look, and a record of what they get."""

    def __init__(self, script: list[list[Packet]]) -> None:
        self.count = 0
        self._script = script
        self.sent: list[tuple[Peer, int, int]] = []
        """peer, first block, count"""

    def receive(self, deliveries: Mapping[Peer, object], now: float, longest: int) -> list[Packet]:
        packets = self._script.pop(0) if self._script else []
        self.count = len(packets)
        return packets

    def text(self, index: int) -> bytes:
        raise AssertionError(f"packet {index} is an ACK")

    def add(self, lane: Lane, first: int, count: int) -> None:
        self.sent.append((bytes(lane.peer[:8]), first, count))

    def flush(self) -> list[Peer]:
        return []


@pytest.fixture
def outlet() -> Iterator[Outlet]:
    ticks = itertools.count(2)
    made = Outlet("", "127.0.0.1", Counter(), lambda _: None, lambda _: None, lambda: next(ticks) / 1000)
    yield made
    made.socket.close()


def begin(outlet: Outlet, tmp_path: Path, peer: Peer, window: int) -> None:
    """A transfer whose client has heard the OACK."""
    path = tmp_path / "file"
    path.write_bytes(bytes(512 * 1000))
    terms = agreed({"windowsize": window})
    session = Session(terms, path.stat().st_size, retries=3, unproven_timeout=1.0)
    session.start(0.0)
    source = Sources().take(os.open(path, os.O_RDONLY), netascii=False)
    outlet.take(Delivery(outlet, peer, b"", session, terms, source, 0.0))


def served(outlet: Outlet, *script: list[tuple[Peer, int]]) -> list[tuple[Peer, int, int]]:
    """What is sent when clients acknowledge so."""
    batch = ScriptedBatch([[(peer, 4, block) for peer, block in packets] for packets in script])
    outlet._batch = batch
    outlet.drain(0.001)
    return batch.sent


def stayed(outlet: Outlet, awake: float, looks: str) -> tuple[float, int]:
    """When something was heard last, and how many looks were left over: there is one each millisecond, and at each `x`
    of them SHORT acknowledges what it has got."""
    packets = itertools.count()
    batch = ScriptedBatch([[(SHORT, 4, next(packets))] if look == "x" else [] for look in looks])
    outlet._batch = batch
    heard = outlet.drain(0.001, awake)
    return round(heard, 6), len(batch._script)


def test_a_long_window_is_sent_at_once_if_nobody_with_a_short_one_is_there(outlet: Outlet, tmp_path: Path) -> None:
    begin(outlet, tmp_path, LONG, 64)
    begin(outlet, tmp_path, OTHER, 32)
    assert served(outlet, [(LONG, 0), (OTHER, 0)]) == [(LONG, 1, 64), (OTHER, 1, 32)]


def test_between_the_parts_of_a_long_window_come_those_with_short_ones(outlet: Outlet, tmp_path: Path) -> None:
    begin(outlet, tmp_path, LONG, 30)
    begin(outlet, tmp_path, SHORT, 1)
    sent = served(outlet, [(LONG, 0)], [(SHORT, 0)], [], [(SHORT, 1)])
    assert sent == [(LONG, 1, 8), (SHORT, 1, 1), (LONG, 9, 8), (LONG, 17, 8), (SHORT, 2, 1), (LONG, 25, 6)]


def test_a_window_of_sixteen_is_not_long(outlet: Outlet, tmp_path: Path) -> None:
    begin(outlet, tmp_path, OTHER, 16)
    begin(outlet, tmp_path, SHORT, 1)
    assert served(outlet, [(OTHER, 0), (SHORT, 0)]) == [(OTHER, 1, 16), (SHORT, 1, 1)]


def test_what_is_left_of_a_window_is_dropped_when_its_client_has_lost_something(outlet: Outlet, tmp_path: Path) -> None:
    begin(outlet, tmp_path, LONG, 64)
    begin(outlet, tmp_path, SHORT, 1)
    assert served(outlet, [(LONG, 0)], [(LONG, 3)]) == [(LONG, 1, 8)]
    session = outlet.deliveries[LONG].session
    assert session.expire(session.deadline) == (4, 32), "the window again, from the block that it misses"


def test_once_the_last_with_a_short_window_has_gone_long_ones_are_whole(outlet: Outlet, tmp_path: Path) -> None:
    begin(outlet, tmp_path, LONG, 64)
    begin(outlet, tmp_path, SHORT, 1)
    outlet.abort(outlet.deliveries[SHORT], "gone")
    assert served(outlet, [(LONG, 0)]) == [(LONG, 1, 64)]


@pytest.mark.parametrize(
    ("awake", "looks", "heard", "left"),
    [
        (0.0, "xx", 0.001, 1),
        (0.0015, "x..x", 0.001, 1),
        (0.0025, "x..x", 0.004, 0),
        (0.0025, "x.x.x...x", 0.005, 1),
        (1.0, "xxxxxxxxx", 0.008, 1),
    ],
    ids=["not at all", "too short", "until then", "again after each", "the others have their turn"],
)
def test_it_stays_awake_for_what_follows(
    outlet: Outlet, tmp_path: Path, awake: float, looks: str, heard: float, left: int
) -> None:
    begin(outlet, tmp_path, SHORT, 1)
    assert stayed(outlet, awake, looks) == (heard, left)


def test_when_many_came_others_have_come_meanwhile(outlet: Outlet) -> None:
    batch = ScriptedBatch([[(SHORT, 5, 0)] * 16, [(SHORT, 5, 0)] * 15, [(SHORT, 5, 0)]])
    outlet._batch = batch
    outlet.drain(0.001)
    assert len(batch._script) == 1
