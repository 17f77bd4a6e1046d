"""Members of collections: put in and taken out one by one, held by a rule, or there by themselves."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from pxed.site.model import Collection, CollectionRule, Computer
from pxed.site.rules import Rules
from pxed.site.sql.collections import Collections
from pxed.site.sql.computers import Computers
from pxed.site.sql.core import Integer, Select, bindparam, delete, func, insert, select
from pxed.site.sql.fitting import NAMES, all_with_rules
from pxed.site.sql.identify import CHUNK, COMPUTER_ROWS, to_computers
from pxed.site.sql.link import Row
from pxed.site.sql.places import placed, places
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import collection, collection_rule, computer, membership

_TOP = (
    select(collection.c.id)
    .where(collection.c.id == bindparam("collection", type_=Integer))
    .cte("below", recursive=True)
)
_BELOW = _TOP.union(select(collection.c.id).join(_TOP, collection.c.parent_id == _TOP.c.id))
_WITHIN = Statement(select(_BELOW.c.id))
"""A collection and all below it."""
_DIRECT = {
    False: select(membership.c.computer_id).where(membership.c.collection_id == bindparam("collection")),
    True: select(membership.c.computer_id).where(membership.c.collection_id.in_(select(_BELOW.c.id))),
}
"""Direct members of a collection, or of all below it as well."""


def _by_name(rows: Select[Any]) -> dict[tuple[bool, bool], Statement]:
    """`rows` of direct members in the order of their names, by how deep one looks and whether they are many.

    Many are found as one goes through all names, so that the first comes at once; few are looked up and sorted.
    """
    found = {}
    for deep, direct in _DIRECT.items():
        is_among = direct.where(membership.c.computer_id == computer.c.id).exists()
        found[deep, False] = Statement(rows.where(computer.c.id.in_(direct)).order_by(computer.c.name))
        found[deep, True] = Statement(rows.where(is_among).order_by(computer.c.name))
    return found


_MEMBERS = _by_name(COMPUTER_ROWS)
_MEMBER_NAMES = _by_name(select(computer.c.id, computer.c.name))
_MEMBER_IDS = {
    deep: Statement(direct.distinct().order_by(membership.c.computer_id)) for deep, direct in _DIRECT.items()
}
_COUNT_UP_TO = {
    deep: Statement(select(func.count()).select_from(direct.limit(bindparam("most")).subquery()))
    for deep, direct in _DIRECT.items()
}
MANY = 10_000
"""direct members: fewer are looked up and sorted in less time than all names of a million computers are read"""
_COUNT_DIRECT = Statement(
    select(membership.c.collection_id, func.count()).group_by(membership.c.collection_id)  # each computer is in it once
)
_COUNT_MEMBERS = {
    False: Statement(_DIRECT[False].with_only_columns(func.count())),
    True: Statement(_DIRECT[True].with_only_columns(func.count(membership.c.computer_id.distinct()))),
}
_COUNT_ALL = Statement(select(func.count()).select_from(computer))
_PLACES = Statement(
    select(membership.c.computer_id, membership.c.collection_id)
    .where(membership.c.collection_id.in_(select(collection_rule.c.collection_id)))
    .order_by(membership.c.computer_id)
)
"""Direct members of collections that have rules."""
_ADD = Statement(insert(membership), "computer_id", "collection_id")
_REMOVE = Statement(
    delete(membership).where(
        membership.c.computer_id == bindparam("computer"), membership.c.collection_id == bindparam("collection")
    )
)


@functools.cache
def computers_by_id(computers: int) -> Statement:
    """So many computers, by name."""
    return Statement(COMPUTER_ROWS.where(computer.c.id.in_(places("c", computers))).order_by(computer.c.name))


@functools.cache
def members_among(computers: int) -> Statement:
    """Which of so many computers are in a collection."""
    return Statement(
        select(membership.c.computer_id).where(
            membership.c.collection_id == bindparam("collection"),
            membership.c.computer_id.in_(places("c", computers)),
        )
    )


class Members(Collections, Computers):
    """The transaction's part for members; `pxed.site.store.Tx` says what each method does."""

    def members(self, collection_id: int, *, include_subcollections: bool = False) -> Iterator[Computer]:
        within = self._within(collection_id, include_subcollections)
        if any(each.builtin == "all" for each in within):
            return self.computers()
        if _rules_of(within):
            return self._by_ids(number for number, _ in self._names(within, collection_id))
        return to_computers(self._direct(_MEMBERS, within, collection_id))

    def member_names(self, collection_id: int, *, include_subcollections: bool = False) -> Iterator[tuple[int, str]]:
        return self._names(self._within(collection_id, include_subcollections), collection_id)

    def count_members(self, collection_id: int, *, include_subcollections: bool = False) -> int:
        within = self._within(collection_id, include_subcollections)
        if any(each.builtin == "all" for each in within):
            return self._number(_COUNT_ALL)
        rules, deep = _rules_of(within), len(within) > 1
        if not rules:
            return self._number(_COUNT_MEMBERS[deep], collection=collection_id)
        everybody = all_with_rules(self._link, Rules(rules), by_name=False)
        return sum(1 for _ in _held(everybody, self._link.each(_MEMBER_IDS[deep], collection=collection_id)))

    def count_all_members(self) -> Mapping[int, int]:
        everything = self.collections()
        counts: Counter[int] = Counter(dict(self._link.rows(_COUNT_DIRECT)))
        counts.update({each.id: self._number(_COUNT_ALL) for each in everything if each.builtin == "all"})
        if rules := _rules_of(everything):
            places = groupby(self._link.each(_PLACES), itemgetter(0))
            following = next(places, None)
            kinds: Counter[frozenset[int]] = Counter()
            for number, _, fitting in all_with_rules(self._link, Rules(rules), by_name=False):
                if following is not None and following[0] == number:
                    kinds[fitting.difference(place for _, place in following[1])] += 1
                    following = next(places, None)
                elif fitting:
                    kinds[fitting] += 1
            for kind, computers in kinds.items():
                counts.update(dict.fromkeys(kind, computers))
        return counts

    def add_members(self, collection_id: int, computers: Sequence[Computer]) -> int:
        where = self._own_collection(collection_id, "takes no members").name
        members: set[int] = set()
        for start in range(0, len(computers), CHUNK):
            keys = placed("c", (each.id for each in computers[start : start + CHUNK]))
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

    def _direct(
        self, statements: Mapping[tuple[bool, bool], Statement], within: Sequence[Collection], collection_id: int
    ) -> Iterator[Row]:
        """Rows of the direct members of a collection, and of the others `within` it, by name."""
        deep = len(within) > 1
        many = self._number(_COUNT_UP_TO[deep], collection=collection_id, most=MANY) >= MANY
        return self._link.each(statements[deep, many], collection=collection_id)

    def _names(self, within: Sequence[Collection], collection_id: int) -> Iterator[tuple[int, str]]:
        """Ids and names of all members of a collection, and of the others `within` it, by name."""
        if any(each.builtin == "all" for each in within):
            return ((number, name) for number, name in self._link.each(NAMES[True]))
        direct = ((number, name) for number, name in self._direct(_MEMBER_NAMES, within, collection_id))
        rules = _rules_of(within)
        return _held(all_with_rules(self._link, Rules(rules), by_name=True), direct) if rules else direct

    def _by_ids(self, numbers: Iterator[int]) -> Iterator[Computer]:
        """Computers whose ids come by name; the first ones at once."""
        while chunk := list(islice(numbers, CHUNK)):
            yield from to_computers(self._link.rows(computers_by_id(len(chunk)), **placed("c", chunk)))

    def _number(self, statement: Statement, **values: object) -> int:
        number: int = self._link.rows(statement, **values)[0][0]
        return number


def _held(
    everybody: Iterable[tuple[int, str, frozenset[int]]], direct: Iterable[Sequence[Any]]
) -> Iterator[tuple[int, str]]:
    """Ids and names of those who fit a rule or are among `direct`, whose ids come in the order of `everybody`."""
    ids = (row[0] for row in direct)
    following = next(ids, None)
    for number, name, fitting in everybody:
        if number == following:
            following = next(ids, None)
            yield number, name
        elif fitting:
            yield number, name


def _rules_of(collections: Iterable[Collection]) -> dict[int, tuple[CollectionRule, ...]]:
    return {each.id: each.rules for each in collections if each.rules}
