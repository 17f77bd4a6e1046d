"""The ignore list and the shared list: what an operator says of identifiers, whoever shows them."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert, literal_column, select

from pxed.site.model import IdentifierKind, IdentifierList, Identifiers, ListedIdentifier
from pxed.site.sql.edits import Edits
from pxed.site.sql.identify import both_orders, find
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.link import Link, Row, Statement
from pxed.site.tables import listed_identifier

_ROWS = select(
    listed_identifier.c.list,
    listed_identifier.c.kind,
    listed_identifier.c.value,
    listed_identifier.c.comment,
    listed_identifier.c.user,
    listed_identifier.c.at,
).order_by(listed_identifier.c.kind.desc(), listed_identifier.c.value)
_ALL = Statement(_ROWS)
_LIST = Statement(_ROWS.where(listed_identifier.c.list == bindparam("which")))
_ADD = Statement(insert(listed_identifier), "list", "kind", "value", "comment", "user", "at")
_REMOVE = Statement(
    delete(listed_identifier).where(
        listed_identifier.c.list == bindparam("which"),
        listed_identifier.c.kind == bindparam("of_kind"),
        listed_identifier.c.value == bindparam("text"),
    )
)


def read_lists(link: Link) -> dict[IdentifierList, Identifiers]:
    """Both lists, for the plan."""
    found: dict[IdentifierList, tuple[dict[str, ListedIdentifier], dict[uuid.UUID, ListedIdentifier]]]
    found = {each: ({}, {}) for each in IdentifierList}
    for row in link.rows(_ALL):
        listed = _to_listed(row)
        macs, guids = found[listed.list]
        if listed.kind is IdentifierKind.MAC:
            macs[listed.value] = listed
        else:
            guids.update((uuid.UUID(order), listed) for order in both_orders(uuid.UUID(listed.value)))
    return {each: Identifiers(macs, guids) for each, (macs, guids) in found.items()}


def shared_among(link: Link, macs: Sequence[str], guid: uuid.UUID | None) -> list[ListedIdentifier]:
    """Which of a computer's identifiers are on the shared list."""
    values = [*macs, *(both_orders(guid) if guid else ())]
    keys = {f"v{index}": value for index, value in enumerate(values)}
    return [_to_listed(row) for row in link.rows(_among(len(values)), which=IdentifierList.SHARED.value, **keys)]


@functools.cache
def _among(values: int) -> Statement:
    """Those of so many values that are on a list; no MAC address looks like a GUID."""
    return Statement(
        _ROWS.where(
            listed_identifier.c.list == bindparam("which"),
            listed_identifier.c.kind.in_([literal_column("'mac'"), literal_column("'guid'")]),
            listed_identifier.c.value.in_([bindparam(f"v{index}") for index in range(values)]),
        )
    )


def _to_listed(row: Row) -> ListedIdentifier:
    which, kind, value, comment, user, at = row
    return ListedIdentifier(IdentifierList(which), IdentifierKind(kind), value, comment, user, from_micros(at))


def _spellings(kind: IdentifierKind, value: str) -> tuple[str, ...]:
    """As which it may be on a list: a GUID in either byte order."""
    return both_orders(uuid.UUID(value)) if kind is IdentifierKind.GUID else (value,)


class Lists(Edits):
    """The transaction's part for lists of identifiers; `pxed.site.store.Tx` says what each method does."""

    def listed(self, which: IdentifierList) -> Sequence[ListedIdentifier]:
        return [_to_listed(row) for row in self._link.rows(_LIST, which=which.value)]

    def list_identifier(self, which: IdentifierList, kind: IdentifierKind, value: str, comment: str = "") -> bool:
        before = [each for each in self.listed(which) if each.value in _spellings(kind, value)]
        if before and comment in {"", before[0].comment}:
            return False
        self._unlist(which, kind, value)
        at = to_micros(self._now)
        self._link.run(_ADD, list=which.value, kind=kind.value, value=value, comment=comment, user=self._user, at=at)
        reason = f": {comment}" if comment else ""
        self._edited(f"{kind.label} {value} put on the {which} list{reason}", self._subject_of(kind, value))
        return not before

    def unlist_identifier(self, which: IdentifierList, kind: IdentifierKind, value: str) -> bool:
        if not self._unlist(which, kind, value):
            return False
        self._edited(f"{kind.label} {value} taken off the {which} list", self._subject_of(kind, value))
        return True

    def _unlist(self, which: IdentifierList, kind: IdentifierKind, value: str) -> bool:
        return any(
            self._link.run(_REMOVE, which=which.value, of_kind=kind.value, text=each)
            for each in _spellings(kind, value)
        )

    def _subject_of(self, kind: IdentifierKind, value: str) -> str:
        """Under which subject the history has it: the computer's, or the MAC address of an unknown one."""
        if kind is IdentifierKind.MAC:
            owner = next(iter(find(self._link, macs=[value])), None)
            return str(owner.id) if owner else value
        owner = next(iter(find(self._link, guids=[uuid.UUID(value)])), None)
        return str(owner.id) if owner else ""
