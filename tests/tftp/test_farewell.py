"""Who has vanished while a worker waits for the last transfers."""

from __future__ import annotations

from typing import cast

from pxed.tftp.farewell import Farewell
from pxed.tftp.outlet import Delivery


class Progress:
    """As much of a transfer as matters here."""

    def __init__(self, acked: int) -> None:
        self.session = self
        self.acked = acked


def test_only_those_are_vanished_that_acknowledge_nothing_for_so_long() -> None:
    slow, dead, done = (Progress(number) for number in (7, 0, 3))
    running = cast("list[Delivery]", [slow, dead, done])
    farewell = Farewell(4.0, 100.0)
    assert farewell.due == 100.0
    assert farewell.vanished(running, 100.0) == []
    assert farewell.due == 101.0
    slow.acked = 8
    assert farewell.vanished(running[:2], 103.0) == []
    assert farewell.vanished(running, 104.0) == running[1:2], "time begins anew for one that was not there"
    assert farewell.vanished(running[:1], 106.9) == []
    assert farewell.vanished(running[:1], 107.0) == running[:1]
