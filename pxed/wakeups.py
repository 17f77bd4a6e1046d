"""Wakes computers when an advertisement made with `--wake` falls due.

Of several service points on one database one does it: whoever notes the assignment first. It is noted before the first
packet leaves, so a service that is killed in between wakes nobody twice, and at worst somebody not at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from pxed.config import Config
from pxed.errors import PxedError
from pxed.interfaces import Interface
from pxed.policy.wakeup import assignment_to_wake_for, to_wake
from pxed.site.event import EventKind
from pxed.site.model import Advertisement, Plan
from pxed.site.store import Jobs, Line, Tx
from pxed.waking import wake

log = logging.getLogger("pxed.wake")

LOOK_SECONDS = 15.0
"""How often it is looked for assignments that fell due."""


class WakeUps:
    """For one service point. `config` and `interfaces` are those of the moment; `reading` is a snapshot of the site for
    another thread."""

    def __init__(
        self,
        config: Callable[[], Config],
        plan: Callable[[], Plan],
        reading: Callable[[], AbstractContextManager[Tx]],
        writer: Jobs,
        interfaces: Callable[[], Sequence[Interface]],
        clock: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._plan = plan
        self._reading = reading
        self._writer = writer
        self._interfaces = interfaces
        self._clock = clock
        self._seen: dict[int, datetime] = {}
        """the assignment that was looked at last, by advertisement"""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except PxedError as error:
                log.error("nobody was woken: %s", error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Wakes whoever an assignment that has fallen due since the last look is for. StoreError, UsageError."""
        now, plan = self._clock(), self._plan()
        self._seen = {each.id: self._seen[each.id] for each in plan.advertisements if each.id in self._seen}
        for advertisement in plan.advertisements:
            due = assignment_to_wake_for(advertisement, plan, now)
            if due is None or self._seen.get(advertisement.id) == due:
                continue
            if await asyncio.wrap_future(self._writer.submit(_noting(advertisement.id, due))):
                await self._wake(advertisement, due, now)
            self._seen[advertisement.id] = due

    async def _wake(self, advertisement: Advertisement, due: datetime, now: datetime) -> None:
        interfaces = self._interfaces()
        targets = await asyncio.to_thread(self._targets, advertisement, due, now)
        where = ", ".join(one.name for one in interfaces)
        for subject in targets:
            text = f"{advertisement.name!r}: magic packet on {where}"
            self._writer.submit_droppable(Line(now, EventKind.WAKE, subject, text))
        log.info("%s is due: waking %d computers", advertisement.name, len(targets))
        await wake((mac for macs in targets.values() for mac in macs), interfaces)

    def _targets(self, advertisement: Advertisement, due: datetime, now: datetime) -> dict[str, tuple[str, ...]]:
        """MAC addresses by subject."""
        with self._reading() as tx:
            deep = advertisement.include_subcollections
            members = tx.members(advertisement.collection_id, include_subcollections=deep)
            records = tx.all_records(advertisement.id)
            chosen = to_wake(advertisement, due, members, records, tx.restraints(), self._config(), now)
            return {str(computer.id): computer.macs for computer in chosen}


def _noting(advertisement_id: int, due: datetime) -> Callable[[Tx], bool]:
    return lambda tx: tx.note_wake_up(advertisement_id, due)
