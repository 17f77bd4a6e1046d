"""Members of collections: put in and taken out one by one, held by a rule, or there by themselves."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Integer, bindparam, delete, func, insert, select

from pxed.site.model import Collection, CollectionRule, Computer
from pxed.site.rules import Rules
from pxed.site.sql.collections import Collections
from pxed.site.sql.computers import Computers
from pxed.site.sql.identify import CHUNK, COMPUTER_ROWS, to_computers
from pxed.site.sql.link import Row, Statement
from pxed.site.tables import collection, computer, membership

_TOP = (
    select(collection.c.id)
    .where(collection.c.id == bindparam("collection", type_=Integer))
    .cte("below", recursive=True)
)
_BELOW = _TOP.union(select(collection.c.id).join(_TOP, collection.c.parent_id == _TOP.c.id))
_WITHIN = Statement(select(_BELOW.c.id))
"""A collection and all below it."""
_DIRECT_OF_ONE = select(membership.c.computer_id).where(membership.c.collection_id == bindparam("collection"))
_DIRECT_BELOW = select(membership.c.computer_id).where(membership.c.collection_id.in_(select(_BELOW.c.id)))
_MEMBERS = {
    deep: Statement(COMPUTER_ROWS.where(computer.c.id.in_(direct)).order_by(computer.c.name))
    for deep, direct in ((False, _DIRECT_OF_ONE), (True, _DIRECT_BELOW))
}
_MEMBER_IDS = {
    deep: Statement(select(computer.c.id).where(computer.c.id.in_(direct)).order_by(computer.c.name))
    for deep, direct in ((False, _DIRECT_OF_ONE), (True, _DIRECT_BELOW))
}
_COUNT_DIRECT = Statement(
    select(membership.c.collection_id, func.count()).group_by(membership.c.collection_id)  # each computer is in it once
)
_COUNT_MEMBERS = {
    deep: Statement(select(func.count()).where(computer.c.id.in_(direct)).select_from(computer))
    for deep, direct in ((False, _DIRECT_OF_ONE), (True, _DIRECT_BELOW))
}
_COUNT_ALL = Statement(select(func.count()).select_from(computer))
_PLACES = Statement(
    select(membership.c.computer_id, membership.c.collection_id)
    .select_from(membership.join(computer))
    .order_by(computer.c.name)
)
_ADD = Statement(insert(membership), "computer_id", "collection_id")
_REMOVE = Statement(
    delete(membership).where(
        membership.c.computer_id == bindparam("computer"), membership.c.collection_id == bindparam("collection")
    )
)


@functools.cache
def members_among(computers: int) -> Statement:
    """Which of so many computers are in a collection."""
    return Statement(
        select(membership.c.computer_id).where(
            membership.c.collection_id == bindparam("collection"),
            membership.c.computer_id.in_([bindparam(f"c{i}") for i in range(computers)]),
        )
    )


class Members(Collections, Computers):
    """The transaction's part for members; `pxed.site.store.Tx` says what each method does."""

    def members(self, collection_id: int, *, include_subcollections: bool = False) -> Iterator[Computer]:
        within = self._within(collection_id, include_subcollections)
        if any(each.builtin == "all" for each in within):
            return self.computers()
        rules = _rules_of(within)
        if not rules:
            return to_computers(self._link.each(_MEMBERS[include_subcollections], collection=collection_id))
        return self._fitting(
            Rules(rules), self._link.each(_MEMBER_IDS[include_subcollections], collection=collection_id)
        )

    def count_members(self, collection_id: int, *, include_subcollections: bool = False) -> int:
        within = self._within(collection_id, include_subcollections)
        if any(each.builtin == "all" for each in within):
            return self._number(_COUNT_ALL)
        if not _rules_of(within):
            return self._number(_COUNT_MEMBERS[include_subcollections], collection=collection_id)
        return sum(1 for _ in self.members(collection_id, include_subcollections=include_subcollections))

    def count_all_members(self) -> Mapping[int, int]:
        everything = self.collections()
        counts: Counter[int] = Counter(dict(self._link.rows(_COUNT_DIRECT)))
        counts.update({each.id: self._number(_COUNT_ALL) for each in everything if each.builtin == "all"})
        if rules := _rules_of(everything):
            compiled = Rules(rules)
            for each, direct in self._with_places():
                for number in compiled.holding(each, each.firmware) - direct:
                    counts[number] += 1
        return counts

    def add_members(self, collection_id: int, computers: Sequence[Computer]) -> int:
        where = self._own_collection(collection_id, "takes no members").name
        members: set[int] = set()
        for start in range(0, len(computers), CHUNK):
            keys = {f"c{index}": each.id for index, each in enumerate(computers[start : start + CHUNK])}
            members.update(
                row[0] for row in self._link.rows(members_among(len(keys)), collection=collection_id, **keys)
            )
        joining = [each for each in computers if each.id not in members]
        if joining:
            self._link.run_many(_ADD, ({"computer_id": each.id, "collection_id": collection_id} for each in joining))
            self._edited_many((str(each.id), f"computer {each.name} added to collection {where}") for each in joining)
        return len(joining)

    def add_member(self, collection_id: int, computer_id: int) -> bool:
        self._collection(collection_id)
        return bool(self.add_members(collection_id, [self._computer(computer_id)]))

    def remove_member(self, collection_id: int, computer_id: int) -> bool:
        where = self._own_collection(collection_id, "has no members of its own").name
        who = self._computer(computer_id)
        if not self._link.run(_REMOVE, computer=computer_id, collection=collection_id):
            return False
        self._edited(f"computer {who.name} removed from collection {where}", str(computer_id))
        return True

    def _within(self, collection_id: int, include_subcollections: bool) -> Sequence[Collection]:
        """The collection, and all below it if they are asked for."""
        if not include_subcollections:
            return [self._collection(collection_id)]
        self._collection(collection_id)
        below = {row[0] for row in self._link.rows(_WITHIN, collection=collection_id)}
        return [each for each in self.collections() if each.id in below]

    def _fitting(self, rules: Rules, direct: Iterable[Row]) -> Iterator[Computer]:
        """Computers that fit a rule or are direct members, whose ids come in the order of all computers."""
        ids = (row[0] for row in direct)
        following = next(ids, None)
        for each in self.computers():
            if each.id == following:
                following = next(ids, None)
                yield each
            elif rules.holding(each, each.firmware):
                yield each

    def _with_places(self) -> Iterator[tuple[Computer, frozenset[int]]]:
        """All computers, each with the collections of which it is a direct member; read as one iterates."""
        places = groupby(self._link.each(_PLACES), itemgetter(0))
        following = next(places, None)
        for each in self.computers():
            direct: frozenset[int] = frozenset()
            if following is not None and following[0] == each.id:
                direct = frozenset(row[1] for row in following[1])
                following = next(places, None)
            yield each, direct

    def _number(self, statement: Statement, **values: object) -> int:
        number: int = self._link.rows(statement, **values)[0][0]
        return number


def _rules_of(collections: Iterable[Collection]) -> dict[int, tuple[CollectionRule, ...]]:
    return {each.id: each.rules for each in collections if each.rules}
