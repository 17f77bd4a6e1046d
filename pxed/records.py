"""Keeps the PXE records while computers boot: every change is one transaction in the writer's queue.

Two kinds of change exist. What may be late (offers, history, sightings, "boot image fetched") is queued and forgotten.
What must be durable before anything follows (the claim behind a boot script, the agent's reports) is awaited: no script
with a grant and no task sequence leaves before its state is on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime

from pxed.boot.token import Grant
from pxed.config import Config
from pxed.errors import Refused
from pxed.policy import record as machine
from pxed.policy.facts import Stage
from pxed.policy.guard import HandOut, counts_needed, excess, objection
from pxed.policy.rerun import Run, run_of
from pxed.policy.schedule import timetable_of
from pxed.policy.verdict import Boot, Choice
from pxed.policy.words import Words
from pxed.site.event import EventKind
from pxed.site.model import EPOCH, Advertisement, Kind, PxeRecord, RecordState, Sighting
from pxed.site.restraints import Tally
from pxed.site.sizes import Sizes
from pxed.site.store import Jobs, Line, Tx

log = logging.getLogger("pxed.record")

_TRACKED_GRANTS = 4096
"""Grants whose fetched files are remembered; the oldest go first (their `booting` is then told by the agent)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the agent says about its try."""

    state: RecordState | None
    """RUNNING, SUCCEEDED or FAILED; None for a word about a step"""
    boot: str
    """the boot id of the running system"""
    text: str


class Records:
    """The service's hand on the PXE records; `config` may be exchanged while it runs."""

    def __init__(self, writer: Jobs, config: Config, clock: Callable[[], datetime]) -> None:
        self.config = config
        self._writer = writer
        self._clock = clock
        self._sizes = Sizes()
        self._fetched: OrderedDict[tuple[int, int], set[str]] = OrderedDict()

    def later(self, job: Callable[[Tx], object]) -> None:
        """Runs a job when it can be; it may be late, or dropped."""
        self._writer.submit_droppable(job)

    def saw(self, sighting: Sighting) -> None:
        """An unknown computer was seen."""
        self._writer.submit_droppable(lambda tx: tx.saw(sighting))

    async def waits(self, sighting: Sighting, *, begins: bool) -> Sighting | None:
        """An unknown computer waits for approval, durable; as in `Tx.waits`. StoreError if it cannot be written."""
        return await asyncio.wrap_future(self._writer.submit(lambda tx: tx.waits(sighting, begins=begins)))

    def ends_waiting(self, sighting_id: int) -> None:
        """It does not wait any longer."""
        self._writer.submit_droppable(lambda tx: tx.end_wait(sighting_id))

    def heard(self, computer_id: int, architecture: int) -> None:
        """A known computer asked with firmware that it was not known to have."""
        self._writer.submit_droppable(lambda tx: tx.heard(computer_id, architecture))

    def note_verdict(self, subject: str, text: str, now: datetime, kind: EventKind = EventKind.VERDICT) -> None:
        """A line of history."""
        self._writer.submit_droppable(Line(now, kind, subject, text))

    def note_transfer(self, grant: Grant, text: str) -> None:
        """A line of history about a file that was fetched with a grant."""
        now = self._clock()

        def job(tx: Tx) -> None:
            record = tx.record(grant.record_id)
            if record is not None:
                tx.add_event(now, EventKind.TRANSFER, record.subject, text)

        self._writer.submit_droppable(job)

    def offered(self, subject: str, advertisement: Advertisement, stage: Stage, now: datetime) -> None:
        """A mandatory verdict was given: its try begins, unless it is under way already."""

        def job(tx: Tx) -> None:
            before = _find(tx, subject, advertisement.id)
            after = self._offer(before, subject, advertisement, stage, now)
            if after is not None and after is not before:
                _save(tx, after, now, advertisement.name, before)

        self._writer.submit(job).add_done_callback(_report_failure)

    async def admit(self, subject: str, advertisement: Advertisement) -> PxeRecord:
        """The try that somebody who knew the password may start, durable in state `offered`; errors as of `claim`."""
        now = self._clock()

        def job(tx: Tx) -> PxeRecord:
            before = _find(tx, subject, advertisement.id)
            # as a boot loader that begins: a try that was claimed already is an earlier boot's
            offered = self._offer(before, subject, advertisement, Stage.LOADER, now)
            if offered is None:
                raise Refused(f"{advertisement.name} has run meanwhile")
            return offered if offered is before else _save(tx, offered, now, advertisement.name, before)

        return await asyncio.wrap_future(self._writer.submit(job))

    async def claim(self, verdict: Boot, choice: Choice, admitted: tuple[int, int] | None = None) -> PxeRecord:
        """The try for which a boot script may now be handed out, durable.

        With `admitted` (record and try) it has to be that very try, and not to have been claimed before. Refused or
        NotFound if it may not: meanwhile the advertisement has run or is gone, another service point hands it out, or
        the guard holds it back. StoreError if it cannot be made durable.
        """
        now = self._clock()

        def job(tx: Tx) -> PxeRecord | str:
            advertisement = tx.advertisement(choice.advertisement.id)
            if admitted is not None:
                _require_fresh(_find(tx, _subject(verdict), advertisement.id), admitted)
            return self._claim(tx, verdict, advertisement, now)

        future = self._writer.submit(job)
        future.add_done_callback(self._forget_sizes)
        claimed = await asyncio.wrap_future(future)
        if isinstance(claimed, str):
            raise Refused(claimed)
        return claimed

    def _claim(self, tx: Tx, verdict: Boot, advertisement: Advertisement, now: datetime) -> PxeRecord | str:
        """The try, or why the guard holds it back."""
        assert verdict.identity is not None  # noqa: S101 - a Boot has one
        subject = verdict.identity.subject
        if not advertisement.enabled:
            raise Refused(f"{advertisement.name} was disabled meanwhile")
        before = _find(tx, subject, advertisement.id)
        offered = self._offer(before, subject, advertisement, Stage.SCRIPT, now)
        if offered is None:
            raise Refused(f"{advertisement.name} has run meanwhile")
        loading = machine.claim(offered, now, self.config.point)
        if loading is None:
            raise Refused(f"service point {offered.point!r} serves this boot")
        is_first = loading is not before
        if advertisement.kind is Kind.MANDATORY:
            computer = verdict.identity.computer
            if computer is not None and verdict.architecture is not None:
                tx.heard(computer.id, verdict.architecture)  # it may be a member by that, and counts as one
            hand_out = HandOut(advertisement, computer, verdict.collections)
            if (reason := self._objection(tx, hand_out, is_first=is_first)) is not None:
                if before is not None and before.state is RecordState.OFFERED and before.tries == 1:
                    tx.delete_record(before.id)  # nothing was handed out, and holding back is no try
                tx.add_event(now, EventKind.GUARD, subject, f"{advertisement.name!r} is held back: {reason}")
                return str(reason)
            if is_first:
                tx.add_hand_out(subject, advertisement.id, verdict.collections)
        return _save(tx, loading, now, advertisement.name, before) if is_first else loading

    def _objection(self, tx: Tx, hand_out: HandOut, *, is_first: bool) -> Words | None:
        """What the guard says at this very instant. A try is counted when it is claimed first."""
        computer, restraints, settings = hand_out.computer, tx.restraints(), self.config.guard
        if computer is not None and computer.protected != tx.is_protected(computer.id):
            hand_out = replace(hand_out, computer=replace(computer, protected=not computer.protected))
        reason = objection(hand_out, restraints, settings)
        if reason is None and is_first and counts_needed(hand_out, restraints, settings):
            size = self._size(tx, hand_out.advertisement) if settings.collection_size else 0
            reason = excess(hand_out, restraints, settings, Tally(tx.hand_outs(), size))
        return reason

    def _size(self, tx: Tx, advertisement: Advertisement) -> int:
        def count(collection_id: int, deep: bool) -> int:
            return tx.count_members(collection_id, include_subcollections=deep)

        return self._sizes.of(advertisement, tx.change(), count)

    def _forget_sizes(self, future: Future[PxeRecord | str]) -> None:
        """What was counted in a transaction that came to nothing: its change number will be another change's. The
        writer's thread says so before it begins the next one."""
        if not future.cancelled() and future.exception() is not None:
            self._sizes = Sizes()

    def fetched(self, grant: Grant, name: str, wanted: frozenset[str]) -> None:
        """A file of the grant's boot image was sent whole; once all of `wanted` were, the try is `booting`."""
        key = (grant.record_id, grant.try_number)
        names = self._fetched.setdefault(key, set())
        names.add(name)
        if len(self._fetched) > _TRACKED_GRANTS:
            self._fetched.popitem(last=False)
        if not wanted <= names:
            return
        del self._fetched[key]
        now = self._clock()

        def job(tx: Tx) -> None:
            record = tx.record(grant.record_id)
            booting = record and machine.advance(record, RecordState.BOOTING, grant.try_number, now)
            if booting:
                _save(tx, booting, now)

        self._writer.submit(job).add_done_callback(_report_failure)

    async def report(self, grant: Grant, report: Report) -> PxeRecord | None:
        """The agent's word, durable on return; None if its try is not the one that counts (cleared, older, another).

        A repeated report is taken as the first one was.
        """
        now = self._clock()

        def job(tx: Tx) -> PxeRecord | None:
            record = tx.record(grant.record_id)
            if record is None or record.tries != grant.try_number:
                return None
            if report.state is None:
                if record.state is not RecordState.RUNNING or record.agent_boot != report.boot:
                    return None
                after = replace(record, changed_at=now, message=report.text)
                if record.message != report.text:
                    tx.add_event(now, EventKind.STATE, record.subject, report.text)
                    tx.save_record(after)
                return after
            if record.state is report.state and record.agent_boot == report.boot:
                return record
            next_record = machine.advance(
                record, report.state, grant.try_number, now, agent_boot=report.boot, message=report.text
            )
            return _save(tx, next_record, now) if next_record else None

        return await asyncio.wrap_future(self._writer.submit(job))

    def _offer(
        self, before: PxeRecord | None, subject: str, advertisement: Advertisement, stage: Stage, now: datetime
    ) -> PxeRecord | None:
        """The try under way or a new one; None if a mandatory advertisement is spent."""
        point = self.config.point
        if advertisement.kind is Kind.OPTIONAL:
            return machine.offer(before, subject, advertisement.id, stage, now, point=point)
        settings = self.config.responder
        assigned_at = timetable_of(advertisement).last_due(now) or EPOCH
        consume = RecordState(settings.consume)
        run = run_of(before, advertisement.rerun, assigned_at, stage, now, consume, settings.attempts)
        if run is Run.SPENT:
            return None
        anew = run is Run.ANEW
        return machine.offer(
            before, subject, advertisement.id, stage, now, assigned_at=assigned_at, point=point, anew=anew
        )


