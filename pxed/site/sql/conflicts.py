"""The queue of identifiers that disagree."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from pxed.errors import NotFound
from pxed.site.event import EventKind
from pxed.site.identity import Conflict, ConflictKind, Suspicion
from pxed.site.sql.core import bindparam, delete, insert, literal_column, or_, select, update
from pxed.site.sql.identify import both_orders
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.link import Row
from pxed.site.sql.seen import Seen
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import conflict

CONFLICTS_KEPT = 1_000
"""Anybody on the segment can make up identifiers."""
_TRIM_EVERY = 100

_ROWS = select(
    conflict.c.id,
    conflict.c.kind,
    conflict.c.mac,
    conflict.c.guid,
    conflict.c.serial,
    conflict.c.interface,
    conflict.c.first_seen,
    conflict.c.last_seen,
    conflict.c.count,
    conflict.c.owners,
    conflict.c.settled_at,
    conflict.c.settled_by,
    conflict.c.settled_how,
)
_ALL = Statement(_ROWS.order_by(conflict.c.settled_at.is_not(None), conflict.c.last_seen.desc(), conflict.c.id.desc()))
_OPEN = Statement(
    _ROWS.where(conflict.c.settled_at.is_(None)).order_by(conflict.c.last_seen.desc(), conflict.c.id.desc())
)
_BY_ID = Statement(_ROWS.where(conflict.c.id == bindparam("key")))
_OF = Statement(
    _ROWS.where(
        conflict.c.kind == bindparam("what"),
        conflict.c.mac == bindparam("of_mac"),
        conflict.c.guid == bindparam("of_guid"),
    )
)
_ADD = Statement(
    insert(conflict).returning(conflict.c.id),
    "kind",
    "mac",
    "guid",
    "serial",
    "interface",
    "first_seen",
    "last_seen",
    "count",
    "owners",
)
_AGAIN = Statement(
    update(conflict).where(conflict.c.id == bindparam("key")).values(count=conflict.c.count + literal_column("1")),
    "interface",
    "last_seen",
    "count",
    "owners",
)
_REOPEN = Statement(
    update(conflict).where(conflict.c.id == bindparam("key")),
    "interface",
    "first_seen",
    "last_seen",
    "count",
    "owners",
    "settled_at",
    "settled_by",
    "settled_how",
)
_SETTLE = Statement(
    update(conflict).where(conflict.c.id == bindparam("key")), "owners", "settled_at", "settled_by", "settled_how"
)
_ABOUT = Statement(
    _ROWS.where(
        conflict.c.settled_at.is_(None),
        or_(conflict.c.mac == bindparam("of_mac"), conflict.c.guid.in_([bindparam("g0"), bindparam("g1")])),
    )
)
_REMOVE = Statement(delete(conflict).where(conflict.c.id == bindparam("key")))
_TRIM = Statement(
    delete(conflict).where(
        conflict.c.id.not_in(
            select(conflict.c.id)
            .order_by(
                conflict.c.settled_at.is_not(None),
                conflict.c.owners == literal_column("''"),
                conflict.c.last_seen.desc(),
            )
            .limit(bindparam("kept"))
        )
    )
)
"""Those that are settled go first, then those that concern nobody known."""


def _to_conflict(row: Row) -> Conflict:
    number, kind, mac, guid, serial, interface, first, last, count, owners, settled, by, how = row
    return Conflict(
        number,
        ConflictKind(kind),
        mac,
        uuid.UUID(guid) if guid else None,
        serial,
        interface,
        from_micros(first),
        from_micros(last),
        count,
        frozenset(map(int, owners.split())),
        from_micros(settled) if settled is not None else None,
        by,
        how,
    )


class Conflicts(Seen):
    """The transaction's part for identifiers that disagree; `pxed.site.store.Tx` says what each method does."""

    def put_conflict(self, suspicion: Suspicion, interface: str) -> None:
        kind, mac, guid = suspicion.kind.value, suspicion.mac, str(suspicion.guid or "")
        row = self._link.row(_OF, what=kind, of_mac=mac, of_guid=guid)
        before = _to_conflict(row) if row else None
        now = to_micros(self._now)
        seen: dict[str, object] = {"interface": interface, "last_seen": now, "owners": _joined(suspicion.owners)}
        if before is not None and before.settled_at is None:
            self._link.run(_AGAIN, key=before.id, **seen)
            return
        if before is not None:
            if before.owners == suspicion.owners:
                return
            settled: dict[str, object] = {"settled_at": None, "settled_by": "", "settled_how": ""}
            self._link.run(_REOPEN, key=before.id, first_seen=now, count=1, **seen, **settled)
            number = before.id
        else:
            number = self._link.added(_ADD, kind=kind, mac=mac, guid=guid, serial="", first_seen=now, count=1, **seen)
            if number % _TRIM_EVERY == 0:
                self._link.run(_TRIM, kept=CONFLICTS_KEPT)
        self._supersede(suspicion, number)
        what = " and ".join(filter(None, (mac and f"MAC address {mac}", guid and f"GUID {guid}")))
        self._tell(suspicion.owners, mac, f"conflict {number}: {what}: {suspicion.kind.label}?")

    def _supersede(self, suspicion: Suspicion, number: int) -> None:
        """Ends what was thought of the same before more was seen: of the same two, or of one with whatever else."""
        for each in self._about(suspicion.mac, suspicion.guid):
            same = each.mac == suspicion.mac, each.guid == suspicion.guid
            if each.id != number and (all(same) if suspicion.mac and suspicion.guid else any(same)):
                self._link.run(_REMOVE, key=each.id)

    def _about(self, mac: str, guid: uuid.UUID | None) -> list[Conflict]:
        """Open ones with this MAC address or this GUID."""
        orders = both_orders(guid) if guid else ("-", "-")
        # an empty text would be every conflict's that is about the other identifier alone
        return [_to_conflict(row) for row in self._link.rows(_ABOUT, of_mac=mac or "-", g0=orders[0], g1=orders[1])]

    def belong_together(self, mac: str, guid: uuid.UUID) -> None:
        for each in self._about(mac, guid):
            if each.mac == mac and each.guid == guid:
                self.settle_conflict(each.id, "they belong together now")

    def _settle_about(self, mac: str, guid: uuid.UUID | None, how: str) -> None:
        for each in self._about(mac, guid):
            self.settle_conflict(each.id, how)

    def conflicts(self, *, settled: bool = False) -> Sequence[Conflict]:
        return [_to_conflict(row) for row in self._link.rows(_ALL if settled else _OPEN)]

    def find_conflict(self, conflict_id: int) -> Conflict | None:
        row = self._link.row(_BY_ID, key=conflict_id)
        return _to_conflict(row) if row else None

    def settle_conflict(self, conflict_id: int, how: str, *, dismissed: bool = False) -> None:
        found = self.find_conflict(conflict_id)
        if found is None:
            raise NotFound(f"there is no conflict {conflict_id}")
        if not dismissed:
            self._forget_seen(found.mac, found.guid)
        self._link.run(
            _SETTLE,
            key=conflict_id,
            owners=_joined(found.owners if dismissed else ()),  # the same ones again are no news only if dismissed
            settled_at=to_micros(self._now),
            settled_by=self._user,
            settled_how=how,
        )
        self._tell(found.owners, found.mac, f"conflict {conflict_id} settled: {how}")

    def _tell(self, owners: Iterable[int], mac: str, text: str) -> None:
        for subject in sorted(map(str, owners)) or [mac]:
            self.add_event(self._now, EventKind.IDENTITY, subject, text)


def _joined(owners: Iterable[int]) -> str:
    return " ".join(map(str, sorted(owners)))
