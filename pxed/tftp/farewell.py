"""The end of a worker: transfers that run may go on, but nobody waits for a client that has vanished."""

from __future__ import annotations

from collections.abc import Iterable

from pxed.tftp.outlet import Delivery

_LOOKS = 4
"""looks within the time after which a client counts as vanished"""


class Farewell:
    """Knows who has fallen silent for `patience` seconds; times are seconds of one monotonic clock."""

    def __init__(self, patience: float, now: float) -> None:
        self.due = now
        """when to look next"""
        self._patience = patience
        self._moved: dict[Delivery, tuple[int, float]] = {}
        """the latest block that a client has acknowledged, and when that was seen first"""

    def vanished(self, deliveries: Iterable[Delivery], now: float) -> list[Delivery]:
        """Those of `deliveries`, which are all that there are, that have acknowledged nothing new for so long."""
        self.due = now + self._patience / _LOOKS
        seen = ((delivery, delivery.session.acked) for delivery in deliveries)
        earlier = self._moved
        self._moved = {
            delivery: earlier[delivery] if delivery in earlier and earlier[delivery][0] == acked else (acked, now)
            for delivery, acked in seen
        }
        return [delivery for delivery, (_, since) in self._moved.items() if now - since >= self._patience]