def _find(tx: Tx, subject: str, advertisement_id: int) -> PxeRecord | None:
    return next((record for record in tx.records(subject) if record.advertisement_id == advertisement_id), None)


def _subject(verdict: Boot) -> str:
    assert verdict.identity is not None  # noqa: S101 - a Boot has one
    return verdict.identity.subject


def _require_fresh(record: PxeRecord | None, admitted: tuple[int, int]) -> None:
    """Refused unless the try that was admitted has not been claimed since."""
    if record is None or (record.id, record.tries) != admitted or record.state is not RecordState.OFFERED:
        raise Refused("this password was used already, or for an earlier boot")


def _save(
    tx: Tx, record: PxeRecord, now: datetime, advertisement: str = "", before: PxeRecord | None = None
) -> PxeRecord:
    """Saves `record` in the place of `before`, and says in the history what happened."""
    if before is not None and not record.id:
        tx.delete_record(before.id)
    saved = tx.save_record(record)
    if before is not None and (before.id, before.tries, before.state) == (saved.id, saved.tries, saved.state):
        return saved  # nothing but the service point is another
    about = f"{advertisement!r}, " if advertisement else ""
    words = f": {saved.message}" if saved.message else ""
    tx.add_event(now, EventKind.STATE, saved.subject, f"{about}try {saved.tries}: {saved.state}{words}")
    return saved


def _report_failure(future: Future[None]) -> None:
    error = future.exception()
    if error is not None:
        log.error("a state could not be written: %s", error)
