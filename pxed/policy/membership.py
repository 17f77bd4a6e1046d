"""In which collections is it? Direct members, those that fit a rule, those of a built-in one; and the tree above.

A computer is *in* a collection that holds it itself. A collection above it in the tree holds it only for those who ask
for subcollections as well, as advertisements do unless they were made otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pxed.site.model import Advertisement, Collection, Computer, Plan
from pxed.site.rules import Rules, fits

_MOST = 4096
"""Sets of collections remembered at one time; there are as many as kinds of computers."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Where one computer belongs."""

    own: frozenset[int] = frozenset()
    """ids of the collections that hold it themselves"""
    above: frozenset[int] = frozenset()
    """those, and all that have one of them below them"""

    def reaches(self, advertisement: Advertisement) -> bool:
        """Whether `advertisement` is for this computer."""
        return advertisement.collection_id in (self.above if advertisement.include_subcollections else self.own)


NOWHERE = Membership()
"""Of a computer that is not served."""


@dataclass(frozen=True, slots=True)
class Way:
    """Why a collection holds a computer."""

    collection: Collection
    how: tuple[str, ...]
    """`direct`, `by rule name ws-*`, `built in`, `subcollection Lab/Left`: one or more of them"""

    def __str__(self) -> str:
        """As it stands in a sentence."""
        return f"{self.collection.name} ({', '.join(self.how)})"


class Memberships:
    """The collections of a site, compiled: who belongs where is then a matter of looking up."""

    def __init__(self, collections: Iterable[Collection]) -> None:
        self._by_id = {each.id: each for each in collections}
        self._rules = Rules({each.id: each.rules for each in self._by_id.values() if each.rules})
        self._all = frozenset(each.id for each in self._by_id.values() if each.builtin == "all")
        self._known: dict[frozenset[int], Membership] = {}

    def of_computer(self, computer: Computer, direct: frozenset[int], firmware: str) -> Membership:
        """Of a known computer that is a direct member of `direct` and asks with `firmware` (a key of `[loaders]`)."""
        return self._joined(direct | self._rules.holding(computer, firmware) if self._rules else direct)

    def of_unknown(self, collection_id: int, firmware: str) -> Membership:
        """Of an unknown computer that is served as if it were in that collection; what has all known ones has none."""
        kinds = {"unknown", f"unknown:{firmware}"}
        builtin = {each.id for each in self._by_id.values() if each.builtin in kinds}
        own = frozenset({collection_id} - self._all | builtin)
        return Membership(own, self._above(own))

    def ways(self, computer: Computer, direct: frozenset[int], firmware: str) -> list[Way]:
        """All collections that hold a known computer, or have one below them that does, by name; each with why."""
        own = self.of_computer(computer, direct, firmware).own
        found: dict[int, list[str]] = {}
        for collection_id in own:
            found.setdefault(collection_id, []).extend(self._reasons(collection_id, computer, direct, firmware))
        for collection_id in own:
            path = self._by_id[collection_id].name
            for above in self._ancestors(collection_id):
                path = f"{above.name}/{path}"
                found.setdefault(above.id, []).append(f"subcollection {path}")
        ways = [Way(self._by_id[number], tuple(sorted(how))) for number, how in found.items()]
        return sorted(ways, key=lambda way: way.collection.name)

    def _reasons(self, number: int, computer: Computer, direct: frozenset[int], firmware: str) -> Iterator[str]:
        if number in self._all:
            yield "built in"
        if number in direct:
            yield "direct"
        for rule in self._by_id[number].rules:
            if fits(rule, computer, firmware):
                yield f"by rule {rule.kind} {rule.value}"

    def _joined(self, chosen: frozenset[int]) -> Membership:
        membership = self._known.get(chosen)
        if membership is None:
            own = chosen | self._all
            if len(self._known) >= _MOST:
                self._known.clear()
            membership = self._known[chosen] = Membership(own, self._above(own))
        return membership

    def _above(self, own: frozenset[int]) -> frozenset[int]:
        return own.union(above.id for number in own for above in self._ancestors(number))

    def _ancestors(self, collection_id: int) -> Iterator[Collection]:
        """The collections above one, the nearest first."""
        at = self._by_id.get(collection_id)
        while at is not None and at.parent_id is not None:
            at = self._by_id[at.parent_id]
            yield at


@functools.lru_cache(maxsize=2)
def memberships(plan: Plan) -> Memberships:
    """Those of a plan, compiled once for it."""
    return Memberships(plan.collections)
