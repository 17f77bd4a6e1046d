"""Verdicts: the outcome of a decision, each with the trail of rules that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pxed.policy.identify import Identity
from pxed.policy.words import Words
from pxed.site.boot_image import ImageVariant
from pxed.site.model import EPOCH, Advertisement, PasswordScope


class Finding(NamedTuple):
    """What one rule asked and found."""

    rule: str
    """the rule's stable name, such as `unknown-support`"""
    words: Words
    """what it found, as a sentence for people"""

    @property
    def text(self) -> str:
        """The sentence, made only if somebody reads it: most findings of a storm of packets are not read."""
        return str(self.words)


@dataclass(frozen=True, slots=True)
class Lock:
    """What has to be opened with a password."""

    scope: PasswordScope
    scope_id: int
    people: tuple[str, ...]
    """whose passwords open it; the empty name is that of the one that people share"""

    def __str__(self) -> str:
        """As it stands in a sentence."""
        people = ", ".join(person or "whoever knows the shared one" for person in self.people)
        return f"that of the {self.scope}, for {people}"


@dataclass(frozen=True, slots=True)
class Choice:
    """An advertisement that the computer gets, with what it boots for it."""

    advertisement: Advertisement
    image_id: int
    variant: ImageVariant
    assigned_at: datetime = EPOCH
    """of a mandatory one: when it fell due last"""
    lock: Lock | None = None
    """the password that somebody has to know first; None if none is needed"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Base of the outcomes. `trail` is never empty; its last finding ended the decision."""

    trail: tuple[Finding, ...]
    identity: Identity | None
    """who it is; None if the decision ended before that was asked, or if the verdict stands for many (`alike.py`)"""

    @property
    def rule(self) -> str:
        """Name of the rule that made this verdict."""
        return self.trail[-1].rule

    @property
    def reason(self) -> str:
        """What that rule found."""
        return self.trail[-1].text


@dataclass(frozen=True, slots=True)
class Ignore(Verdict):
    """Silence."""

    retry_after: float | None = None
    """seconds after which the same packet would get another verdict (only from the rule `delay`)"""


@dataclass(frozen=True, slots=True)
class Abort(Verdict):
    """Known, and nothing to do: go on to the next boot device."""


@dataclass(frozen=True, slots=True)
class Wait(Verdict):
    """Unknown: wait at the boot loader until somebody approves of it."""


@dataclass(frozen=True, slots=True)
class Boot(Verdict):
    """Boot one of `choices`: without a question if `mandatory` (then there is one), else if a person presses F12."""

    choices: tuple[Choice, ...] = ()
    mandatory: bool = False
    collections: frozenset[int] = frozenset()
    """of a mandatory one: the ids of all collections that hold the computer, for which its hand-out counts"""
    architecture: int | None = None
    """of a mandatory one: what the computer asks with, by its number in option 93"""

    @property
    def starts_by_itself(self) -> bool:
        """Whether nobody is asked for anything. The try of a mandatory one with a password begins when it is given, so
        that boots without anybody there do not use the tries up."""
        return self.mandatory and self.choices[0].lock is None
