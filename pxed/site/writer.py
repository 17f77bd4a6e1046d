"""The service's only writer: jobs from anywhere, run in one thread, committed together.

A commit that must survive a power cut waits for the disk, a millisecond or ten. Whatever was submitted while one commit
waited goes into the next as one transaction, each job in a savepoint of its own, so a thousand computers that boot at
once cost a few commits, and a job that fails harms no other.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from pxed.errors import StoreError
from pxed.site.sql.link import Link
from pxed.site.sql.transaction import SqlTx
from pxed.site.store import Tx

T = TypeVar("T")
_Job = tuple[Callable[[Tx], Any], Future[Any]]
_Droppable = Callable[[Tx], object]

BATCH = 1_000
"""Jobs in one transaction: others wait for the lock no longer than these take."""
QUEUE = 10_000
"""Jobs of each class that may wait. A storm of packets, or a disk that stays full, must not fill the memory."""
RETRY_SECONDS = 1.0
"""How long a database in trouble is left alone when only history is waiting."""

log = logging.getLogger(__name__)


class Writer:
    """One thread that writes to the site, until `close`.

    `opener` connects to the database, at the first job and again after trouble; it may raise StoreError.

    Jobs are of two classes. Somebody waits for one that was submitted: its future gets what it returned or raised,
    after the commit, or a StoreError if the database cannot be used. Nobody waits for a droppable one (history,
    sightings): it waits for better times if the database is in trouble, and the oldest are dropped and counted when
    there are too many.
    """

    def __init__(
        self,
        opener: Callable[[], Link],
        user: str = "",
        *,
        clock: Callable[[], datetime] | None = None,
        queue: int = QUEUE,
    ) -> None:
        self._opener = opener
        self._user = user
        self._clock = clock or (lambda: datetime.now(UTC))
        self._queue = queue
        self._link: Link | None = None
        self._submitted: deque[_Job] = deque()
        self._droppable: deque[_Droppable] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._failing = False
        self.dropped = 0
        """droppable jobs that were never written"""
        self._thread = threading.Thread(target=self._work, name="site-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Tx], T]) -> Future[T]:
        """Runs `job` in a transaction soon; its result is known when it is durable. From any thread."""
        future: Future[T] = Future()
        with self._changed:
            if self._closing:
                future.set_exception(StoreError("the service is stopping", temporary=True))
            elif len(self._submitted) >= self._queue:
                future.set_exception(StoreError("too many changes wait for the database", temporary=True))
            else:
                self._submitted.append((job, future))
                self._changed.notify()
        return future

    def submit_droppable(self, job: _Droppable) -> None:
        """Runs `job` in a transaction when it can be; never waits, never fails. From any thread."""
        with self._changed:
            self._droppable.append(job)
            self._drop_oldest()
            self._changed.notify()

    def close(self) -> None:
        """Writes what is waiting, once, and ends the thread. Droppable jobs that cannot be written are lost."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            submitted, droppable = batch
            try:
                outcomes = self._write(submitted, droppable)
            except Exception as error:  # the thread must outlive any trouble, and nobody may wait for ever
                self._failed(error, droppable)
                for _, future in submitted:
                    future.set_exception(error)
            else:
                self._succeeded()
                for settle, outcome in outcomes:
                    settle(outcome)
        self._disconnect()

    def _next_batch(self) -> tuple[list[_Job], list[_Droppable]] | None:
        """What waits, as soon as something does; None at the end."""
        with self._changed:
            if self._failing:
                self._changed.wait_for(lambda: self._submitted or self._closing, RETRY_SECONDS)
            self._changed.wait_for(lambda: self._submitted or self._droppable or self._closing)
            submitted = [self._submitted.popleft() for _ in range(min(BATCH, len(self._submitted)))]
            # in trouble (the last free block of a disk), what somebody waits for goes alone
            room = 0 if self._failing and submitted else BATCH - len(submitted)
            droppable = [self._droppable.popleft() for _ in range(min(room, len(self._droppable)))]
        if not submitted and not droppable:
            return None
        # a future that its owner cancelled while it waited is not wanted any more
        return [(job, future) for job, future in submitted if future.set_running_or_notify_cancel()], droppable

    def _write(self, submitted: list[_Job], droppable: list[_Droppable]) -> list[tuple[Callable[[Any], None], Any]]:
        """One transaction for all; what to tell each future once it is committed."""
        if self._link is None:
            self._link = self._opener()
        outcomes: list[tuple[Callable[[Any], None], Any]] = []
        with self._link.transaction():
            for job, future in submitted:
                try:
                    result = self._run(self._link, job)
                except StoreError:
                    raise
                except BaseException as error:  # whatever it is, it belongs to the one who waits
                    outcomes.append((future.set_exception, error))
                else:
                    outcomes.append((future.set_result, result))
            for unawaited in droppable:
                try:
                    self._run(self._link, unawaited)
                except StoreError:
                    raise
                except Exception:
                    log.exception("a line of history could not be made")
        return outcomes

    def _run(self, link: Link, job: Callable[[Tx], T]) -> T:
        with link.savepoint():
            return job(SqlTx(link, self._user, self._clock()))

    def _failed(self, error: Exception, droppable: list[_Droppable]) -> None:
        """Keeps what nobody waits for, for another time, and starts anew with another connection."""
        self._disconnect()
        if not isinstance(error, StoreError):
            log.error("changes were lost by a fault of the program", exc_info=error)
        elif not self._failing:
            log.error("%s; history waits", error)
        with self._changed:
            self._failing = True
            if isinstance(error, StoreError) and not self._closing:
                self._droppable.extendleft(reversed(droppable))
                self._drop_oldest()
            else:
                self.dropped += len(droppable)

    def _succeeded(self) -> None:
        if self._failing:
            self._failing = False
            log.warning("the database can be written again; %d lines of history were lost so far", self.dropped)

    def _drop_oldest(self) -> None:
        while len(self._droppable) > self._queue:
            self._droppable.popleft()
            self.dropped += 1

    def _disconnect(self) -> None:
        if self._link is not None:
            with suppress(StoreError):
                self._link.close()
            self._link = None
