"""A site without a database: `Reader` and `Tx` of `pxed.site.store` on dictionaries, for tests and simulations.

It is also the reference that the database is tested against: each method says in a few lines what must come out. A
method either does everything or raises before it changes anything; there is no rolling back of several.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from pxed.errors import NotFound, Refused, UsageError
from pxed.site.describe import describe_change, describe_computer
from pxed.site.identifiers import parse_guid, parse_mac, swap_guid
from pxed.site.model import (
    Advertisement,
    BootImage,
    Collection,
    Computer,
    Event,
    EventKind,
    Evidence,
    ImageVariant,
    Kind,
    Known,
    Plan,
    PxeRecord,
    Sighting,
    TaskSequence,
)
from pxed.site.names import check_identity, check_name


class MemorySite:
    """A whole site in memory: hand it to whatever wants a Reader or a Tx. `now` is the instant of the edits to come."""

    def __init__(self, user: str = "", now: datetime = datetime(2025, 1, 1, tzinfo=UTC)) -> None:
        self.user = user
        self.now = now
        self.change = 0
        self._ids = {
            kind: count(1) for kind in ("computer", "collection", "image", "sequence", "advertisement", "event")
        }
        self._record_ids = count(1)
        self._computers: dict[int, Computer] = {}
        self._collections: dict[int, Collection] = {}
        self._members: set[tuple[int, int]] = set()
        """(collection id, computer id)"""
        self._images: dict[str, BootImage] = {}
        self._retired: dict[int, tuple[BootImage, datetime]] = {}
        self._sequences: dict[str, TaskSequence] = {}
        self._advertisements: dict[int, Advertisement] = {}
        self._records: dict[int, PxeRecord] = {}
        self._sightings: dict[str, Sighting] = {}
        self._events: list[Event] = []

    # Reader

    def plan(self) -> Plan:
        return Plan(
            self.change,
            tuple(self.advertisements()),
            dict(self._images),
            dict(self._sequences),
            {each.name: each.id for each in self._collections.values()},
        )

    def evidence(self, mac: str, guids: Sequence[uuid.UUID]) -> Evidence:
        orders = {order for guid in guids for order in (guid, swap_guid(guid))}
        by_mac = [self._known(each) for each in self._computers.values() if mac in each.macs]
        by_guid = [self._known(each) for each in self._computers.values() if each.guid in orders]
        return Evidence(next(iter(by_mac), None), tuple(by_guid), tuple(self.records(mac)))

    def look_up(self, mac: str, guids: Sequence[uuid.UUID]) -> tuple[Plan, Evidence]:
        return self.plan(), self.evidence(mac, guids)

    def record(self, record_id: int) -> PxeRecord | None:
        return self._records.get(record_id)

    def name_of(self, subject: str) -> str:
        computer = self._computers.get(int(subject)) if subject.isdecimal() else None
        return computer.name if computer else subject

    def _known(self, computer: Computer) -> Known:
        held = frozenset(collection_id for collection_id, member in self._members if member == computer.id)
        return Known(computer, held, tuple(self.records(str(computer.id))))

    # computers

    def put_computer(self, name: str, macs: Sequence[str], guid: uuid.UUID | None) -> Computer:
        name, addresses, guid = check_identity(name, macs, guid)
        same = self.same_computers([name], addresses, [guid] if guid else [])
        if len(same) > 1:
            others = ", ".join(sorted(other.name for other in same))
            raise Refused(f"{name}: its name and identifiers belong to different computers: {others}")
        if same:
            change = describe_change(same[0], name, addresses, guid)
            if not change:
                return same[0]
            computer = Computer(same[0].id, name, addresses, guid)
            text = f"computer {name} changed: {change}"
        else:
            computer = Computer(next(self._ids["computer"]), name, addresses, guid)
            text = f"computer {name} added: {describe_computer(addresses, guid)}"
        self._computers[computer.id] = computer
        subject = str(computer.id)
        latest: dict[int, PxeRecord] = {}
        for record in sorted(self._records.values(), key=_age):
            if record.subject in {subject, *addresses}:
                del self._records[record.id]
                latest[record.advertisement_id] = replace(record, subject=subject)
        self._records.update((record.id, record) for record in latest.values())
        orders = {guid, swap_guid(guid)} if guid else set()
        self._sightings = {
            mac: each for mac, each in self._sightings.items() if mac not in addresses and each.guid not in orders
        }
        self._edited(text, subject)
        return computer

    def remove_computer(self, computer_id: int) -> None:
        computer = self._computer(computer_id)
        del self._computers[computer_id]
        self._members = {pair for pair in self._members if pair[1] != computer_id}
        self._records = {key: each for key, each in self._records.items() if each.subject != str(computer_id)}
        identity = describe_computer(computer.macs, computer.guid)
        self._edited(f"computer {computer.name} removed: {identity}", str(computer_id))

    def find_computer(self, key: str) -> Computer | None:
        try:
            found = self.same_computers([], [parse_mac(key)], [])
        except ValueError:
            try:
                found = self.same_computers([], [], [parse_guid(key)])
            except ValueError:
                found = self.same_computers([key], [], [])
        return found[0] if found else None

    def same_computers(
        self, names: Sequence[str], macs: Sequence[str], guids: Sequence[uuid.UUID]
    ) -> Sequence[Computer]:
        orders = {order for guid in guids for order in (guid, swap_guid(guid))}
        wanted_names, wanted_macs = set(names), set(macs)
        return [
            each
            for each in self._computers.values()
            if each.name in wanted_names or not wanted_macs.isdisjoint(each.macs) or each.guid in orders
        ]

    def computers(self, collection_id: int | None = None) -> Iterator[Computer]:
        for each in sorted(self._computers.values(), key=lambda each: each.name):
            if collection_id is None or (collection_id, each.id) in self._members:
                yield each

    # collections

    def add_collection(self, name: str, comment: str = "") -> Collection:
        check_name(name)
        if self.find_collection(name):
            raise Refused(f"there is a collection {name} already")
        collection = Collection(next(self._ids["collection"]), name, comment, 0)
        self._collections[collection.id] = collection
        self._edited(f"collection {name} added")
        return collection

    def remove_collection(self, name: str) -> None:
        found = self.find_collection(name)
        if found is None:
            raise NotFound(f"there is no collection {name}")
        if using := [each.name for each in self._advertisements.values() if each.collection_id == found.id]:
            raise Refused(f"collection {name} is advertised to: {', '.join(using)}")
        del self._collections[found.id]
        self._members = {pair for pair in self._members if pair[0] != found.id}
        self._edited(f"collection {name} removed")

    def find_collection(self, name: str) -> Collection | None:
        return next((each for each in self.collections() if each.name == name), None)

    def collections(self, computer_id: int | None = None) -> Sequence[Collection]:
        return [
            replace(each, members=sum(pair[0] == each.id for pair in self._members))
            for each in sorted(self._collections.values(), key=lambda each: each.name)
            if computer_id is None or (each.id, computer_id) in self._members
        ]

    def add_members(self, collection_id: int, computers: Sequence[Computer]) -> int:
        self._collection_name(collection_id)
        return sum(self.add_member(collection_id, each.id) for each in computers)

    def add_member(self, collection_id: int, computer_id: int) -> bool:
        where, who = self._collection_name(collection_id), self._computer(computer_id).name
        if (collection_id, computer_id) in self._members:
            return False
        self._members.add((collection_id, computer_id))
        self._edited(f"computer {who} added to collection {where}", str(computer_id))
        return True

    def remove_member(self, collection_id: int, computer_id: int) -> bool:
        where, who = self._collection_name(collection_id), self._computer(computer_id).name
        if (collection_id, computer_id) not in self._members:
            return False
        self._members.remove((collection_id, computer_id))
        self._edited(f"computer {who} removed from collection {where}", str(computer_id))
        return True

    def _collection_name(self, collection_id: int) -> str:
        if collection_id not in self._collections:
            raise NotFound(f"there is no collection with the id {collection_id}")
        return self._collections[collection_id].name

    def _computer(self, computer_id: int) -> Computer:
        if computer_id not in self._computers:
            raise NotFound(f"there is no computer with the id {computer_id}")
        return self._computers[computer_id]

    # boot images and task sequences

    def add_boot_image(self, name: str) -> BootImage:
        check_name(name)
        if name in self._images:
            self._retire(name)
        image = self._images[name] = BootImage(next(self._ids["image"]), name, (), self.now)
        self._edited(f"boot image {name}: revision {image.id} added")
        return image

    def add_variant(self, image_id: int, variant: ImageVariant) -> None:
        image = next((each for each in self._images.values() if each.id == image_id), None)
        if image is None:
            raise NotFound(f"there is no boot image with the id {image_id}")
        if len({file.name for file in variant.files}) != len(variant.files):
            raise UsageError(f"boot image {image.name}, {variant.cpu}: two files have the same name")
        variants = {each.cpu: each for each in image.variants} | {variant.cpu: variant}
        self._images[image.name] = replace(image, variants=tuple(variants[cpu] for cpu in sorted(variants)))
        self._edited(f"boot image {image.name}: variant for {variant.cpu} added")

    def remove_boot_image(self, name: str) -> BootImage:
        if name not in self._images:
            raise NotFound(f"there is no boot image {name}")
        if using := [each.name for each in self.sequences() if each.boot_image == name]:
            raise Refused(f"boot image {name} is used by task sequences: {', '.join(using)}")
        image = self._retire(name)
        self._edited(f"boot image {name} removed")
        return image

    def _retire(self, name: str) -> BootImage:
        image = self._images.pop(name)
        self._retired[image.id] = (image, self.now)
        return image

    def boot_images(self) -> Sequence[BootImage]:
        return [self._images[name] for name in sorted(self._images)]

    def retired_boot_images(self, before: datetime) -> Sequence[BootImage]:
        old = [image for image, retired_at in self._retired.values() if retired_at <= before]
        return sorted(old, key=lambda image: (image.name, image.id))

    def forget_boot_image(self, image_id: int) -> None:
        self._retired.pop(image_id, None)

    def put_sequence(self, name: str, boot_image: str, document: str) -> TaskSequence:
        check_name(name)
        if boot_image not in self._images:
            raise NotFound(f"there is no boot image {boot_image}")
        before = self._sequences.get(name)
        number = before.id if before else next(self._ids["sequence"])
        after = self._sequences[name] = TaskSequence(number, name, boot_image, document)
        if after != before:
            self._advertisements = {
                key: replace(each, boot_image=boot_image) if each.sequence == name else each
                for key, each in self._advertisements.items()
            }
            self._edited(f"task sequence {name} {'changed' if before else 'added'}")
        return after

    def remove_sequence(self, name: str) -> None:
        if name not in self._sequences:
            raise NotFound(f"there is no task sequence {name}")
        if using := [each.name for each in self.advertisements() if each.sequence == name]:
            raise Refused(f"task sequence {name} is advertised: {', '.join(using)}")
        del self._sequences[name]
        self._edited(f"task sequence {name} removed")

    def sequences(self) -> Sequence[TaskSequence]:
        return [self._sequences[name] for name in sorted(self._sequences)]

    # advertisements

    def advertise(
        self,
        name: str,
        kind: Kind,
        sequence: str,
        collection: str,
        start: datetime,
        expires: datetime | None,
        now: datetime,
    ) -> Advertisement:
        check_name(name)
        if sequence not in self._sequences:
            raise NotFound(f"there is no task sequence {sequence}")
        to = self.find_collection(collection)
        if to is None:
            raise NotFound(f"there is no collection {collection}")
        if expires is not None and expires <= start:
            raise UsageError(f"advertisement {name} would expire before it starts")
        number = next(self._ids["advertisement"])
        image = self._sequences[sequence].boot_image
        added = Advertisement(number, name, kind, sequence, image, to.id, collection, True, start, expires, now)
        self._advertisements[number] = added
        self._edited(f"advertisement {name} ({kind}, id {number}) of {sequence} to {collection} added")
        return added

    def set_enabled(self, advertisement_id: int, enabled: bool) -> Advertisement:
        before = self._advertisement(advertisement_id)
        if before.enabled != enabled:
            self._advertisements[advertisement_id] = replace(before, enabled=enabled)
            self._edited(f"advertisement {before.name} (id {before.id}) {'enabled' if enabled else 'disabled'}")
        return self._advertisements[advertisement_id]

    def remove_advertisement(self, advertisement_id: int) -> Advertisement:
        found = self._advertisement(advertisement_id)
        del self._advertisements[advertisement_id]
        self._records = {key: each for key, each in self._records.items() if each.advertisement_id != found.id}
        self._edited(f"advertisement {found.name} (id {found.id}) removed")
        return found

    def advertisements(self) -> Sequence[Advertisement]:
        return sorted(self._advertisements.values(), key=lambda each: (each.created_at, each.id), reverse=True)

    def _advertisement(self, advertisement_id: int) -> Advertisement:
        if advertisement_id not in self._advertisements:
            raise NotFound(f"there is no advertisement with the id {advertisement_id}")
        return self._advertisements[advertisement_id]

    # records, sightings, events

    def records(self, subject: str) -> Sequence[PxeRecord]:
        return sorted((each for each in self._records.values() if each.subject == subject), key=_age, reverse=True)

    def save_record(self, record: PxeRecord) -> PxeRecord:
        if record.id:
            if record.id not in self._records:
                raise NotFound(f"the PXE record {record.id} was cleared")
        else:
            if any(each.advertisement_id == record.advertisement_id for each in self.records(record.subject)):
                raise Refused(f"{record.subject} has a PXE record of advertisement {record.advertisement_id} already")
            self._advertisement(record.advertisement_id)
            record = replace(record, id=next(self._record_ids))
        self._records[record.id] = record
        return record

    def delete_record(self, record_id: int) -> None:
        self._records.pop(record_id, None)

    def saw(self, sighting: Sighting) -> None:
        before = self._sightings.get(sighting.mac)
        if before:
            total = before.count + sighting.count
            self._sightings[sighting.mac] = replace(sighting, first_seen=before.first_seen, count=total)
        elif not any(sighting.mac in each.macs for each in self._computers.values()):
            self._sightings[sighting.mac] = sighting

    def sightings(self) -> Sequence[Sighting]:
        # of two seen at the same instant the one that was added later comes first
        return sorted(self._sightings.values(), key=lambda each: each.last_seen)[::-1]

    def add_event(self, at: datetime, kind: EventKind, subject: str, text: str) -> None:
        self._events.append(Event(next(self._ids["event"]), at, kind, subject, text, self.user))

    def events(self, subject: str | None, limit: int) -> Sequence[Event]:
        found = [each for each in self._events if subject is None or each.subject == subject]
        return found[-limit:] if limit else []

    def _edited(self, text: str, subject: str = "") -> None:
        self.change += 1
        self.add_event(self.now, EventKind.EDIT, subject, text)


def _age(record: PxeRecord) -> tuple[datetime, int]:
    return record.changed_at, record.id
