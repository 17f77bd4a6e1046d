"""Which MAC address came with which GUID."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from pxed.site.identifiers import swap_guid
from pxed.site.identity import Together
from pxed.site.model import Computer
from pxed.site.sql.core import bindparam, delete, func, insert, or_, select, update
from pxed.site.sql.edits import Edits
from pxed.site.sql.identify import find
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.listed import shared_among
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import seen_identity

SEEN_KEPT = 20_000
"""Anybody on the segment can make up identifiers."""
_TRIM_EVERY = 100
_MOST_COUNTERPARTS = 50
"""identifiers that are looked at of those that came with one other: a few are suspicious already"""
NEWS = timedelta(hours=1)
"""Those who came together a shorter while ago are no news, unless they belong to different computers."""

_SEEN = Statement(
    select(seen_identity.c.id, seen_identity.c.last_seen).where(
        seen_identity.c.mac == bindparam("mac"), seen_identity.c.guid == bindparam("guid")
    )
)
_ADD_SEEN = Statement(insert(seen_identity).returning(seen_identity.c.id), "mac", "guid", "last_seen")
_SEEN_AGAIN = Statement(update(seen_identity).where(seen_identity.c.id == bindparam("key")), "last_seen")
_FORGET_SEEN = Statement(
    delete(seen_identity).where(or_(seen_identity.c.mac == bindparam("mac"), seen_identity.c.guid == bindparam("guid")))
)
_COUNT_SEEN = Statement(select(func.count()).select_from(seen_identity))
_TRIM_SEEN = Statement(
    delete(seen_identity).where(
        seen_identity.c.id.in_(
            select(seen_identity.c.id).order_by(seen_identity.c.last_seen, seen_identity.c.id).limit(bindparam("most"))
        )
    )
)
"""Along the index of `last_seen`, from its old end."""
_GUIDS_OF = Statement(
    select(seen_identity.c.guid)
    .where(seen_identity.c.mac == bindparam("mac"))
    .order_by(seen_identity.c.last_seen.desc())
    .limit(bindparam("most"))
)
_MACS_OF = Statement(
    select(seen_identity.c.mac)
    .where(seen_identity.c.guid == bindparam("guid"))
    .order_by(seen_identity.c.last_seen.desc())
    .limit(bindparam("most"))
)


class Seen(Edits):
    """The transaction's part for what came together; `pxed.site.store.Tx` says what each method does."""

    def came_together(self, mac: str, guid: uuid.UUID) -> Together | None:
        if shared_among(self._link, [mac], guid):
            return None
        lesser = _lesser(guid)
        mac_owner = next(iter(find(self._link, macs=[mac])), None)
        guid_owners = tuple(find(self._link, guids=[guid]))
        disagree = len({each.id for each in (mac_owner, *guid_owners) if each}) > 1
        now = to_micros(self._now)
        before = self._link.row(_SEEN, mac=mac, guid=str(lesser))
        if before is None:
            added = self._link.added(_ADD_SEEN, mac=mac, guid=str(lesser), last_seen=now)
            if added % _TRIM_EVERY == 0:
                beyond = self._link.rows(_COUNT_SEEN)[0][0] - SEEN_KEPT
                if beyond > 0:
                    self._link.run(_TRIM_SEEN, most=beyond)
        else:
            news = not timedelta(0) <= self._now - from_micros(before[1]) < NEWS
            if not news and not disagree:
                return None
            self._link.run(_SEEN_AGAIN, key=before[0], last_seen=now)
        return Together(mac, guid, mac_owner, guid_owners, self._guids_of(mac), self._macs_of(lesser))

    def _guids_of(self, mac: str) -> dict[uuid.UUID, Computer | None]:
        guids = [uuid.UUID(row[0]) for row in self._link.rows(_GUIDS_OF, mac=mac, most=_MOST_COUNTERPARTS)]
        owners = {_lesser(each.guid): each for each in find(self._link, guids=guids) if each.guid} if guids else {}
        return {guid: owners.get(guid) for guid in guids if not shared_among(self._link, [], guid)}

    def _macs_of(self, guid: uuid.UUID) -> dict[str, Computer | None]:
        macs = [row[0] for row in self._link.rows(_MACS_OF, guid=str(guid), most=_MOST_COUNTERPARTS)]
        if not macs:
            return {}
        owners = {mac: each for each in find(self._link, macs=macs) for mac in each.macs}
        shared = {listed.value for listed in shared_among(self._link, macs, None)}
        return {mac: owners.get(mac) for mac in macs if mac not in shared}

    def seen_with(self, mac: str, guid: uuid.UUID | None) -> tuple[Sequence[str], Sequence[uuid.UUID]]:
        macs = list(self._macs_of(_lesser(guid))) if guid else []
        return macs, list(self._guids_of(mac)) if mac else []

    def _forget_seen(self, mac: str, guid: uuid.UUID | None) -> None:
        """What came with either counts no more."""
        self._link.run(_FORGET_SEEN, mac=mac or "-", guid=str(_lesser(guid)) if guid else "-")


def _lesser(guid: uuid.UUID) -> uuid.UUID:
    return min(guid, swap_guid(guid))
