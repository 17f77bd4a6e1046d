"""How fast passwords may be tried: each wrong one makes the next wait longer, and too many lock for a while.

A state machine without a clock: `now` is any clock in seconds. It counts by key, for computers and for interfaces
alike, and remembers a bounded number of keys.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_FIRST_WAIT = 1.0
"""seconds after the first wrong one; doubled by each that follows"""
_LONGEST_WAIT = 30.0
REMEMBERED = 4096
"""Keys; the oldest go first. Computers' MAC addresses can be made up, but whoever fills this with them has locked their
interface long before."""
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many attempts there are, and what follows."""

    attempts: int
    """so many wrong ones lock; they are forgotten one by one, so many in `lock_seconds`"""
    lock_seconds: float
    waits: bool = True
    """whether each wrong one, too, is followed by a wait"""


@dataclass(slots=True)
class _Count:
    wrong: float = 0.0
    last: float = 0.0
    """when `wrong` was so much"""
    until: float = _NEVER
    """no attempt before"""


class Throttle:
    """Wrong attempts by key."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until `key` may try (again); 0 if at once."""
        count = self._counts.get(key)
        return max(0.0, count.until - now) if count else 0.0

    def begin(self, key: str, now: float) -> bool:
        """An attempt begins, and counts as wrong until `right` or `take_back`, so that several at once are no way
        around the limit. True if it locks `key`."""
        count = self._counts.pop(key, None) or _Count(last=now)
        forgotten = max(0.0, now - count.last) * self.limits.attempts / self.limits.lock_seconds
        count.wrong = max(0.0, count.wrong - forgotten) + 1
        count.last = now
        if locks := self._is_full(count):
            count.until = now + self.limits.lock_seconds
        elif self.limits.waits:
            count.until = now + min(_FIRST_WAIT * 2 ** (count.wrong - 1), _LONGEST_WAIT)
        self._counts[key] = count
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return locks

    def right(self, key: str) -> None:
        """The attempt was right: `key` begins anew."""
        self._counts.pop(key, None)

    def take_back(self, key: str) -> None:
        """The attempt does not count; those of others do."""
        count = self._counts.get(key)
        if count is not None:
            count.wrong -= 1
            if not self._is_full(count):
                count.until = _NEVER

    def _is_full(self, count: _Count) -> bool:
        return round(count.wrong) >= self.limits.attempts  # a little of it was forgotten during the waits
