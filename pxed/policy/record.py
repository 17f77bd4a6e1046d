"""The PXE record as a state machine: which try is under way, which counts as run, what may follow what.

    (none) --offer--> offered --> loading --> booting --> running --> succeeded | failed
                         ^___________|___________|__________|  a new boot, while not spent: the next try

States only move forward within a try. A message that arrives twice, late, or from an older try changes nothing. The
functions take a record and return the next one, or None if nothing may change; the caller makes each one transaction.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pxed.policy.facts import Stage
from pxed.site.model import PxeRecord, RecordState

REPEAT_WINDOW = timedelta(minutes=2)
"""A firmware DISCOVER this soon after an offer repeats it and is no new boot: EDK2 and PXE 2.1 clients send theirs over
60 seconds (4, 8, 16, 32)."""

BOOT_WINDOW = timedelta(minutes=10)
"""From the offer to the boot loader's script: longer than any firmware takes for its boot loader, shorter than a person
needs to give up and switch on again."""

_RANK = {state: rank for rank, state in enumerate(RecordState)}
_FINAL = frozenset({RecordState.SUCCEEDED, RecordState.FAILED})
_EARLY = frozenset({RecordState.OFFERED, RecordState.LOADING})


def is_under_way(record: PxeRecord, stage: Stage, now: datetime) -> bool:
    """True if a packet of `stage` belongs to the boot for which the record's latest try was offered."""
    age = now - record.offered_at
    if stage is Stage.FIRMWARE:
        return record.state is RecordState.OFFERED and timedelta(0) <= age < REPEAT_WINDOW
    states = {RecordState.OFFERED} if stage is Stage.LOADER else _EARLY
    return record.state in states and timedelta(0) <= age < BOOT_WINDOW


def is_spent(record: PxeRecord, consume: RecordState, attempts: int) -> bool:
    """True if the advertisement counts as run, or if all tries were used.

    `consume` is the state from which on a try counts as run. A failed try has passed `booting`, but never `succeeded`.
    """
    if consume is RecordState.SUCCEEDED:
        consumed = record.state is RecordState.SUCCEEDED
    else:
        consumed = _RANK[record.state] >= _RANK[consume]
    return consumed or record.tries >= attempts


def offer(record: PxeRecord | None, subject: str, advertisement_id: int, stage: Stage, now: datetime) -> PxeRecord:
    """The record after a verdict was given: the try under way, or a new one in state `offered`.

    A new record has id 0 until it is saved.
    """
    if record is None:
        return PxeRecord(0, subject, advertisement_id, RecordState.OFFERED, 1, now, now, "", "")
    if is_under_way(record, stage, now):
        return record
    return replace(
        record,
        state=RecordState.OFFERED,
        tries=record.tries + 1,
        offered_at=now,
        changed_at=now,
        agent_boot="",
        message="",
    )


def advance(
    record: PxeRecord, state: RecordState, try_number: int, now: datetime, agent_boot: str = "", message: str = ""
) -> PxeRecord | None:
    """The record after try `try_number` reached `state`; None if that try is not the latest or was further already.

    From `running` on the reports carry the boot id of the running system. The first one binds the try to that boot;
    another system with the same token (the same boot image started twice) is refused.
    """
    if try_number != record.tries or record.state in _FINAL or _RANK[state] <= _RANK[record.state]:
        return None
    if record.agent_boot and agent_boot != record.agent_boot:
        return None
    if state in _FINAL and record.state is not RecordState.RUNNING:
        return None
    return replace(record, state=state, changed_at=now, agent_boot=agent_boot or record.agent_boot, message=message)
