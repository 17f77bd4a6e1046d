"""The ignore list and the shared list: what an operator says of identifiers, whoever shows them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from pxed.site.identity import IdentifierKind, IdentifierList, ListedIdentifier
from pxed.site.sql.conflicts import Conflicts
from pxed.site.sql.core import bindparam, delete, insert
from pxed.site.sql.identify import both_orders, find
from pxed.site.sql.instants import to_micros
from pxed.site.sql.listed import read_list
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import listed_identifier

_ADD = Statement(insert(listed_identifier), "list", "kind", "value", "comment", "user", "at")
_REMOVE = Statement(
    delete(listed_identifier).where(
        listed_identifier.c.list == bindparam("which"),
        listed_identifier.c.kind == bindparam("of_kind"),
        listed_identifier.c.value == bindparam("text"),
    )
)


def _spellings(kind: IdentifierKind, value: str) -> tuple[str, ...]:
    """As which it may be on a list: a GUID in either byte order."""
    return both_orders(uuid.UUID(value)) if kind is IdentifierKind.GUID else (value,)


class Lists(Conflicts):
    """The transaction's part for lists of identifiers; `pxed.site.store.Tx` says what each method does."""

    def listed(self, which: IdentifierList) -> Sequence[ListedIdentifier]:
        return read_list(self._link, which)

    def list_identifier(self, which: IdentifierList, kind: IdentifierKind, value: str, comment: str = "") -> bool:
        before = [each for each in self.listed(which) if each.value in _spellings(kind, value)]
        if before and comment in {"", before[0].comment}:
            return False
        self._unlist(which, kind, value)
        at = to_micros(self._now)
        self._link.run(_ADD, list=which.value, kind=kind.value, value=value, comment=comment, user=self._user, at=at)
        done = f"{kind.label} {value} put on the {which.label} list"
        self._edited(done + (f": {comment}" if comment else ""), self._subject_of(kind, value))
        is_mac = kind is IdentifierKind.MAC
        self._settle_about(value if is_mac else "", None if is_mac else uuid.UUID(value), f"the {done}")
        return not before

    def unlist_identifier(self, which: IdentifierList, kind: IdentifierKind, value: str) -> bool:
        if not self._unlist(which, kind, value):
            return False
        self._edited(f"{kind.label} {value} taken off the {which.label} list", self._subject_of(kind, value))
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
