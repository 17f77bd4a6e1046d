"""Computers."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import BindParameter, bindparam, delete, insert, or_, select, union_all, update

from pxed.errors import NotFound, Refused
from pxed.site.describe import describe_change, describe_computer
from pxed.site.identifiers import parse_guid, parse_mac
from pxed.site.identity import ListedIdentifier
from pxed.site.model import Computer
from pxed.site.names import check_identity
from pxed.site.sql.edits import Edits
from pxed.site.sql.identify import COMPUTER_ROWS, both_orders, find, to_computers
from pxed.site.sql.link import Statement
from pxed.site.sql.listed import shared_among
from pxed.site.tables import computer, mac, pxe_record, sighting

_ADD = Statement(insert(computer).returning(computer.c.id), "name", "guid")
_CHANGE = Statement(update(computer).where(computer.c.id == bindparam("key")), "name", "guid")
_REMOVE = Statement(delete(computer).where(computer.c.id == bindparam("key")))
COMPUTER_NAME = Statement(select(computer.c.name).where(computer.c.id == bindparam("key")))
_BY_ID = Statement(COMPUTER_ROWS.where(computer.c.id == bindparam("key")))
_ALL = Statement(COMPUTER_ROWS.order_by(computer.c.name))
_ADD_MAC = Statement(insert(mac), "address", "computer_id")
_REMOVE_MAC = Statement(delete(mac).where(mac.c.address == bindparam("mac")))
_REMOVE_RECORDS = Statement(delete(pxe_record).where(pxe_record.c.subject == bindparam("subject")))


@functools.cache
def adopt_records(macs: int) -> tuple[Statement, Statement]:
    """For a computer with so many MAC addresses: drop all but the latest record of an advertisement, then own it."""
    own: list[BindParameter[str]] = [bindparam("g0"), bindparam("g1"), *(bindparam(f"m{i}") for i in range(macs))]
    subjects: list[BindParameter[str]] = [bindparam("subject"), *own]
    other = pxe_record.alias("other")
    superseded = (
        select(other.c.id)
        .where(
            other.c.subject.in_(subjects),
            other.c.advertisement_id == pxe_record.c.advertisement_id,
            (other.c.changed_at > pxe_record.c.changed_at)
            | ((other.c.changed_at == pxe_record.c.changed_at) & (other.c.id > pxe_record.c.id)),
        )
        .exists()
    )
    return (
        Statement(delete(pxe_record).where(pxe_record.c.subject.in_(subjects), superseded)),
        Statement(update(pxe_record).where(pxe_record.c.subject.in_(own)).values(subject=bindparam("subject_now"))),
    )


@functools.cache
def _end_sightings(macs: int) -> Statement:
    of_macs = [sighting.c.mac == bindparam(f"m{i}") for i in range(macs)]
    return Statement(delete(sighting).where(or_(sighting.c.guid.in_([bindparam("g0"), bindparam("g1")]), *of_macs)))


@functools.cache
def _has_traces(macs: int) -> Statement:
    """Whether anything was kept of a computer with so many MAC addresses while it was unknown."""
    guids: list[BindParameter[str]] = [bindparam("g0"), bindparam("g1")]
    keys: list[BindParameter[str]] = [bindparam(f"m{i}") for i in range(macs)]
    seen = [sighting.c.mac == key for key in keys]
    return Statement(
        union_all(
            *[select(pxe_record.c.id).where(pxe_record.c.subject == key) for key in (*guids, *keys)],
            select(sighting.c.id).where(or_(sighting.c.guid.in_(guids), *seen)),
        ).limit(1)
    )


def _is_among(guid: uuid.UUID, listed: Sequence[ListedIdentifier]) -> bool:
    return any(each.value in both_orders(guid) for each in listed)


class Computers(Edits):
    """The transaction's part for computers; `pxed.site.store.Tx` says what each method does."""

    def put_computer(self, name: str, macs: Sequence[str], guid: uuid.UUID | None) -> Computer:
        name, addresses, guid = check_identity(name, macs, guid)
        shared = shared_among(self._link, addresses, guid)
        told_by = set(addresses).difference(each.value for each in shared)
        same = find(self._link, [name], [guid] if guid and not _is_among(guid, shared) else [], sorted(told_by))
        if len(same) > 1:
            others = ", ".join(sorted(other.name for other in same))
            raise Refused(f"{name}: its name and identifiers belong to different computers: {others}")
        # what a computer has may become shared; what is shared becomes no computer's
        had = {*same[0].macs, *(both_orders(same[0].guid) if same[0].guid else ())} if same else set()
        for each in shared:
            if each.value not in had:
                raise Refused(f"{name}: {each}, so it tells no computer from another; leave it out")
        if same:
            before = same[0]
            computer_id = before.id
            change = describe_change(before, name, addresses, guid)
            if not change:
                return before
            self._link.run(_CHANGE, key=computer_id, name=name, guid=str(guid) if guid else None)
            for gone in set(before.macs) - set(addresses):
                self._link.run(_REMOVE_MAC, mac=gone)
            text = f"computer {name} changed: {change}"
        else:
            before = None
            added = self._link.added(_ADD, name=name, guid=str(guid) if guid else None)
            computer_id = added
            text = f"computer {name} added: {describe_computer(addresses, guid)}"
        for address in addresses:
            if before is None or address not in before.macs:
                self._link.run(_ADD_MAC, address=address, computer_id=computer_id)
        self._take_over(computer_id, addresses, guid)
        self._edited(text, str(computer_id))
        if before is None:
            return Computer(computer_id, name, addresses, guid)
        return replace(before, name=name, macs=addresses, guid=guid)

    def _take_over(self, computer_id: int, macs: Sequence[str], guid: uuid.UUID | None) -> None:
        """What was kept of the computer while it was unknown: its records become its own, its sightings end."""
        orders = both_orders(guid) if guid else (None, None)
        keys = {"g0": orders[0], "g1": orders[1], **{f"m{index}": mac for index, mac in enumerate(macs)}}
        if not self._link.row(_has_traces(len(macs)), **keys):
            return
        drop_superseded, own = adopt_records(len(macs))
        self._link.run(drop_superseded, subject=str(computer_id), **keys)
        self._link.run(own, subject_now=str(computer_id), **keys)
        self._link.run(_end_sightings(len(macs)), **keys)

    def remove_computer(self, computer_id: int) -> None:
        found = self._computer(computer_id)
        self._link.run(_REMOVE_RECORDS, subject=str(computer_id))
        self._link.run(_REMOVE, key=computer_id)
        self._edited(f"computer {found.name} removed: {describe_computer(found.macs, found.guid)}", str(computer_id))

    def find_computer(self, key: str) -> Computer | None:
        # names never look like identifiers, so at most one reading finds something
        try:
            found = find(self._link, macs=[parse_mac(key)])
        except ValueError:
            try:
                found = find(self._link, guids=[parse_guid(key)])
            except ValueError:
                found = find(self._link, [key])
        return found[0] if found else None

    def same_computers(
        self, names: Sequence[str], macs: Sequence[str], guids: Sequence[uuid.UUID]
    ) -> Sequence[Computer]:
        return find(self._link, names, guids, macs)

    def computers(self) -> Iterator[Computer]:
        return to_computers(self._link.each(_ALL))

    def _computer(self, computer_id: int) -> Computer:
        found = next(to_computers(self._link.rows(_BY_ID, key=computer_id)), None)
        if found is None:
            raise NotFound(f"there is no computer with the id {computer_id}")
        return found
