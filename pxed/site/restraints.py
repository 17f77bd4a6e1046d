"""What an operator has set to hold mandatory advertisements back, and what is counted for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

THE_SITE = 0
"""Under this number the hand-outs of the whole site are counted; collections have other ids."""

HOUR = timedelta(hours=1)
"""How far back hand-outs count."""


@dataclass(frozen=True, slots=True)
class Stop:
    """All mandatory hand-outs are stopped (`pxed stop-all`)."""

    at: datetime
    by: str
    reason: str
    """in the words of whoever did it; may be empty"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many mandatory hand-outs an hour to a collection and what is below it."""

    collection: str
    """its name"""
    per_hour: int


@dataclass(frozen=True, slots=True)
class Restraints:
    """What holds for everybody."""

    stop: Stop | None = None
    limits: Mapping[int, Limit] = field(default_factory=dict)
    """by the id of the collection; those without a limit are not in it"""


@dataclass(frozen=True, slots=True)
class Tally:
    """What has been counted."""

    hand_outs: Mapping[int, int]
    """mandatory hand-outs within the last hour, by collection id and for THE_SITE; 0 for what is not there"""
    collection_size: int = 0
    """how many computers the collection of the advertisement in question has now"""
