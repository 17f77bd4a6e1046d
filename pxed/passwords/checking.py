"""Checks a password that somebody typed: throttled, in a thread of its own, told of in the history.

What it knows of an attempt is never written down: not the password, and no user name that nobody has, since people type
their password into the wrong line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property, partial
from typing import TYPE_CHECKING

from pxed.config import PasswordConfig
from pxed.passwords.throttle import Limits, Throttle
from pxed.policy.verdict import Lock
from pxed.site.event import EventKind
from pxed.site.store import Jobs, Line, Reader, Tx

if TYPE_CHECKING:
    from pxed.passwords.hashing import Cost

log = logging.getLogger("pxed.password")

_AT_ONCE = 2
"""hashes under way: each takes 64 MiB and a processor for a tenth of a second"""
_WAITING = 64
"""attempts that wait for their turn; more are sent away"""


class Outcome(StrEnum):
    """What came of an attempt."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    """too many wrong ones: by this computer or on its interface"""
    TOO_SOON = "too soon"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody typed something."""

    mac: str
    interface: str
    subject: str
    """as in PxeRecord"""
    advertisement: str
    """its name, for the history"""
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What to tell them."""

    outcome: Outcome
    wait: float = 0.0
    """seconds until the next attempt"""


class Checker:
    """One for a service point; `apply` gives it new limits while it runs.

    Counts are kept in memory: a restart of the service ends a lock.
    """

    def __init__(
        self,
        reader: Reader,
        writer: Jobs,
        settings: PasswordConfig,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        cost: Cost | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._monotonic = monotonic
        self._wanted_cost = cost
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="password")
        self._under_way = 0
        self._set_limits(settings)

    def apply(self, settings: PasswordConfig) -> None:
        """From now on these limits hold; if they are others, what was counted is forgotten."""
        if settings != self._settings:
            self._set_limits(settings)

    def _set_limits(self, settings: PasswordConfig) -> None:
        self._settings = settings
        seconds = settings.lock_minutes * 60
        self._computers = Throttle(Limits(settings.attempts, seconds))
        self._interfaces = Throttle(Limits(settings.interface_attempts, seconds, waits=False))

    async def check(self, lock: Lock, attempt: Attempt) -> Answer:
        """Whether the attempt opens `lock`. StoreError if the database cannot be asked."""
        now = self._monotonic()
        refusal = self._refusal(attempt, now)
        if refusal is not None:
            return refusal
        hashes = self._reader.password_hashes(lock.scope, lock.scope_id)
        person = attempt.username if attempt.username in hashes else ""
        kept = hashes.get(person)
        locks_computer = self._computers.begin(attempt.mac, now)
        locks_interface = self._interfaces.begin(attempt.interface, now)
        if not await self._run(partial(self._matches, attempt.password, kept)):
            self._tell(attempt, f"wrong password{_of(person, hashes)}")
            if locks_computer:
                self._tell(attempt, f"locked: {self._settings.attempts} wrong passwords at this computer")
            if locks_interface:
                text = f"locked: {self._settings.interface_attempts} wrong passwords on {attempt.interface}"
                self._tell(attempt, text)
            wait = self._wait(attempt, now)
            return Answer(Outcome.LOCKED if locks_computer or locks_interface else Outcome.WRONG, wait)
        self._computers.right(attempt.mac)
        self._interfaces.take_back(attempt.interface)
        self._tell(attempt, f"right password{_of(person, hashes)}")
        if kept is not None:
            await self._make_anew(lock, person, attempt.password, kept)
        return Answer(Outcome.RIGHT)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _refusal(self, attempt: Attempt, now: float) -> Answer | None:
        """Without a look at the password, so that who waits learns nothing."""
        wait = self._wait(attempt, now)
        if wait > 0:
            return Answer(Outcome.TOO_SOON, wait)
        if self._under_way >= _AT_ONCE + _WAITING:
            return Answer(Outcome.BUSY, 5.0)
        return None

    def _wait(self, attempt: Attempt, now: float) -> float:
        return max(self._computers.wait(attempt.mac, now), self._interfaces.wait(attempt.interface, now))

    @cached_property
    def _cost(self) -> Cost:
        from pxed.passwords.hashing import best_cost

        return self._wanted_cost or best_cost()

    def _matches(self, password: str, kept: str | None) -> bool:
        from pxed.passwords.hashing import match_nobody, matches  # with it comes cryptography, needed here first

        return match_nobody(password, self._cost) if kept is None else matches(password, kept)

    async def _run(self, work: Callable[[], bool]) -> bool:
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._under_way -= 1

    async def _make_anew(self, lock: Lock, person: str, password: str, before: str) -> None:
        """With today's parameters, if they have aged and now that the password is known for a moment."""
        from pxed.passwords.hashing import hashed, is_aged

        if not is_aged(before, self._cost):
            return
        loop = asyncio.get_running_loop()
        after = await loop.run_in_executor(self._threads, partial(hashed, password, self._cost))

        def job(tx: Tx) -> None:
            tx.refresh_password(lock.scope, lock.scope_id, person, before, after)

        self._writer.submit_droppable(job)

    def _tell(self, attempt: Attempt, text: str) -> None:
        line = f"{attempt.advertisement!r}: {text}"
        self._writer.submit_droppable(Line(self._clock(), EventKind.PASSWORD, attempt.subject, line))
        extra = {"mac": attempt.mac, "iface": attempt.interface, "advertisement": attempt.advertisement}
        log.info("%s", text, extra=extra)


def _of(person: str, hashes: dict[str, str]) -> str:
    if person:
        return f" of {person}"
    return " (shared)" if "" in hashes else ", by nobody who has one"
