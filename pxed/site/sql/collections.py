"""Collections: their names, the tree that they form, and their rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from pxed.errors import NotFound, Refused
from pxed.site.model import Collection, CollectionRule, PasswordScope, RuleKind
from pxed.site.names import check_name, check_printable
from pxed.site.sql.core import bindparam, delete, insert, select, update
from pxed.site.sql.edits import Edits
from pxed.site.sql.link import Link, Row
from pxed.site.sql.passwords import forget_passwords
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import advertisement, collection, collection_rule, membership

_COLLECTIONS = select(
    collection.c.id,
    collection.c.name,
    collection.c.comment,
    collection.c.parent_id,
    collection.c.builtin,
    collection.c.hand_outs_per_hour,
).order_by(collection.c.name)
_RULES = select(collection_rule.c.collection_id, collection_rule.c.kind, collection_rule.c.value).order_by(
    collection_rule.c.collection_id, collection_rule.c.kind, collection_rule.c.value
)
_ALL = Statement(_COLLECTIONS)
_ALL_RULES = Statement(_RULES)
_BY_NAME = Statement(_COLLECTIONS.where(collection.c.name == bindparam("name")))
_BY_ID = Statement(_COLLECTIONS.where(collection.c.id == bindparam("key")))
_RULES_OF = Statement(_RULES.where(collection_rule.c.collection_id == bindparam("key")))
_DIRECTLY_HOLDING = select(membership.c.collection_id).where(membership.c.computer_id == bindparam("computer"))
_HOLDING = Statement(_COLLECTIONS.where(collection.c.id.in_(_DIRECTLY_HOLDING)))
_RULES_OF_HOLDING = Statement(_RULES.where(collection_rule.c.collection_id.in_(_DIRECTLY_HOLDING)))
_CHILDREN = Statement(
    select(collection.c.name).where(collection.c.parent_id == bindparam("key")).order_by(collection.c.name)
)
_ADVERTISED_TO = Statement(
    select(advertisement.c.name).where(advertisement.c.collection_id == bindparam("key")).order_by(advertisement.c.id)
)
_ADD = Statement(insert(collection).returning(collection.c.id), "name", "comment", "parent_id")
_MOVE = Statement(update(collection).where(collection.c.id == bindparam("key")), "parent_id")
_REMOVE = Statement(delete(collection).where(collection.c.id == bindparam("key")))
_ADD_RULE = Statement(insert(collection_rule), "collection_id", "kind", "value")
_REMOVE_RULE = Statement(
    delete(collection_rule).where(
        collection_rule.c.collection_id == bindparam("key"),
        collection_rule.c.kind == bindparam("what"),
        collection_rule.c.value == bindparam("text"),
    )
)


def read_collections(link: Link) -> list[Collection]:
    """Every collection, built-in ones too, by name."""
    return _to_collections(link.rows(_ALL), link.rows(_ALL_RULES))


def _to_collections(rows: Sequence[Row], rules: Sequence[Row]) -> list[Collection]:
    own = {
        number: tuple(CollectionRule(RuleKind(kind), value) for _, kind, value in group)
        for number, group in groupby(rules, itemgetter(0))
    }
    return [
        Collection(number, name, comment, parent_id, builtin, hand_outs_per_hour, own.get(number, ()))
        for number, name, comment, parent_id, builtin, hand_outs_per_hour in rows
    ]


class Collections(Edits):
    """The transaction's part for collections; `pxed.site.store.Tx` says what each method does."""

    def add_collection(self, name: str, comment: str = "", parent_id: int | None = None) -> Collection:
        check_name(name)
        check_printable(comment, "the comment")
        if self.find_collection(name):
            raise Refused(f"there is a collection {name} already")
        above = self._own_collection(parent_id, "takes no subcollections") if parent_id is not None else None
        number = self._link.added(_ADD, name=name, comment=comment, parent_id=parent_id)
        self._edited(f"collection {name} added" + (f" under {above.name}" if above else ""))
        return Collection(number, name, comment, parent_id)

    def move_collection(self, collection_id: int, parent_id: int | None) -> bool:
        moved = self._own_collection(collection_id, "stays where it is")
        if moved.parent_id == parent_id:
            return False
        if parent_id is None:
            self._edited(f"collection {moved.name} moved to the top")
        else:
            above = self._own_collection(parent_id, "takes no subcollections")
            names = [each.name for each in self._upwards(above)]
            if moved.name in names:
                circle = " in ".join([moved.name, *names[: names.index(moved.name) + 1]])
                raise Refused(f"collection {moved.name} cannot be in {above.name}, which is in it: {circle}")
            self._edited(f"collection {moved.name} moved under {above.name}")
        self._link.run(_MOVE, key=collection_id, parent_id=parent_id)
        self._set_by("collection", collection_id, ["parent_id"])
        return True

    def remove_collection(self, name: str) -> None:
        found = self.find_collection(name)
        if found is None:
            raise NotFound(f"there is no collection {name}")
        self._own_collection(found.id, "cannot be removed")
        for statement, using in ((_ADVERTISED_TO, "is advertised to"), (_CHILDREN, "has subcollections")):
            if rows := self._link.rows(statement, key=found.id):
                raise Refused(f"collection {name} {using}: {', '.join(row[0] for row in rows)}")
        forget_passwords(self._link, PasswordScope.COLLECTION, found.id)
        self._link.run(_REMOVE, key=found.id)
        self._forget_set_by("collection", found.id)
        self._edited(f"collection {name} removed")

    def find_collection(self, name: str) -> Collection | None:
        return self._one(self._link.row(_BY_NAME, name=name))

    def collections(self, computer_id: int | None = None) -> Sequence[Collection]:
        if computer_id is None:
            return read_collections(self._link)
        rules = self._link.rows(_RULES_OF_HOLDING, computer=computer_id)
        return _to_collections(self._link.rows(_HOLDING, computer=computer_id), rules)

    def add_rules(self, collection_id: int, rules: Sequence[CollectionRule]) -> int:
        home = self._own_collection(collection_id, "takes no rules")
        new = [rule for rule in dict.fromkeys(rules) if rule not in home.rules]
        for rule in new:
            self._link.run(_ADD_RULE, collection_id=collection_id, kind=rule.kind.value, value=rule.value)
        if new:
            self._edited_many(("", f"rule {rule.kind} {rule.value} added to collection {home.name}") for rule in new)
            self._set_by("collection", collection_id, ["rules"])
        return len(new)

    def remove_rule(self, collection_id: int, rule: CollectionRule) -> bool:
        home = self._own_collection(collection_id, "has no rules")
        if not self._link.run(_REMOVE_RULE, key=collection_id, what=rule.kind.value, text=rule.value):
            return False
        self._edited(f"rule {rule.kind} {rule.value} removed from collection {home.name}")
        self._set_by("collection", collection_id, ["rules"])
        return True

    def _collection(self, collection_id: int) -> Collection:
        found = self._one(self._link.row(_BY_ID, key=collection_id))
        if found is None:
            raise NotFound(f"there is no collection with the id {collection_id}")
        return found

    def _own_collection(self, collection_id: int, otherwise: str) -> Collection:
        """One that an operator made; Refused with `otherwise` if it is built in."""
        found = self._collection(collection_id)
        if found.builtin:
            raise Refused(f"collection {found.name} is built in and {otherwise}")
        return found

    def _upwards(self, start: Collection) -> Iterator[Collection]:
        """A collection, and those above it."""
        yield start
        while start.parent_id is not None:
            start = self._collection(start.parent_id)
            yield start

    def _one(self, row: Row | None) -> Collection | None:
        return _to_collections([row], self._link.rows(_RULES_OF, key=row[0]))[0] if row else None
