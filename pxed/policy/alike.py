"""Clients that are alike get the same verdict, so a storm of them costs one decision.

`decide` stays the only way to a verdict: `Kept` calls it for the first of those who are alike and keeps what came out
until the plan, the configuration or an instant of the plan (`next_change`) makes another one possible. What is kept
says nothing of the one computer it was decided for (`common`).

Who adds a rule to `decide` looks here for three things:

* What the rule reads of facts and evidence has to be in the `likeness`, or the likeness has to be None for everybody
  whom the rule treats in a way of their own.
* Instants at which it would decide differently have to be in `next_change`.
* A verdict that the new rule ends is not kept unless the rule is named in `_COMMON_RULES`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from pxed.config import Config
from pxed.errors import UsageError
from pxed.policy.advertised import NO_MANDATORY, due
from pxed.policy.decide import decide, identity, name_of, nothing, optional, unknown_support
from pxed.policy.facts import Facts
from pxed.policy.membership import memberships
from pxed.policy.schedule import timetable_of
from pxed.policy.verdict import Finding, Verdict
from pxed.site.model import Advertisement, Evidence, Kind, Plan
from pxed.wire.architecture import LOADER_KEYS

_ALWAYS = float("inf")
_MOST = 4096
"""Verdicts kept at one time. There are as many as kinds of machines times sets of collections; one who invents kinds
makes everybody else's be decided again, and no more."""
_COMMON_RULES = frozenset(map(name_of, (unknown_support, optional, nothing)))
"""Rules whose verdicts may be kept. Those before `identity` cost less than being looked for."""


def likeness(facts: Facts, evidence: Evidence, plan: Plan) -> Hashable | None:
    """Equal for clients to which `decide` says the same under one `plan`; None for one who is like nobody else.

    It holds all facts but the identifiers, and of a known computer what identified it, whether it is protected, and
    its collections. Like nobody else is whoever has a PXE record, is in conflict, has to wait, or has an identifier
    that is on a list.
    """
    if facts.waited != _ALWAYS or evidence.unknown_records:
        return None
    if facts.mac in plan.ignored.macs or facts.guid in plan.ignored.guids or facts.mac in plan.shared.macs:
        return None
    known = evidence.by_mac
    for each in evidence.by_guid:
        if known is not None and each is not known:
            return None
        known = each
    kind = (facts.client, facts.architecture.code, facts.stage, facts.interface, facts.relay, facts.https)
    if known is None:
        return kind
    if known.records:
        return None
    how = evidence.by_mac is not None, bool(evidence.by_guid)
    firmware = LOADER_KEYS.get(facts.architecture.code, "")
    own = memberships(plan).of_computer(known.computer, known.collection_ids, firmware).own
    return (*kind, *how, known.computer.protected, own)


def common(verdict: Verdict) -> Verdict | None:
    """`verdict` as it holds for all who are alike, without identity; None if it is for one computer alone.

    That is one which a mandatory advertisement had a part in: what a computer did with it counts there, and what the
    guard handed out to others.
    """
    if verdict.rule not in _COMMON_RULES:
        return None
    found = {finding.rule: finding.words for finding in verdict.trail}
    if found.get(name_of(due), NO_MANDATORY) != NO_MANDATORY:
        return None
    # its sentences are told for many, so they are put together once
    trail = tuple(Finding(each.rule, each.text) for each in verdict.trail if each.rule != name_of(identity))
    return replace(verdict, trail=trail, identity=None)


def next_change(plan: Plan, now: datetime) -> datetime | None:
    """The first instant after `now` at which the plan by itself allows other verdicts; None if there is none."""
    instants = (instant for each in plan.advertisements if each.enabled for instant in _instants(each, now))
    return min((instant for instant in instants if instant is not None and instant > now), default=None)


def _instants(advertisement: Advertisement, now: datetime) -> Iterator[datetime | None]:
    yield advertisement.start
    yield advertisement.expires
    if advertisement.kind is Kind.MANDATORY:
        with suppress(UsageError):  # one that cannot be understood is passed over at any time
            yield timetable_of(advertisement).next_due(now)


def is_by_collections(plan: Plan) -> bool:
    """Whether computers in the same collections of their own are alike: no rule looks at what else they are."""
    return not any(each.rules for each in plan.collections)


class Lasting(NamedTuple):
    """A verdict and how long it holds while plan and configuration are the same."""

    verdict: Verdict
    since: datetime
    until: datetime | None
    """the first instant at which it may be another one; None if there is none"""


class Kept:
    """Verdicts by likeness."""

    def __init__(self) -> None:
        self._verdicts: dict[Hashable, Verdict] = {}
        self._plan: Plan | None = None
        self._config: Config | None = None
        self._since = datetime.max.replace(tzinfo=UTC)
        self._until: datetime | None = None

    def decide(self, facts: Facts, evidence: Evidence, plan: Plan, config: Config, now: datetime) -> Verdict:
        """As `decide` from `pxed.policy.decide`; for clients that have somebody alike it is the `common` verdict."""
        if not self._holds(plan, config, now):
            self._begin(plan, config, now)
        alike = likeness(facts, evidence, plan)
        if alike is None:
            return decide(facts, evidence, plan, config, now)
        kept = self._verdicts.get(alike)
        if kept is None:
            verdict = decide(facts, evidence, plan, config, now)
            kept = common(verdict)
            if kept is None:
                return verdict
            if len(self._verdicts) >= _MOST:
                self._verdicts.clear()
            self._verdicts[alike] = kept
        return kept

    def find(self, facts: Facts, evidence: Evidence, plan: Plan, config: Config, now: datetime) -> Lasting | None:
        """What is kept for clients like this one; None if nothing is."""
        alike = likeness(facts, evidence, plan) if self._holds(plan, config, now) else None
        kept = self._verdicts.get(alike) if alike is not None else None
        return Lasting(kept, self._since, self._until) if kept is not None else None

    def _holds(self, plan: Plan, config: Config, now: datetime) -> bool:
        return (
            plan is self._plan
            and config is self._config
            and self._since <= now  # the clock may be set back
            and (self._until is None or now < self._until)
        )

    def _begin(self, plan: Plan, config: Config, now: datetime) -> None:
        self._verdicts.clear()
        self._plan, self._config = plan, config
        self._since, self._until = now, next_change(plan, now)
