"""Computers."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pxed.errors import NotFound, Refused
from pxed.site.describe import describe_change, describe_computer
from pxed.site.identifiers import parse_guid, parse_mac
from pxed.site.identity import IdentifierList, ListedIdentifier
from pxed.site.model import Computer
from pxed.site.names import check_identity
from pxed.site.sql.core import BindParameter, bindparam, delete, insert, or_, select, union_all, update
from pxed.site.sql.edits import Edits
from pxed.site.sql.identify import CHUNK, COMPUTER_ROWS, both_orders, find, to_computers
from pxed.site.sql.listed import read_list, shared_among
from pxed.site.sql.places import placed, places
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import computer, mac, pxe_record, sighting
from pxed.site.store import Identity

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
    own = [*places("g", 2), *places("m", macs)]
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
    of_macs = [sighting.c.mac == each for each in places("m", macs)]
    return Statement(delete(sighting).where(or_(sighting.c.guid.in_(places("g", 2)), *of_macs)))


@functools.cache
def _traces(keys: int) -> Statement:
    """Those of so many identifiers under which something was kept of a computer while it was unknown."""
    own = places("k", keys)
    columns = (pxe_record.c.subject, sighting.c.mac, sighting.c.guid)
    return Statement(union_all(*[select(column).where(column.in_(own)) for column in columns]))


@functools.cache
def _add(computers: int) -> Statement:
    """So many new computers at once."""
    rows: list[dict[str, BindParameter[object]]] = [
        {"name": bindparam(f"n{i}"), "guid": bindparam(f"g{i}")} for i in range(computers)
    ]
    return Statement(insert(computer).values(rows).returning(computer.c.name, computer.c.id))


def _identifiers(computer: Computer) -> tuple[str, ...]:
    """Each under which something may be kept."""
    return *computer.macs, *(both_orders(computer.guid) if computer.guid else ())


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
        if not same:
            return self._add_all([(name, addresses, guid)])[0]
        before = same[0]
        change = describe_change(before, name, addresses, guid)
        if not change:
            return before
        self._link.run(_CHANGE, key=before.id, name=name, guid=str(guid) if guid else None)
        for gone in set(before.macs) - set(addresses):
            self._link.run(_REMOVE_MAC, mac=gone)
        for address in set(addresses) - set(before.macs):
            self._link.run(_ADD_MAC, address=address, computer_id=before.id)
        after = replace(before, name=name, macs=addresses, guid=guid)
        self._take_over([after])
        self._edited(f"computer {name} changed: {change}", str(before.id))
        return after

    def add_computers(self, new: Sequence[Identity]) -> Sequence[Computer]:
        checked = [check_identity(*each) for each in new]
        macs = [mac for _, addresses, _ in checked for mac in addresses]
        guids = [order for _, _, guid in checked if guid for order in both_orders(guid)]
        known = find(self._link, [name for name, _, _ in checked], [guid for _, _, guid in checked if guid], macs)
        if known:
            raise Refused(f"a name or an identifier is somebody's already: {', '.join(each.name for each in known)}")
        for each in read_list(self._link, IdentifierList.SHARED):
            if each.value in {*macs, *guids}:
                raise Refused(f"{each}, so it tells no computer from another")
        return self._add_all(checked)

    def _add_all(self, new: Sequence[tuple[str, tuple[str, ...], uuid.UUID | None]]) -> list[Computer]:
        """Computers with names and identifiers that nobody has; few statements for many."""
        added = []
        for start in range(0, len(new), CHUNK):
            chunk = new[start : start + CHUNK]
            names = placed("n", (name for name, _, _ in chunk))
            guids = placed("g", (str(guid) if guid else None for _, _, guid in chunk))
            ids: dict[str, int] = dict(self._link.rows(_add(len(chunk)), **names, **guids))
            added += [Computer(ids[name], name, macs, guid) for name, macs, guid in chunk]
        self._link.run_many(_ADD_MAC, ({"address": mac, "computer_id": each.id} for each in added for mac in each.macs))
        self._take_over(added)
        texts = (f"computer {each.name} added: {describe_computer(each.macs, each.guid)}" for each in added)
        self._edited_many((str(each.id), text) for each, text in zip(added, texts, strict=True))
        return added

    def _take_over(self, computers: Sequence[Computer]) -> None:
        """What was kept of them while they were unknown: records become their own, sightings end."""
        keys = [key for each in computers for key in _identifiers(each)]
        kept: set[str] = set()
        for start in range(0, len(keys), CHUNK):
            chunk = placed("k", keys[start : start + CHUNK])
            kept.update(row[0] for row in self._link.rows(_traces(len(chunk)), **chunk))
        for each in computers:
            if kept.isdisjoint(_identifiers(each)):
                continue
            orders = both_orders(each.guid) if each.guid else (None, None)
            own = placed("g", orders) | placed("m", each.macs)
            drop_superseded, adopt = adopt_records(len(each.macs))
            self._link.run(drop_superseded, subject=str(each.id), **own)
            self._link.run(adopt, subject_now=str(each.id), **own)
            self._link.run(_end_sightings(len(each.macs)), **own)

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
