"""Whom to switch on for a mandatory advertisement, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from pxed.config import Config
from pxed.policy.facts import Stage
from pxed.policy.guard import HandOut, objection
from pxed.policy.rerun import Run, run_of
from pxed.policy.schedule import timetable_of
from pxed.site.model import Advertisement, Computer, Kind, Plan, PxeRecord, RecordState
from pxed.site.restraints import Restraints

LATEST = timedelta(hours=1)
"""A service point that was down at the assignment wakes nobody later than this: people do not expect it any more."""


def assignment_to_wake_for(advertisement: Advertisement, plan: Plan, now: datetime) -> datetime | None:
    """The assignment that has just fallen due and for which computers are to be woken; None if there is none."""
    sequence = plan.sequences.get(advertisement.sequence)
    if not (advertisement.wake and advertisement.enabled and advertisement.pxe):
        return None
    if advertisement.kind is not Kind.MANDATORY or sequence is None or not sequence.enabled:
        return None
    due = timetable_of(advertisement).last_due(now)
    return due if due is not None and now - due < LATEST else None


def to_wake(
    advertisement: Advertisement,
    assigned_at: datetime,
    computers: Iterable[Computer],
    records: Iterable[PxeRecord],
    restraints: Restraints,
    config: Config,
    now: datetime,
) -> Iterator[Computer]:
    """Those of `computers`, which the advertisement reaches, that it would be handed out to if they booted now.

    `records` are those of this advertisement. Hourly limits are not looked at: whoever
    comes too late for this hour waits at a later boot.
    """
    kept = {record.subject: record for record in records}
    consume, attempts = RecordState(config.responder.consume), config.responder.attempts
    for computer in computers:
        record = kept.get(str(computer.id))
        run = run_of(record, advertisement.rerun, assigned_at, Stage.FIRMWARE, now, consume, attempts)
        if not computer.macs or run is Run.SPENT:
            continue
        if objection(HandOut(advertisement, computer, frozenset()), restraints, config.guard) is None:
            yield computer
