"""Advertisements: what is advertised to whom, when, and who decided that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from pxed.errors import NotFound, UsageError
from pxed.site.assignments import AS_SOON_AS_POSSIBLE, canonical
from pxed.site.draft import Draft
from pxed.site.model import Advertisement, Kind, PasswordScope, Rerun
from pxed.site.names import check_name
from pxed.site.sql.core import bindparam, delete, insert, or_, select, update
from pxed.site.sql.edits import Edits
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.link import Link, Row
from pxed.site.sql.passwords import forget_passwords
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import advertisement, assignment, collection, task_sequence

_ADVERTISEMENTS = (
    select(
        advertisement.c.id,
        advertisement.c.name,
        advertisement.c.kind,
        task_sequence.c.name,
        task_sequence.c.boot_image,
        advertisement.c.collection_id,
        collection.c.name,
        advertisement.c.enabled,
        advertisement.c.start_at,
        advertisement.c.expires_at,
        advertisement.c.created_at,
        advertisement.c.created_by,
        advertisement.c.comment,
        advertisement.c.include_subcollections,
        advertisement.c.pxe,
        advertisement.c.rerun,
        advertisement.c.zone,
        advertisement.c.wake,
        advertisement.c.approved_by,
        advertisement.c.confirmed_size,
    )
    .select_from(advertisement.join(task_sequence).join(collection))
    .order_by(advertisement.c.created_at.desc(), advertisement.c.id.desc())
)
_ALL_ADVERTISEMENTS = Statement(_ADVERTISEMENTS)
_ADVERTISEMENT = Statement(_ADVERTISEMENTS.where(advertisement.c.id == bindparam("key")))
_DECIDED = (
    "name",
    "kind",
    "sequence_id",
    "collection_id",
    "enabled",
    "start_at",
    "expires_at",
    "comment",
    "include_subcollections",
    "pxe",
    "rerun",
    "zone",
    "wake",
    "confirmed_size",
)
"""Columns that a draft fills."""
_ADD_ADVERTISEMENT = Statement(
    insert(advertisement).returning(advertisement.c.id), *_DECIDED, "created_at", "created_by"
)
_CHANGE_ADVERTISEMENT = Statement(update(advertisement).where(advertisement.c.id == bindparam("key")), *_DECIDED)
_NOTE_WAKE_UP = Statement(
    update(advertisement).where(
        advertisement.c.id == bindparam("key"),
        or_(advertisement.c.woken_at.is_(None), advertisement.c.woken_at < bindparam("due")),
    ),
    "woken_at",
)
_VOID_APPROVAL = Statement(update(advertisement).where(advertisement.c.id == bindparam("key")), "approved_by")
_REMOVE_ADVERTISEMENT = Statement(delete(advertisement).where(advertisement.c.id == bindparam("key")))
_ASSIGNMENTS = select(assignment.c.advertisement_id, assignment.c.text).order_by(
    assignment.c.advertisement_id, assignment.c.position
)
_ALL_ASSIGNMENTS = Statement(_ASSIGNMENTS)
_ASSIGNMENTS_OF = Statement(_ASSIGNMENTS.where(assignment.c.advertisement_id == bindparam("key")))
_ADD_ASSIGNMENT = Statement(insert(assignment), "advertisement_id", "position", "text")
_REMOVE_ASSIGNMENTS = Statement(delete(assignment).where(assignment.c.advertisement_id == bindparam("key")))
_SEQUENCE_ID = Statement(select(task_sequence.c.id).where(task_sequence.c.name == bindparam("name")))
_COLLECTION_ID = Statement(select(collection.c.id).where(collection.c.name == bindparam("name")))

DECIDING = tuple(each.name for each in fields(Draft) if each.name not in {"name", "comment"})
"""Fields of a draft that have a part in decisions: who set them is kept."""


def read_advertisements(link: Link) -> list[Advertisement]:
    """Every advertisement, newest first."""
    return _to_advertisements(link.rows(_ALL_ADVERTISEMENTS), link.rows(_ALL_ASSIGNMENTS))


def _to_advertisements(rows: Sequence[Row], assignments: Sequence[Row]) -> list[Advertisement]:
    texts = {number: tuple(text for _, text in own) for number, own in groupby(assignments, itemgetter(0))}
    return [
        Advertisement(
            number,
            name,
            Kind(kind),
            sequence,
            image,
            collection_id,
            collection_name,
            bool(enabled),
            from_micros(start),
            None if expires is None else from_micros(expires),
            from_micros(created),
            created_by=created_by,
            comment=comment,
            include_subcollections=bool(include_subcollections),
            pxe=bool(pxe),
            rerun=Rerun(rerun),
            zone=zone,
            assignments=texts.get(number, ()),
            wake=bool(wake),
            approved_by=approved_by,
            confirmed_size=confirmed_size,
        )
        for (
            number,
            name,
            kind,
            sequence,
            image,
            collection_id,
            collection_name,
            enabled,
            start,
            expires,
            created,
            created_by,
            comment,
            include_subcollections,
            pxe,
            rerun,
            zone,
            wake,
            approved_by,
            confirmed_size,
        ) in rows
    ]


class Advertisements(Edits):
    """The transaction's part for what is advertised; `pxed.site.store.Tx` says what each method does."""

    def advertise(self, draft: Draft) -> Advertisement:
        draft = _checked(draft)
        added = self._link.added(
            _ADD_ADVERTISEMENT, **self._columns(draft), created_at=to_micros(self._now), created_by=self._user
        )
        self._assign(added, draft.assignments)
        self._set_by("advertisement", added, DECIDING)
        self._edited(
            f"advertisement {draft.name} (id {added}) added: {draft.sequence} to {draft.collection}, {draft.kind}"
        )
        return self.advertisement(added)

    def change_advertisement(self, advertisement_id: int, draft: Draft) -> Advertisement:
        before = Draft.of(self.advertisement(advertisement_id))
        after = _checked(draft)
        to = ("kind", "collection", "include_subcollections")
        if after.confirmed_size == before.confirmed_size and any(
            getattr(after, name) != getattr(before, name) for name in to
        ):
            after = replace(after, confirmed_size=0)  # the size that was agreed to was of others
        changed = [each.name for each in fields(Draft) if getattr(after, each.name) != getattr(before, each.name)]
        if not changed:
            return self.advertisement(advertisement_id)
        self._link.run(_CHANGE_ADVERTISEMENT, key=advertisement_id, **self._columns(after))
        if "assignments" in changed:
            self._link.run(_REMOVE_ASSIGNMENTS, key=advertisement_id)
            self._assign(advertisement_id, after.assignments)
        self._set_by("advertisement", advertisement_id, changed)
        if not set(changed).isdisjoint(DECIDING):
            self._link.run(_VOID_APPROVAL, key=advertisement_id, approved_by="")  # it was given to something else
        if changed == ["enabled"]:
            what = "enabled" if after.enabled else "disabled"
        else:
            what = "changed: " + ", ".join(f"{name} = {_said(getattr(after, name))}" for name in changed)
        self._edited(f"advertisement {before.name} (id {advertisement_id}) {what}")
        return self.advertisement(advertisement_id)

    def set_enabled(self, advertisement_id: int, enabled: bool) -> Advertisement:
        draft = Draft.of(self.advertisement(advertisement_id))
        return self.change_advertisement(advertisement_id, replace(draft, enabled=enabled))

    def note_wake_up(self, advertisement_id: int, assigned_at: datetime) -> bool:
        # not an edit: no decision depends on it
        due = to_micros(assigned_at)
        return bool(self._link.run(_NOTE_WAKE_UP, key=advertisement_id, due=due, woken_at=due))

    def remove_advertisement(self, advertisement_id: int) -> Advertisement:
        found = self.advertisement(advertisement_id)
        forget_passwords(self._link, PasswordScope.ADVERTISEMENT, advertisement_id)
        self._link.run(_REMOVE_ADVERTISEMENT, key=advertisement_id)
        self._forget_set_by("advertisement", advertisement_id)
        self._edited(f"advertisement {found.name} (id {found.id}) removed")
        return found

    def advertisements(self) -> Sequence[Advertisement]:
        return read_advertisements(self._link)

    def advertisement(self, advertisement_id: int) -> Advertisement:
        rows = self._link.rows(_ADVERTISEMENT, key=advertisement_id)
        if not rows:
            raise NotFound(f"there is no advertisement with the id {advertisement_id}")
        return _to_advertisements(rows, self._link.rows(_ASSIGNMENTS_OF, key=advertisement_id))[0]

    def _columns(self, draft: Draft) -> Mapping[str, object]:
        sequence = self._link.row(_SEQUENCE_ID, name=draft.sequence)
        if sequence is None:
            raise NotFound(f"there is no task sequence {draft.sequence}")
        to = self._link.row(_COLLECTION_ID, name=draft.collection)
        if to is None:
            raise NotFound(f"there is no collection {draft.collection}")
        return {
            "name": draft.name,
            "kind": draft.kind.value,
            "sequence_id": sequence[0],
            "collection_id": to[0],
            "enabled": draft.enabled,
            "start_at": to_micros(draft.start),
            "expires_at": None if draft.expires is None else to_micros(draft.expires),
            "comment": draft.comment,
            "include_subcollections": draft.include_subcollections,
            "pxe": draft.pxe,
            "rerun": draft.rerun.value,
            "zone": draft.zone,
            "wake": draft.wake,
            "confirmed_size": draft.confirmed_size,
        }

    def _assign(self, advertisement_id: int, texts: Sequence[str]) -> None:
        for position, text in enumerate(texts):
            self._link.run(_ADD_ASSIGNMENT, advertisement_id=advertisement_id, position=position, text=text)


def _checked(draft: Draft) -> Draft:
    """`draft` as the site keeps it: assignments in their canonical form, one at least if it is mandatory."""
    check_name(draft.name)
    if draft.expires is not None and draft.expires <= draft.start:
        raise UsageError(f"advertisement {draft.name} would expire before it starts")
    if draft.kind is Kind.MANDATORY:
        return replace(draft, assignments=canonical(draft.assignments) or (AS_SOON_AS_POSSIBLE,))
    if draft.assignments:
        raise UsageError(f"advertisement {draft.name} is optional, so it has no assignments: a person chooses it")
    return draft


def _said(value: object) -> str:
    match value:
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S %Z}"
        case tuple():
            return "; ".join(map(str, value)) or "none"
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case _:
            return repr(value) if isinstance(value, str) and not value.isidentifier() else str(value)
