"""Whether to stay awake after a packet.

On a fast link the next packet of a client in lock step comes sooner than a sleeping processor wakes, which the client
would wait for with every block. So a worker looks on for a moment before it sleeps. Where that is in vain, since the
clients are slow, it does so more and more rarely, down to once in `_RAREST` packets, until it pays off again.
"""

from __future__ import annotations

_SECONDS = 50e-6
"""a vigil; about what it takes to wake up"""
_RAREST = 32


class Vigil:
    """Times are seconds of one monotonic clock."""

    __slots__ = ("_every", "_heard", "until")

    def __init__(self) -> None:
        self.until = 0.0
        """when to sleep; in the past if at once"""
        self._every = 1  # a vigil for so many packets
        self._heard = 1  # packets since the last vigil

    @property
    def seconds(self) -> float:
        """How long to stay awake after each packet, as long as that pays off."""
        return _SECONDS if self._every == 1 else 0.0

    def kept(self, now: float) -> None:
        """It did: others came, the last of them now."""
        self._every = 1
        self._heard = 0
        self.until = now + _SECONDS

    def heard(self, now: float) -> None:
        """Something came."""
        if now <= self.until:
            self._every = 1
        elif not self._heard:  # the vigil that is over was in vain
            self._every = min(2 * self._every, _RAREST)
        self._heard += 1
        if self._heard >= self._every:
            self._heard = 0
            self.until = now + _SECONDS
