"""Notices which MAC address comes with which GUID, and puts what does not belong together into the queue."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from pxed.bucket import Bucket
from pxed.policy.suspicion import suspect
from pxed.site.store import Tx

_NEWS, _NEWS_OF_CONFLICT = timedelta(hours=1), timedelta(minutes=1)
"""The same two again within this time are not written again; a conflict is noticed once a boot."""
_NONE = timedelta(0)
_REMEMBERED = 8192
"""Bound of that memory: a stranger can invent identifiers, so the oldest go first."""


class Identities:
    """What was seen together of late; `later` takes jobs that may be dropped, `room` says how many."""

    def __init__(self, later: Callable[[Callable[[Tx], object]], None], room: Bucket) -> None:
        self._later = later
        self._room = room
        self._noticed: OrderedDict[tuple[str, int], datetime] = OrderedDict()

    def notice(self, mac: str, guid: uuid.UUID, interface: str, now: datetime, *, conflict: bool) -> None:
        """They were in one packet; `conflict` says that they are known to belong to different computers."""
        key = mac, guid.int
        before = self._noticed.get(key)
        if before is not None and _NONE <= now - before < (_NEWS_OF_CONFLICT if conflict else _NEWS):
            return
        if not self._room.take(now.timestamp()):
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
