"""Who has to know a password: the advertisement's own, else that of a collection it comes through, else the site's.

Of the collections it is the lowest in the tree, between the computer and the collection that is advertised to; of two
that are as low, the older one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pxed.policy.case import Case
from pxed.policy.membership import Membership
from pxed.policy.verdict import Choice, Lock, Verdict
from pxed.policy.words import Words, phrase
from pxed.site.model import Advertisement, Collection, Kind, Password, PasswordScope, Plan

_SITE = (PasswordScope.SITE, 0)


class Locked(tuple[Choice, ...]):
    """Choices that need a password, as they stand in a sentence."""

    __slots__ = ()

    def __str__(self) -> str:
        """The names of their advertisements, each with whose password it is."""
        return ", ".join(f"{choice.advertisement.name!r} ({choice.lock})" for choice in self) or "none"


def password(case: Case) -> Words | Verdict:
    """Which of the choices need a password: found here, asked for by the boot script. Never ends the decision."""
    if not case.plan.passwords:
        return "no passwords are set"
    case.candidates = tuple([_locked(choice, case) for choice in case.candidates])
    if case.due is not None:
        case.due = _locked(case.due, case)
    return phrase("a password is needed for: {}", Locked(choice for choice in case.candidates if choice.lock))


def lock_of(advertisement: Advertisement, membership: Membership, plan: Plan) -> Lock | None:
    """What has to be opened before `advertisement` is started by a computer that is where `membership` says; None if it
    is open."""
    here = advertisement.collection_id
    below = membership.above if advertisement.include_subcollections else frozenset({here})
    ways = _ways_of(plan).get(here, ())
    for scope, scope_id in (
        (PasswordScope.ADVERTISEMENT, advertisement.id),
        *((PasswordScope.COLLECTION, each) for each in ways if each == here or each in below),
        _SITE,
    ):
        if people := plan.passwords.get((scope, scope_id)):
            return Lock(scope, scope_id, people)
    return None


def unattended(
    advertisements: Iterable[Advertisement], passwords: Iterable[Password], collections: Iterable[Collection]
) -> list[Advertisement]:
    """The mandatory ones that need a password, if only at some computers: they run only where somebody types it."""
    locked = {(each.scope, each.scope_id) for each in passwords}
    ways = _ways(collections, locked)
    return [
        each
        for each in advertisements
        if each.enabled
        and each.kind is Kind.MANDATORY
        and (
            _SITE in locked
            or (PasswordScope.ADVERTISEMENT, each.id) in locked
            or any(way == each.collection_id or each.include_subcollections for way in ways.get(each.collection_id, ()))
        )
    ]


def _locked(choice: Choice, case: Case) -> Choice:
    lock = lock_of(choice.advertisement, case.membership, case.plan)
    return choice if lock is None else replace(choice, lock=lock)


@functools.lru_cache(maxsize=2)
def _ways_of(plan: Plan) -> Mapping[int, tuple[int, ...]]:
    return _ways(plan.collections, plan.passwords)


def _ways(
    collections: Iterable[Collection], locked: Iterable[tuple[PasswordScope, int]]
) -> Mapping[int, tuple[int, ...]]:
    """By collection: those of it and below it that have a password, the lowest first."""
    parents = {each.id: each.parent_id for each in collections}
    found: dict[int, list[tuple[int, int]]] = {}
    for scope, scope_id in locked:
        above: int | None = scope_id if scope is PasswordScope.COLLECTION else None
        steps = 0
        while above is not None:
            found.setdefault(above, []).append((-steps, scope_id))
            above, steps = parents.get(above), steps + 1
    return {above: tuple(each for _, each in sorted(below)) for above, below in found.items()}
