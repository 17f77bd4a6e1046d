"""The guard: protected computers, limits, the stop of everything, the second person, and the hand-outs that count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from pxed.errors import NotFound, Refused, UsageError
from pxed.site.event import EventKind
from pxed.site.model import Advertisement, Kind
from pxed.site.names import check_printable
from pxed.site.restraints import HOUR, THE_SITE, Limit, Restraints, Stop
from pxed.site.sql.advertisements import Advertisements
from pxed.site.sql.core import and_, bindparam, delete, func, insert, or_, select, true, update
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.link import Link
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import advertisement, collection, computer, hand_out, provenance, site

_STOP = Statement(select(site.c.stopped_at, site.c.stopped_by, site.c.stopped_reason))
_SET_STOP = Statement(update(site), "stopped_at", "stopped_by", "stopped_reason")
_LIMITS = Statement(
    select(collection.c.id, collection.c.name, collection.c.hand_outs_per_hour).where(
        collection.c.hand_outs_per_hour.is_not(None)
    )
)
_COLLECTION = Statement(
    select(collection.c.name, collection.c.hand_outs_per_hour).where(collection.c.id == bindparam("key"))
)
_SET_LIMIT = Statement(update(collection).where(collection.c.id == bindparam("key")), "hand_outs_per_hour")
_COMPUTER = Statement(select(computer.c.name, computer.c.protected).where(computer.c.id == bindparam("key")))
_PROTECTED = Statement(select(computer.c.id).where(computer.c.protected.is_(true())))
_SET_PROTECTED = Statement(update(computer).where(computer.c.id == bindparam("key")), "protected")
_SET_APPROVED = Statement(update(advertisement).where(advertisement.c.id == bindparam("key")), "approved_by")
_MAKERS = Statement(
    select(provenance.c.user)
    .select_from(provenance, advertisement)
    .where(
        advertisement.c.id == bindparam("key"),
        or_(
            and_(provenance.c.object == bindparam("own"), provenance.c.object_id == advertisement.c.id),
            and_(
                provenance.c.object == bindparam("of_steps"),
                provenance.c.object_id == advertisement.c.sequence_id,
                provenance.c.at >= advertisement.c.created_at,
            ),
        ),
    )
)
"""Who set a value of an advertisement, or changed its task sequence since it was made."""
_ADD_HAND_OUT = Statement(insert(hand_out), "at", "subject", "advertisement_id", "collection_id")
_FORGET_HAND_OUTS = Statement(
    delete(hand_out).where((hand_out.c.at <= bindparam("since")) | (hand_out.c.at > bindparam("until")))
)
_HAND_OUTS = Statement(
    select(hand_out.c.collection_id, func.count())
    .where(hand_out.c.at > bindparam("since"), hand_out.c.at <= bindparam("until"))
    .group_by(hand_out.c.collection_id)
)


def read_restraints(link: Link) -> Restraints:
    """What holds for everybody."""
    at, by, reason = link.rows(_STOP)[0]
    stop = None if at is None else Stop(from_micros(at), by, reason)
    return Restraints(stop, {number: Limit(name, most) for number, name, most in link.rows(_LIMITS)})


def read_hand_outs(link: Link, now: datetime) -> Mapping[int, int]:
    """As `Tally.hand_outs`. What lies in the future was written before the clock was set back, and does not count."""
    return dict(link.rows(_HAND_OUTS, since=to_micros(now - HOUR), until=to_micros(now)))


class Guards(Advertisements):
    """The transaction's part for the guard; `pxed.site.store.Tx` says what each method does."""

    def restraints(self) -> Restraints:
        return read_restraints(self._link)

    def stop_all(self, reason: str = "") -> bool:
        check_printable(reason, "the reason")
        if self.restraints().stop is not None:
            return False
        self._link.run(_SET_STOP, stopped_at=to_micros(self._now), stopped_by=self._user, stopped_reason=reason)
        self._raise_change()
        why = f": {reason}" if reason else ""
        self.add_event(self._now, EventKind.GUARD, "", f"all mandatory hand-outs are stopped{why}")
        return True

    def resume(self) -> bool:
        if self.restraints().stop is None:
            return False
        self._link.run(_SET_STOP, stopped_at=None, stopped_by="", stopped_reason="")
        self._raise_change()
        self.add_event(self._now, EventKind.GUARD, "", "mandatory hand-outs go on")
        return True

    def is_protected(self, computer_id: int) -> bool:
        row = self._link.row(_COMPUTER, key=computer_id)
        return row is not None and bool(row[1])

    def protected(self) -> frozenset[int]:
        return frozenset(row[0] for row in self._link.rows(_PROTECTED))

    def set_protected(self, computer_id: int, protected: bool) -> bool:
        row = self._link.row(_COMPUTER, key=computer_id)
        if row is None:
            raise NotFound(f"there is no computer with the id {computer_id}")
        name, before = row
        if bool(before) == protected:
            return False
        self._link.run(_SET_PROTECTED, key=computer_id, protected=protected)
        self._set_by("computer", computer_id, ["protected"])
        self._edited(f"computer {name} is {'protected' if protected else 'no longer protected'}", str(computer_id))
        return True

    def limit_collection(self, collection_id: int, per_hour: int | None) -> bool:
        row = self._link.row(_COLLECTION, key=collection_id)
        if row is None:
            raise NotFound(f"there is no collection with the id {collection_id}")
        if per_hour is not None and per_hour < 0:
            raise UsageError(f"a limit of {per_hour} hand-outs cannot be; 0 is the least")
        name, before = row
        if before == per_hour:
            return False
        self._link.run(_SET_LIMIT, key=collection_id, hand_outs_per_hour=per_hour)
        self._set_by("collection", collection_id, ["hand_outs_per_hour"])
        what = "any number of" if per_hour is None else f"at most {per_hour}"
        self._edited(f"collection {name}: {what} mandatory hand-outs an hour")
        return True

    def approve(self, advertisement_id: int) -> Advertisement:
        found = self.advertisement(advertisement_id)
        if found.kind is not Kind.MANDATORY:
            raise Refused(f"advertisement {found.name} is optional and needs no second person")
        if found.approved_by:
            return found
        setters = self._link.rows(_MAKERS, key=found.id, own="advertisement", of_steps="task_sequence")
        makers = {found.created_by} | {user for (user,) in setters}
        if self._user in makers:
            raise Refused(
                f"advertisement {found.name} was made or changed by {self._user}; a second person approves it"
            )
        self._link.run(_SET_APPROVED, key=found.id, approved_by=self._user)
        self._edited(f"advertisement {found.name} (id {found.id}) approved")
        return self.advertisement(advertisement_id)

    def hand_outs(self) -> Mapping[int, int]:
        return read_hand_outs(self._link, self._now)

    def add_hand_out(self, subject: str, advertisement_id: int, collections: Iterable[int]) -> None:
        self._link.run(_FORGET_HAND_OUTS, since=to_micros(self._now - HOUR), until=to_micros(self._now))
        for number in (THE_SITE, *collections):
            self._link.run(
                _ADD_HAND_OUT,
                at=to_micros(self._now),
                subject=subject,
                advertisement_id=advertisement_id,
                collection_id=number,
            )
