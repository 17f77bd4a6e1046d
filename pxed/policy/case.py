"""One decision while it is made: what the rules read, and where they leave what they found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pxed.config import Config
from pxed.policy.facts import Facts
from pxed.policy.identify import Identity
from pxed.policy.membership import NOWHERE, Membership
from pxed.policy.verdict import Choice, Finding
from pxed.policy.words import Words
from pxed.site.model import Advertisement, Evidence, Plan
from pxed.wire.architecture import LOADER_KEYS


@dataclass(slots=True)
class Case:
    """One decision while it is made: what is asked about, and what the rules found so far."""

    facts: Facts
    evidence: Evidence
    plan: Plan
    config: Config
    now: datetime
    trail: list[Finding] = field(default_factory=list)
    identity: Identity | None = None
    membership: Membership = NOWHERE
    """in which collections it is"""
    candidates: tuple[Choice, ...] = ()
    """newest first"""
    passed_over: tuple[tuple[Advertisement, Words], ...] = ()
    """those that reach it and are not offered now, each with the reason, newest first"""
    due: Choice | None = None
    """the mandatory one that this computer is to get now, unless the guard takes it back"""
    held_back: Words | None = None
    """the guard's objection to it"""

    @property
    def firmware(self) -> str:
        """What it asks with, as `[loaders]` and the rules of collections name it."""
        return LOADER_KEYS.get(self.facts.architecture.code, "")

    @property
    def known_identity(self) -> Identity:
        """The identity, for the rules after `identity`."""
        assert self.identity is not None  # noqa: S101 - the order of RULES guarantees it
        return self.identity
