"""How far an advertisement has got on one computer, in the words of reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from enum import StrEnum
from typing import NamedTuple

from pxed.config import Config
from pxed.policy.guard import HandOut, objection
from pxed.site.model import Advertisement, Computer, Kind, RecordState
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


class Member(NamedTuple):
    """One computer's part in a deployment."""

    subject: str
    """as in PxeRecord"""
    name: str
    """the computer's; empty if it is not told here"""
    progress: Progress
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


def progress_of(state: RecordState, tries: int, config: Config) -> Progress:
    """Of a computer whose PXE record says so; one without a record is pending."""
    if state in _NOT_BEGUN and tries >= config.responder.attempts:
        return Progress.GIVEN_UP
    return _BY_STATE[state]


def members_of(
    advertisement: Advertisement,
    computers: Iterable[tuple[int, str]],
    tries: Iterable[tuple[str, RecordState, int]],
    protected: Set[int],
    restraints: Restraints,
    config: Config,
) -> Iterator[Member]:
    """Every one of `computers` (id and name), which the advertisement reaches, and then whoever else has a record of
    it: unknown computers, and those that left the collection. `tries` tell of these records subject, state and number.

    Held back is what would be held back if it booted now, as far as that needs no counting.
    """
    left = {subject: progress_of(state, number, config) for subject, state, number in tries}
    mandatory = advertisement.kind is Kind.MANDATORY
    held_back = objection(HandOut(advertisement, None, frozenset()), restraints, config.guard) if mandatory else None
    pending, why = (Progress.HELD_BACK, str(held_back)) if held_back is not None else (Progress.PENDING, "")
    for number, name in computers:
        subject = str(number)
        progress = left.pop(subject, None)
        if progress is not None:
            yield Member(subject, name, progress)
        elif mandatory and number in protected:
            one = HandOut(advertisement, Computer(number, name, (), None, protected=True), frozenset())
            yield Member(subject, name, Progress.HELD_BACK, str(objection(one, restraints, config.guard)))
        else:
            yield Member(subject, name, pending, why)
    for subject, progress in left.items():
        yield Member(subject, "", progress)
