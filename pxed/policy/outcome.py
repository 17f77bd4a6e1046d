"""Verdicts in a word each, for counting them."""

from __future__ import annotations

from enum import StrEnum

from pxed.policy.decide import is_held_back
from pxed.policy.verdict import Abort, Boot, Verdict, Wait


class Outcome(StrEnum):
    """What becomes of a computer that boots from the network."""

    INSTALL = "install"
    """it boots what is mandatory, without a question"""
    PASSWORD = "password"  # noqa: S105 - no password
    """it would, if somebody typed a password"""
    ASK = "ask"
    """it asks for F12"""
    WAIT = "wait"
    """it waits for approval"""
    HELD_BACK = "held back"
    """the guard keeps back what is due, and it goes on to its disk"""
    DISK = "disk"
    """nothing to do"""
    SILENCE = "no answer"


def outcome_of(verdict: Verdict) -> Outcome:
    """The word for it."""
    match verdict:
        case Boot(mandatory=True):
            return Outcome.INSTALL if verdict.starts_by_itself else Outcome.PASSWORD
        case Boot():
            return Outcome.ASK
        case Wait():
            return Outcome.WAIT
        case _ if is_held_back(verdict):
            return Outcome.HELD_BACK
        case Abort():
            return Outcome.DISK
        case _:
            return Outcome.SILENCE
