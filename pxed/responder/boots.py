"""Since when a client has been asking, by our own clock: the `delay` rule needs it and no packet tells it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

_QUIET_SECONDS = 90.0
"""A client that was silent for so long has begun another boot: PXE 2.1 clients ask over 60 seconds."""
_REMEMBERED = 8192
"""A stranger can invent MAC addresses: the oldest go first."""


class Boots:
    """Remembers when each client was first and last heard in its present boot."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._heard: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def waited(self, mac: bytes) -> float:
        """Notes a packet of `mac` now; seconds since the first one of this boot."""
        now = self._monotonic()
        first, last = self._heard.pop(mac, (now, now))
        if now - last > _QUIET_SECONDS:
            first = now
        self._heard[mac] = (first, now)
        if len(self._heard) > _REMEMBERED:
            self._heard.popitem(last=False)
        return now - first
