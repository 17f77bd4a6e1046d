"""A token bucket: so much at once, so much in the long run."""

from __future__ import annotations


class Bucket:
    """`rate` a second in the long run, `burst` at once; full when first asked."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._left, self._at = rate, burst, burst, 0.0

    def take(self, now: float) -> bool:
        """Whether one more is allowed at `now`, seconds of any clock; one that is set back gives nothing meanwhile."""
        left = self._filled(now)
        self._at = now
        self._left = left if left < 1 else left - 1
        return left >= 1

    def spend(self, now: float, count: int) -> bool:
        """Takes `count`, or what is left; whether there was enough."""
        left = self._filled(now)
        self._at = now
        self._left = max(left - count, 0.0)
        return left >= count

    def _filled(self, now: float) -> float:
        passed = now - self._at
        return min(self._burst, self._left + passed * self._rate) if passed > 0 else self._left
