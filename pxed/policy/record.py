"""The PXE record as a state machine: which try is under way, which counts as run, what may follow what.

    (none) --offer--> offered --claim--> loading --fetch--> booting --begin--> running --end--> succeeded | failed
                         ^__________________|__________________|__________________|
                              a new boot, while the run is not spent: the next try

| transition | happens when | whoever is late or second finds |
|---|---|---|
| offer | a mandatory verdict is given | the try under way, unchanged |
| claim | the boot loader asks for its script | `loading` already: the same try, the same grant |
| fetch | the last file of the boot image was sent whole | a further state: nothing changes |
| begin | the agent asks for its task sequence | the try bound to another boot: refused |
| end | the agent says how it ended | a final state: nothing changes |
| clear | an operator runs `pxed clear-last` | no record; what carries its id is stale |

States only move forward within a try. A message that arrives twice, late, or from an older try changes nothing. A run
for a later assignment is a new record with an id of its own, so nothing of the older run can reach it. The functions
take a record and return the next one, or None if nothing may change; the caller makes each one transaction, so a
service that is killed leaves the state before or the state after.

Several service points may share one segment and one database. All hear a broadcast, and a computer then talks to one of
them. Each try belongs to the point that gave it, and whoever moves it to `loading` first has it:

| the try under way | packet | another point |
|---|---|---|
| none | any | offers too; the first offer that is written begins the try |
| offered | broadcast (firmware, boot loader) | is silent for two minutes: by then who offered has answered or is dead |
| offered | asks this very point (port 4011, script) | takes the try over: this is the point that the computer chose |
| loading | script | refuses: the script says so and goes on to the next boot device |
| loading or later | firmware, boot loader | it is a new boot: the next try |
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pxed.policy.facts import Stage
from pxed.site.model import EPOCH, PxeRecord, RecordState

REPEAT_WINDOW = timedelta(minutes=2)
"""A firmware DISCOVER this soon after an offer repeats it and is no new boot: EDK2 and PXE 2.1 clients send theirs over
60 seconds (4, 8, 16, 32)."""

BOOT_WINDOW = timedelta(minutes=10)
"""From the offer to the boot loader's script: longer than any firmware takes for its boot loader, shorter than a person
needs to give up and switch on again."""

_RANK = {state: rank for rank, state in enumerate(RecordState)}
_FINAL = frozenset({RecordState.SUCCEEDED, RecordState.FAILED})
_EARLY = frozenset({RecordState.OFFERED, RecordState.LOADING})
_BROADCAST = frozenset({Stage.FIRMWARE, Stage.LOADER})


def is_under_way(record: PxeRecord, stage: Stage, now: datetime) -> bool:
    """True if a packet of `stage` belongs to the boot for which the record's latest try was offered."""
    age = now - record.offered_at
    if stage is Stage.FIRMWARE:
        return record.state is RecordState.OFFERED and timedelta(0) <= age < REPEAT_WINDOW
    states = {RecordState.OFFERED} if stage is Stage.LOADER else _EARLY
    return record.state in states and timedelta(0) <= age < BOOT_WINDOW


def is_anothers(record: PxeRecord, stage: Stage, now: datetime, point: str) -> bool:
    """True if service point `point` has to leave a packet of `stage` to the one that has the try (table above)."""
    if record.point in {"", point} or not is_under_way(record, stage, now):
        return False
    if stage in _BROADCAST:
        return now - record.offered_at < REPEAT_WINDOW
    return stage is Stage.SCRIPT and record.state is RecordState.LOADING


def is_claimed(record: PxeRecord, stage: Stage, now: datetime) -> bool:
    """True if the try under way is in the hands of the computer already."""
    return record.state is not RecordState.OFFERED and is_under_way(record, stage, now)


def is_spent(record: PxeRecord, consume: RecordState, attempts: int) -> bool:
    """True if the advertisement counts as run, or if all tries were used.

    `consume` is the state from which on a try counts as run. A failed try has passed `booting`, but never `succeeded`.
    """
    if consume is RecordState.SUCCEEDED:
        consumed = record.state is RecordState.SUCCEEDED
    else:
        consumed = _RANK[record.state] >= _RANK[consume]
    return consumed or record.tries >= attempts


def offer(
    record: PxeRecord | None,
    subject: str,
    advertisement_id: int,
    stage: Stage,
    now: datetime,
    *,
    assigned_at: datetime = EPOCH,
    point: str = "",
    anew: bool = False,
) -> PxeRecord:
    """The record after `point` gave a verdict: the try under way, the next one, or the first one of a new run.

    `anew` begins a run for the assignment `assigned_at`, whatever the record says of an earlier one; without it the
    next try is for that assignment too, unless the record is for a later one. A record of a new run has id 0 until it
    is saved, in the place of the old one.
    """
    if record is not None and is_under_way(record, stage, now):
        # the computer asked this very point, and the other has only offered
        chosen = stage not in _BROADCAST and record.state is RecordState.OFFERED
        return replace(record, point=point) if chosen and record.point != point else record
    if record is None or anew:
        return PxeRecord(
            0, subject, advertisement_id, RecordState.OFFERED, 1, now, now, "", "", assigned_at=assigned_at, point=point
        )
    return replace(
        record,
        state=RecordState.OFFERED,
        tries=record.tries + 1,
        offered_at=now,
        changed_at=now,
        agent_boot="",
        message="",
        assigned_at=max(record.assigned_at, assigned_at),
        point=point,
    )


def claim(record: PxeRecord, now: datetime, point: str) -> PxeRecord | None:
    """The record after `point` was asked for the script of the offered try; None if another point has it.

    The record itself if `point` has claimed it before: a boot loader may ask twice.
    """
    if record.state is RecordState.LOADING:
        return record if record.point in {"", point} else None
    loading = advance(record, RecordState.LOADING, record.tries, now)
    return replace(loading, point=point) if loading else None


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
