"""The service's only writer: jobs from anywhere, run in one thread, committed together.

A commit that must survive a power cut waits for the disk, a millisecond or ten. Whatever was submitted while one commit
waited goes into the next as one transaction, each job in a savepoint of its own, so a thousand computers that boot at
once cost a few commits, and a job that fails harms no other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from pxed.errors import StoreError
from pxed.site.sql.edits import LINES
from pxed.site.sql.link import Link
from pxed.site.sql.transaction import SqlTx
from pxed.site.store import Line, Tx

T = TypeVar("T")
_Job = tuple[Callable[[Tx], Any], Future[Any]]
_Droppable = Callable[[Tx], object]

BATCH = 1_000
"""Jobs in one transaction: others wait for the lock no longer than these take."""
QUEUE = 10_000
"""Jobs of each class that may wait. A storm of packets, or a disk that stays full, must not fill the memory."""
RETRY_SECONDS = 1.0
"""How long a database in trouble is left alone when only history is waiting."""
HISTORY_SECONDS = 0.25
"""Droppable jobs are written no more often: in a storm of packets the processor belongs to the answers."""
HISTORY_BATCH = 64
"""Droppable jobs written at one time, besides lines of history: a claim waits behind no more, and sightings made up by
a stranger cost no more."""
COMMIT_SECONDS = 0.01
"""Transactions begin no more often: what a storm of computers submits meanwhile goes into the same one, and each costs
as much processor as some answers."""
PAUSE_SECONDS = 0.0005
"""Before a droppable job, or LINES of history, as long as nobody waits for anything: a thread that computes on and on
is given a processor for 4 ms at a time, for which answers would wait where there is no other."""

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
        self._droppable: deque[_Droppable] = deque(maxlen=queue)
        self._lines: deque[Line] = deque(maxlen=queue)
        self._next_history = float("-inf")
        self._changed = threading.Condition()
        self._idle = False
        self._closing = threading.Event()
        self._failing = False
        self.dropped = 0
        """droppable jobs that were never written"""
        self._thread = threading.Thread(target=self._work, name="site-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Tx], T]) -> Future[T]:
        """Runs `job` in a transaction soon; its result is known when it is durable. From any thread."""
        future: Future[T] = Future()
        with self._changed:
            if self._closing.is_set():
                future.set_exception(StoreError("the service is stopping", temporary=True))
            elif len(self._submitted) >= self._queue:
                future.set_exception(StoreError("too many changes wait for the database", temporary=True))
            else:
                self._submitted.append((job, future))
                self._changed.notify()
        return future

    def submit_droppable(self, job: _Droppable) -> None:
        """Runs `job` in a transaction when it can be; never waits, never fails. From any thread.

        A storm of packets comes through here: no lock is taken unless the thread sleeps.
        """
        queue: deque[Any] = self._lines if isinstance(job, Line) else self._droppable
        self.dropped += len(queue) == self._queue
        queue.append(job)
        if self._idle:
            with self._changed:
                self._changed.notify()

    def close(self) -> None:
        """Writes what is waiting, once, and ends the thread. Droppable jobs that cannot be written are lost."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            next_commit = time.monotonic() + COMMIT_SECONDS
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
            self._closing.wait(max(0.0, next_commit - time.monotonic()))
        self._disconnect()

    def _next_batch(self) -> tuple[list[_Job], list[_Droppable]] | None:
        """What waits, as soon as something does and it is time for it; None at the end."""
        with self._changed:
            if self._failing:
                self._changed.wait_for(lambda: self._submitted or self._closing.is_set(), RETRY_SECONDS)
            while not self._submitted and not self._closing.is_set() and (seconds := self._history_due()) > 0:
                self._changed.wait(seconds if seconds < float("inf") else None)
            self._idle = False
            submitted = [self._submitted.popleft() for _ in range(min(BATCH, len(self._submitted)))]
            # in trouble (the last free block of a disk), what somebody waits for goes alone
            alone = submitted and (self._failing or (self._history_due() > 0 and not self._closing.is_set()))
            droppable = [] if alone else self._next_history_batch()
        if not submitted and not droppable:
            return None
        # a future that its owner cancelled while it waited is not wanted any more
        return [(job, future) for job, future in submitted if future.set_running_or_notify_cancel()], droppable

    def _history_due(self) -> float:
        """Seconds until droppable jobs are to be written, not more than 0 if now; infinite if there are none."""
        # said before it is looked: who submits either is seen here or sees that somebody sleeps
        self._idle = True
        if not self._droppable and not self._lines:
            return float("inf")
        self._idle = False
        return self._next_history - time.monotonic()

    def _next_history_batch(self) -> list[_Droppable]:
        self._next_history = time.monotonic() + HISTORY_SECONDS
        jobs: list[_Droppable] = [self._droppable.popleft() for _ in range(min(HISTORY_BATCH, len(self._droppable)))]
        return jobs + [self._lines.popleft() for _ in range(len(self._lines))]

    def _write(self, submitted: list[_Job], droppable: list[_Droppable]) -> list[tuple[Callable[[Any], None], Any]]:
        """One transaction for all; what to tell each future once it is committed."""
        outcomes: list[tuple[Callable[[Any], None], Any]] = []
        with self._transaction() as link:
            for job, future in submitted:
                try:
                    result = self._run(link, job)
                except StoreError:
                    raise
                except BaseException as error:  # whatever it is, it belongs to the one who waits
                    outcomes.append((future.set_exception, error))
                else:
                    outcomes.append((future.set_result, result))
            for unawaited in _in_pieces(droppable):
                if not submitted:
                    self._give_way()
                try:
                    self._run(link, unawaited)
                except StoreError:
                    raise
                except Exception:
                    log.exception("a line of history could not be made")
        return outcomes

    def _give_way(self) -> None:
        """Leaves the processor to others for a moment, unless somebody waits for this thread."""
        with self._changed:
            if not self._submitted and not self._closing.is_set():
                self._changed.wait(PAUSE_SECONDS)

    @contextmanager
    def _transaction(self) -> Iterator[Link]:
        """On another connection if the one there was has broken since it was used."""
        with ExitStack() as stack:
            if self._link is not None:
                try:
                    stack.enter_context(self._link.transaction())
                except StoreError:
                    if not self._link.is_lost:
                        raise
                    self._disconnect()
            if self._link is None:
                self._link = self._opener()
                stack.enter_context(self._link.transaction())
            yield self._link

    def _run(self, link: Link, job: Callable[[SqlTx], T]) -> T:
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
            if isinstance(error, StoreError) and not self._closing.is_set():
                self._put_back(self._lines, [job for job in droppable if isinstance(job, Line)])
                self._put_back(self._droppable, [job for job in droppable if not isinstance(job, Line)])
            else:
                self.dropped += len(droppable)

    def _succeeded(self) -> None:
        if self._failing:
            self._failing = False
            log.warning("the database can be written again; %d lines of history were lost so far", self.dropped)

    def _put_back(self, queue: deque[Any], jobs: Sequence[_Droppable]) -> None:
        """Before those that came later; the oldest are dropped if there is no room."""
        room = max(0, self._queue - len(queue))
        self.dropped += max(0, len(jobs) - room)
        queue.extendleft(reversed(jobs[-room:] if room else []))

    def _disconnect(self) -> None:
        if self._link is not None:
            with suppress(StoreError):
                self._link.close()
            self._link = None


def _in_pieces(droppable: Sequence[_Droppable]) -> Iterator[Callable[[SqlTx], object]]:
    """Jobs one by one, then lines of history many at a time."""
    lines = [job for job in droppable if isinstance(job, Line)]
    yield from (job for job in droppable if not isinstance(job, Line))
    for start in range(0, len(lines), LINES):
        yield partial(SqlTx.add_lines, lines=lines[start : start + LINES])
