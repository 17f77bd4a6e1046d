"""Reading the ignore list and the shared list."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence

from pxed.site.identity import IdentifierKind, IdentifierList, Identifiers, ListedIdentifier
from pxed.site.sql.core import bindparam, literal_column, select
from pxed.site.sql.identify import both_orders
from pxed.site.sql.instants import from_micros
from pxed.site.sql.link import Link, Row
from pxed.site.sql.places import placed, places
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import listed_identifier

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
    keys = placed("v", values)
    return [_to_listed(row) for row in link.rows(_among(len(values)), which=IdentifierList.SHARED.value, **keys)]


@functools.cache
def _among(values: int) -> Statement:
    """Those of so many values that are on a list; no MAC address looks like a GUID."""
    return Statement(
        _ROWS.where(
            listed_identifier.c.list == bindparam("which"),
            listed_identifier.c.kind.in_([literal_column("'mac'"), literal_column("'guid'")]),
            listed_identifier.c.value.in_(places("v", values)),
        )
    )


def _to_listed(row: Row) -> ListedIdentifier:
    which, kind, value, comment, user, at = row
    return ListedIdentifier(IdentifierList(which), IdentifierKind(kind), value, comment, user, from_micros(at))


def read_list(link: Link, which: IdentifierList) -> list[ListedIdentifier]:
    """One list: MAC addresses, then GUIDs."""
    return [_to_listed(row) for row in link.rows(_LIST, which=which.value)]
