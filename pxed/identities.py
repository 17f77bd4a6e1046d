"""Notices which MAC address comes with which GUID, and puts what does not belong together into the queue."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pxed.policy.suspicion import suspect
from pxed.site.store import Tx

_NEWS, _NEWS_OF_CONFLICT = timedelta(hours=1), timedelta(minutes=1)
"""The same two again within this time are not written again; a conflict is noticed once a boot."""
_NONE, _SECOND = timedelta(0), timedelta(seconds=1)
_REMEMBERED = 8192
"""Bound of that memory: a stranger can invent identifiers, so the oldest go first."""
_MOST_A_SECOND = 100
"""In a storm of packets the processor belongs to the answers; who was passed over is noticed with the next boot."""


class Identities:
    """What was seen together of late; `later` takes jobs that may be dropped."""

    def __init__(self, later: Callable[[Callable[[Tx], object]], None]) -> None:
        self._later = later
        self._noticed: OrderedDict[tuple[str, int], datetime] = OrderedDict()
        self._second_began = datetime.min.replace(tzinfo=UTC)
        self._in_second = 0

    def notice(self, mac: str, guid: uuid.UUID, interface: str, now: datetime, *, conflict: bool) -> None:
        """They were in one packet; `conflict` says that they are known to belong to different computers."""
        key = mac, guid.int
        before = self._noticed.get(key)
        if before is not None and _NONE <= now - before < (_NEWS_OF_CONFLICT if conflict else _NEWS):
            return
        if not self._is_room(now):
            return
        self._noticed[key] = now
        self._noticed.move_to_end(key)
        if len(self._noticed) > _REMEMBERED:
            self._noticed.popitem(last=False)

        def job(tx: Tx) -> None:
            seen = tx.came_together(mac, guid)
            if seen is None:
                return
            if suspicion := suspect(seen):
                tx.put_conflict(suspicion, interface)
            else:
                tx.belong_together(mac, guid)

        self._later(job)

    def _is_room(self, now: datetime) -> bool:
        if not _NONE <= now - self._second_began < _SECOND:
            self._second_began, self._in_second = now, 0
        self._in_second += 1
        return self._in_second <= _MOST_A_SECOND
