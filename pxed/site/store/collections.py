"""What a transaction does with collections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from pxed.site.model import Collection, CollectionRule, Computer


class Collections(Protocol):
    """Collections, their rules and members. What edits one that is built in is Refused."""

    def add_collection(self, name: str, comment: str = "", parent_id: int | None = None) -> Collection:
        """Refused if the name is taken; NotFound if there is no collection to put it under."""
        ...

    def move_collection(self, collection_id: int, parent_id: int | None) -> bool:
        """Puts it under another one, or to the top; False if it is there already.

        NotFound; Refused if it would be within itself, with the circle.
        """
        ...

    def remove_collection(self, name: str) -> None:
        """NotFound; Refused while it is advertised to or has subcollections."""
        ...

    def find_collection(self, name: str) -> Collection | None:
        """By name."""
        ...

    def collections(self, computer_id: int | None = None) -> Sequence[Collection]:
        """All, built-in ones too, or those of which a computer is a direct member; by name."""
        ...

    def add_rules(self, collection_id: int, rules: Sequence[CollectionRule]) -> int:
        """Adds rules, as `site.rules.make_rule` makes them, and returns how many there were not. NotFound."""
        ...

    def remove_rule(self, collection_id: int, rule: CollectionRule) -> bool:
        """False if it has no such rule. NotFound."""
        ...

    def members(self, collection_id: int, *, include_subcollections: bool = False) -> Iterator[Computer]:
        """Direct members and those that fit a rule, as computers are now, by name; read as one iterates. NotFound."""
        ...

    def member_names(self, collection_id: int, *, include_subcollections: bool = False) -> Iterator[tuple[int, str]]:
        """Their ids and names alone, in a tenth of the time. NotFound."""
        ...

    def count_members(self, collection_id: int, *, include_subcollections: bool = False) -> int:
        """How many those are, each counted once. NotFound."""
        ...

    def count_all_members(self) -> Mapping[int, int]:
        """How many there are in every collection itself, by id; 0 for what is not there."""
        ...

    def add_member(self, collection_id: int, computer_id: int) -> bool:
        """False if it was a member already. NotFound if either does not exist."""
        ...

    def add_members(self, collection_id: int, computers: Sequence[Computer]) -> int:
        """Adds computers that exist, each given once, and returns how many were no members. NotFound."""
        ...

    def remove_member(self, collection_id: int, computer_id: int) -> bool:
        """False if it was no member. NotFound if either does not exist."""
        ...
