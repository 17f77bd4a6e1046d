"""How far an advertisement has got on one computer, in the words of reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pxed.config import Config
from pxed.policy.guard import HandOut, objection
from pxed.policy.record import is_spent
from pxed.site.model import Advertisement, Computer, Kind, PxeRecord, RecordState
from pxed.site.restraints import Restraints


class Progress(StrEnum):
    """What a deployment report counts, in the order of a computer's way."""

    PENDING = "pending"
    """assigned or offered, and not begun"""
    HELD_BACK = "held back"
    """due, and something keeps it from being handed out"""
    UNDER_WAY = "under way"
    """handed out, and the task sequence has not reported yet"""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GIVEN_UP = "given up"
    """all tries ended before the task sequence began"""


@dataclass(frozen=True, slots=True)
class Member:
    """One computer's part in a deployment."""

    subject: str
    """as in PxeRecord"""
    name: str
    """the computer's; of an unknown one its MAC address"""
    progress: Progress
    record: PxeRecord | None
    reason: str = ""
    """why it is held back"""


_BY_STATE = {
    RecordState.OFFERED: Progress.UNDER_WAY,
    RecordState.LOADING: Progress.UNDER_WAY,
    RecordState.BOOTING: Progress.UNDER_WAY,
    RecordState.RUNNING: Progress.RUNNING,
    RecordState.SUCCEEDED: Progress.SUCCEEDED,
    RecordState.FAILED: Progress.FAILED,
}
_NOT_BEGUN = frozenset({RecordState.OFFERED, RecordState.LOADING})


def progress_of(record: PxeRecord | None, config: Config) -> Progress:
    """Of a computer with that record (None: it was never handed out)."""
    attempts = config.responder.attempts
    if record is None:
        return Progress.PENDING
    spent = is_spent(record, RecordState(config.responder.consume), attempts)
    if record.state in _NOT_BEGUN and spent and record.tries >= attempts:
        return Progress.GIVEN_UP
    return _BY_STATE[record.state]


def members_of(
    advertisement: Advertisement,
    computers: Iterable[Computer],
    records: Iterable[PxeRecord],
    restraints: Restraints,
    config: Config,
) -> Iterator[Member]:
    """Every one of `computers`, which the advertisement reaches, and then whoever else has a record of it: unknown
    computers, and those that left the collection. `records` are those of this advertisement.

    Held back is what would be held back if it booted now, as far as that needs no counting.
    """
    left = {record.subject: record for record in records}
    for computer in computers:
        record = left.pop(str(computer.id), None)
        progress, reason = progress_of(record, config), ""
        if progress is Progress.PENDING and advertisement.kind is Kind.MANDATORY:
            held_back = objection(HandOut(advertisement, computer, frozenset()), restraints, config.guard)
            if held_back is not None:
                progress, reason = Progress.HELD_BACK, str(held_back)
        yield Member(str(computer.id), computer.name, progress, record, reason)
    for subject, record in left.items():
        yield Member(subject, "", progress_of(record, config), record)
