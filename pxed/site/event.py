"""The history: what happened when, and who set what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class SetBy:
    """Who gave a value to something that decides, and when."""

    user: str
    at: datetime


class EventKind(StrEnum):
    """What a line of history is about."""

    VERDICT = "verdict"
    TRANSFER = "transfer"
    STATE = "state"
    CLEAR = "clear"
    EDIT = "edit"
    IDENTITY = "identity"
    """identifiers that disagree, and how that was settled"""
    PASSWORD = "password"  # noqa: S105 - no password
    """a password was right, wrong, or asked for too often"""
    GUARD = "guard"
    """what is due was held back, or all of it was stopped"""
    WAKE = "wake"
    """a magic packet was sent"""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of history."""

    id: int
    at: datetime
    kind: EventKind
    subject: str
    """as in PxeRecord; empty for events of the site"""
    text: str
    user: str
    """who did it on the command line; empty for the service"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines of history somebody asks for."""

    subjects: Collection[str] | None = None
    """about one of these; None: about anything"""
    kinds: Sequence[EventKind] = ()
    """of these kinds; empty: of any"""
    user: str | None = None
    """what this user did"""
    since: datetime | None = None
    """not before this instant"""


EVERYTHING = Wanted()
