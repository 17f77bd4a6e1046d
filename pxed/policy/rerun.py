"""May a computer get a mandatory advertisement, again or at all? One answer for the decision and for the claim.

An advertisement falls due again and again, at its assignments; a record says for which of them its tries were. A later
assignment than that begins a new run if the rerun behaviour of the advertisement says so:

| rerun | the record's run | the new assignment |
|---|---|---|
| never | any | changes nothing |
| always | any | a new run |
| if-failed | over and not succeeded, all tries used up among them | a new run |
| if-succeeded | succeeded | a new run |

A run that is not over (tries are left) goes on in any other case; its next try is for the newest assignment. A clock
that was set back makes assignments earlier than the record's, and those change nothing.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto

from pxed.policy.facts import Stage
from pxed.policy.record import is_spent, is_under_way
from pxed.site.model import EPOCH, PxeRecord, RecordState, Rerun


class Run(Enum):
    """What a record means to an advertisement that is due."""

    FIRST = auto()
    """there is no record: the first run"""
    UNDER_WAY = auto()
    """the packet belongs to the boot for which the latest try was offered"""
    NEXT_TRY = auto()
    """the run is not over: its next try"""
    ANEW = auto()
    """a later assignment begins a run of its own"""
    SPENT = auto()
    """it has run, or its tries are used up"""


def run_of(
    record: PxeRecord | None,
    rerun: Rerun,
    assigned_at: datetime,
    stage: Stage,
    now: datetime,
    consume: RecordState,
    attempts: int,
) -> Run:
    """For a packet of `stage` from the computer with that `record`, of an advertisement whose last assignment fell due
    at `assigned_at`; `consume` and `attempts` as in `[responder]`."""
    if record is None:
        return Run.FIRST
    if is_under_way(record, stage, now):
        return Run.UNDER_WAY
    spent = is_spent(record, consume, attempts)
    if assigned_for(record) < assigned_at and _runs_again(record, rerun, spent):
        return Run.ANEW
    return Run.SPENT if spent else Run.NEXT_TRY


def assigned_for(record: PxeRecord) -> datetime:
    """The assignment that the record's tries are for. One from before that was kept was for the last one before it."""
    return record.offered_at if record.assigned_at == EPOCH else record.assigned_at


def _runs_again(record: PxeRecord, rerun: Rerun, spent: bool) -> bool:
    match rerun:
        case Rerun.NEVER:
            return False
        case Rerun.ALWAYS:
            return True
        case Rerun.IF_FAILED:
            return spent and record.state is not RecordState.SUCCEEDED
        case Rerun.IF_SUCCEEDED:
            return record.state is RecordState.SUCCEEDED
