"""What the rest of the program may ask of the site's database: three small interfaces.

`Reader` is the boot path's view: read-only, indexed, never waiting for a writer. `Tx` is a transaction: what the
command line and the service's writer thread do to the site, whole or not at all. `sql/` implements both. Every method
may raise StoreError; what a person typed and cannot be (a name with a control character, a computer without any
identifier) is a UsageError.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from pxed.site.draft import Draft
from pxed.site.identity import Conflict, IdentifierKind, IdentifierList, ListedIdentifier, Suspicion, Together
from pxed.site.model import (
    Advertisement,
    BootImage,
    Collection,
    CollectionRule,
    Computer,
    Event,
    EventKind,
    Evidence,
    ImageVariant,
    Overview,
    Password,
    PasswordScope,
    Plan,
    PxeRecord,
    SetBy,
    Sighting,
    TaskSequence,
)
from pxed.site.restraints import Restraints, Tally

T = TypeVar("T")
Client = tuple[str, Sequence[uuid.UUID]]
"""The identifiers in one packet: a MAC address and a GUID if there is one."""

Identity = tuple[str, Sequence[str], uuid.UUID | None]
"""What tells a computer: name, MAC addresses, GUID."""


class Reader(Protocol):
    """The boot path's questions."""

    def plan(self) -> Plan:
        """The site-wide part, cached until the site's change number moves."""
        ...

    def look_up(self, mac: str, guids: Sequence[uuid.UUID]) -> tuple[Plan, Evidence]:
        """The plan, and what is known of a client that calls itself `mac` and, in one byte order or the other,
        `guids` (one at most): all that a decision needs, of one and the same state of the site.

        What is on the shared list is no evidence."""
        ...

    def look_up_all(self, clients: Sequence[Client]) -> tuple[Plan, list[Evidence]]:
        """The same for any number of clients, in their order."""
        ...

    def tally(self, advertisement: Advertisement, now: datetime, *, with_size: bool) -> Tally:
        """What the guard counts before that mandatory advertisement is handed out; the size of its collection only if
        it is wanted, since counting may take long."""
        ...

    def record(self, record_id: int) -> PxeRecord | None:
        """One PXE record by its id; None if it was cleared."""
        ...

    def password_hashes(self, scope: PasswordScope, scope_id: int) -> dict[str, str]:
        """The hashes of the passwords that guard something, by person; empty if there are none."""
        ...

    def environment_of(self, subject: str) -> dict[str, str]:
        """What a task sequence may read about the computer that a record's subject means: its variables, and
        PXED_SOURCE, the computer that it replaces. Empty for an unknown one."""
        ...

    def name_of(self, subject: str) -> str:
        """The name of the computer that a record's subject means; the subject itself for an unknown one."""
        ...


class Tx(Protocol):
    """One transaction on the site. Edits raise the change number and leave an EDIT event with the user's name."""

    # computers
    def put_computer(self, name: str, macs: Sequence[str], guid: uuid.UUID | None) -> Computer:
        """Adds the computer, or overwrites the one it is: that of the same name, else of the same GUID, else of a MAC.

        Refused if its identifiers belong to two different computers, or one that is new to it is on the shared list.
        Records kept under one of its identifiers become its own (of two for one advertisement the one that changed
        last); sightings of its identifiers end.
        Nothing is written if nothing is different.
        """
        ...

    def add_computers(self, new: Sequence[Identity]) -> Sequence[Computer]:
        """Adds them all, in few statements, as `put_computer` adds one.

        Refused if a name or an identifier is somebody's already or an identifier is on the shared list; that they share
        none among themselves is for the caller to see to.
        """
        ...

    def remove_computer(self, computer_id: int) -> None:
        """Removes a computer with its memberships and records. NotFound."""
        ...

    def find_computer(self, key: str) -> Computer | None:
        """By name, MAC address or GUID, in any notation, the GUID in either byte order."""
        ...

    def same_computers(
        self, names: Sequence[str], macs: Sequence[str], guids: Sequence[uuid.UUID]
    ) -> Sequence[Computer]:
        """Every computer that has one of these, in no order; any number may be asked for."""
        ...

    def computers(self) -> Iterator[Computer]:
        """All, by name; read as one iterates, so the first of a million come at once."""
        ...

    # what is known of a computer beside its identity
    def variables(self, computers: Sequence[Computer]) -> Mapping[int, Mapping[str, str]]:
        """The variables of each, by name; any number may be asked for."""
        ...

    def set_variables(self, computer: Computer, values: Mapping[str, str]) -> int:
        """Sets these and leaves the others; returns how many were different. Refused if it would have too many."""
        ...

    def unset_variable(self, computer: Computer, name: str) -> bool:
        """False if it has no such variable."""
        ...

    def set_source(self, computer: Computer, source: str) -> bool:
        """The name of the computer that it replaces, known or not, empty for none; False if it is that already."""
        ...

    def heard(self, computer_id: int, architecture: int) -> None:
        """Notes the firmware that it asks with, by its number in option 93. No edit: nobody decided it."""
        ...

    # lists of identifiers
    def listed(self, which: IdentifierList) -> Sequence[ListedIdentifier]:
        """All of a list: MAC addresses, then GUIDs."""
        ...

    def list_identifier(self, which: IdentifierList, kind: IdentifierKind, value: str, comment: str = "") -> bool:
        """Puts a canonical identifier on a list, which settles conflicts about it.

        False if it was there already, then it has this comment, if any.

        A GUID is there if it is in either byte order.
        """
        ...

    def unlist_identifier(self, which: IdentifierList, kind: IdentifierKind, value: str) -> bool:
        """Takes it off; False if it was not there."""
        ...

    # identifiers that disagree
    def came_together(self, mac: str, guid: uuid.UUID) -> Together | None:
        """Notes that a MAC address and a GUID were in one packet, and returns what is known of both.

        None if one of them is on the shared list, or if it is no news: not an hour ago, and not of different computers.
        Bounded, the oldest go.
        """
        ...

    def seen_with(self, mac: str, guid: uuid.UUID | None) -> tuple[Sequence[str], Sequence[uuid.UUID]]:
        """The MAC addresses that came with a GUID and the GUIDs that came with a MAC address, if they are given."""
        ...

    def put_conflict(self, suspicion: Suspicion, interface: str) -> None:
        """Puts it into the queue, or counts it up there. Settled ones open again only with new facts. Bounded."""
        ...

    def belong_together(self, mac: str, guid: uuid.UUID) -> None:
        """Settles what disagreed and does no longer."""
        ...

    def conflicts(self, *, settled: bool = False) -> Sequence[Conflict]:
        """Those that are open, or all; last seen first, open ones before settled ones."""
        ...

    def find_conflict(self, conflict_id: int) -> Conflict | None:
        """By its id."""
        ...

    def settle_conflict(self, conflict_id: int, how: str, *, dismissed: bool = False) -> None:
        """Takes it out of the queue. NotFound.

        What was seen of its identifiers until now counts no more; if it is `dismissed`, it opens again only when other
        computers are concerned.
        """
        ...

    def merge_computers(self, computer_id: int, other_id: int) -> None:
        """Gives a computer all that another one has (MAC addresses, collections, variables, records, history), except
        its GUID, and removes that other one. NotFound; Refused if they are the same."""
        ...

    # collections: what edits one that is built in is Refused
    def add_collection(self, name: str, comment: str = "", parent_id: int | None = None) -> Collection:
        """Refused if the name is taken; NotFound if there is no collection to put it under."""
        ...

    def move_collection(self, collection_id: int, parent_id: int | None) -> bool:
        """Puts it under another one, or to the top; False if it is there already.

        NotFound; Refused if it would be within itself, with the circle.
        """
        ...

    def remove_collection(self, name: str) -> None:
        """NotFound; Refused while it is advertised to or has subcollections."""
        ...

    def find_collection(self, name: str) -> Collection | None:
        """By name."""
        ...

    def collections(self, computer_id: int | None = None) -> Sequence[Collection]:
        """All, built-in ones too, or those of which a computer is a direct member; by name."""
        ...

    def add_rules(self, collection_id: int, rules: Sequence[CollectionRule]) -> int:
        """Adds rules, as `site.rules.make_rule` makes them, and returns how many there were not. NotFound."""
        ...

    def remove_rule(self, collection_id: int, rule: CollectionRule) -> bool:
        """False if it has no such rule. NotFound."""
        ...

    def members(self, collection_id: int, *, include_subcollections: bool = False) -> Iterator[Computer]:
        """Direct members and those that fit a rule, as computers are now, by name; read as one iterates. NotFound."""
        ...

    def count_members(self, collection_id: int, *, include_subcollections: bool = False) -> int:
        """How many those are, each counted once. NotFound."""
        ...

    def count_all_members(self) -> Mapping[int, int]:
        """How many there are in every collection itself, by id; 0 for what is not there."""
        ...

    def add_member(self, collection_id: int, computer_id: int) -> bool:
        """False if it was a member already. NotFound if either does not exist."""
        ...

    def add_members(self, collection_id: int, computers: Sequence[Computer]) -> int:
        """Adds computers that exist, each given once, and returns how many were no members. NotFound."""
        ...

    def remove_member(self, collection_id: int, computer_id: int) -> bool:
        """False if it was no member. NotFound if either does not exist."""
        ...

    # boot images and task sequences
    def add_boot_image(self, name: str) -> BootImage:
        """A new revision of boot image `name` without variants yet; an older one of that name is retired."""
        ...

    def add_variant(self, image_id: int, variant: ImageVariant) -> None:
        """Adds (or replaces) the variant of one architecture. NotFound if the revision is not current."""
        ...

    def remove_boot_image(self, name: str) -> BootImage:
        """Retires it. NotFound; Refused while a task sequence uses it."""
        ...

    def retired_boot_images(self, before: datetime) -> Sequence[BootImage]:
        """Revisions that were replaced or removed before an instant: their files may go when no token names them."""
        ...

    def forget_boot_image(self, image_id: int) -> None:
        """Ends the memory of a retired revision, whose files are gone; does nothing to a current one."""
        ...

    def boot_images(self) -> Sequence[BootImage]:
        """All, by name."""
        ...

    def put_sequence(self, name: str, boot_image: str, document: str) -> TaskSequence:
        """Adds or overwrites; NotFound if there is no such boot image."""
        ...

    def remove_sequence(self, name: str) -> None:
        """NotFound; Refused while advertised."""
        ...

    def enable_sequence(self, name: str, enabled: bool) -> TaskSequence:
        """Disabled, it is given to nobody, whatever advertises it. NotFound."""
        ...

    def sequences(self) -> Sequence[TaskSequence]:
        """All, by name."""
        ...

    # advertisements
    def advertise(self, draft: Draft) -> Advertisement:
        """NotFound if there is no such sequence or collection; UsageError if it would expire before it starts, or for
        an assignment that is none."""
        ...

    def change_advertisement(self, advertisement_id: int, draft: Draft) -> Advertisement:
        """Makes it what `draft` says; only what is different is written and told. Errors as `advertise`; NotFound."""
        ...

    def set_enabled(self, advertisement_id: int, enabled: bool) -> Advertisement:
        """NotFound."""
        ...

    def note_wake_up(self, advertisement_id: int, assigned_at: datetime) -> bool:
        """Notes that computers are woken for an assignment; False if that, or a later one, was noted before."""
        ...

    def remove_advertisement(self, advertisement_id: int) -> Advertisement:
        """NotFound. Its records go with it."""
        ...

    def advertisement(self, advertisement_id: int) -> Advertisement:
        """By its id; NotFound."""
        ...

    def advertisements(self) -> Sequence[Advertisement]:
        """All, newest first."""
        ...

    # passwords
    def put_password(self, scope: PasswordScope, scope_id: int, person: str, hashed: str) -> bool:
        """Sets or replaces one, of which only the hash is told; True if there was one. UsageError: no user name."""
        ...

    def remove_password(self, scope: PasswordScope, scope_id: int, person: str) -> None:
        """NotFound."""
        ...

    def refresh_password(self, scope: PasswordScope, scope_id: int, person: str, before: str, after: str) -> None:
        """Another hash of the same password, unless it was changed meanwhile. No edit."""
        ...

    def passwords(self) -> Sequence[Password]:
        """All, without their hashes."""
        ...

    # the guard
    def restraints(self) -> Restraints:
        """What holds for everybody."""
        ...

    def stop_all(self, reason: str = "") -> bool:
        """No mandatory hand-out any more until `resume`; False if they are stopped already."""
        ...

    def resume(self) -> bool:
        """Ends the stop; False if there is none."""
        ...

    def is_protected(self, computer_id: int) -> bool:
        """Whether it is; False if there is none."""
        ...

    def set_protected(self, computer_id: int, protected: bool) -> bool:
        """A protected computer never gets a mandatory advertisement; False if it is as wanted already. NotFound."""
        ...

    def limit_collection(self, collection_id: int, per_hour: int | None) -> bool:
        """At most so many mandatory hand-outs an hour, None for any number; False if that was the limit. NotFound."""
        ...

    def approve(self, advertisement_id: int) -> Advertisement:
        """The second person agrees. NotFound; Refused if it is whoever made it or set one of its values."""
        ...

    def hand_outs(self) -> Mapping[int, int]:
        """As `Tally.hand_outs` has it, now."""
        ...

    def add_hand_out(self, subject: str, advertisement_id: int, collections: Iterable[int]) -> None:
        """A mandatory advertisement is handed out to a computer that is in these collections."""
        ...

    # records, sightings, events
    def records(self, subject: str) -> Sequence[PxeRecord]:
        """Those of one subject, latest first."""
        ...

    def all_records(self, advertisement_id: int | None = None) -> Iterator[PxeRecord]:
        """Those of one advertisement, or all; latest first, read as one iterates."""
        ...

    def record(self, record_id: int) -> PxeRecord | None:
        """One record."""
        ...

    def save_record(self, record: PxeRecord) -> PxeRecord:
        """Inserts it if its id is 0 (and returns it with the id it got), else overwrites.

        NotFound if it was cleared meanwhile, or its advertisement is gone; Refused if the subject has one already.
        """
        ...

    def delete_record(self, record_id: int) -> None:
        """Forgets it; nothing happens if it is gone."""
        ...

    def saw(self, sighting: Sighting) -> None:
        """Adds a sighting or counts it up, unless its MAC address is known by now; bounded, the oldest go."""
        ...

    def waits(self, sighting: Sighting, *, begins: bool) -> Sighting | None:
        """Notes that it waits for approval, since when it began to or, if it `begins` now, since `last_seen`.

        Returns the sighting as it is kept; None if its MAC address is known by now.
        """
        ...

    def end_wait(self, sighting_id: int) -> None:
        """Notes that it waits no longer."""
        ...

    def find_sighting(self, key: str) -> Sighting | None:
        """By id, or by MAC address in any notation."""
        ...

    def sightings(self) -> Sequence[Sighting]:
        """All, last seen first. One that waits asks again and again; who has stopped doing so waits no longer."""
        ...

    def add_event(self, at: datetime, kind: EventKind, subject: str, text: str) -> None:
        """A line of history; the table is bounded, the oldest go."""
        ...

    def events(self, subject: str | None, limit: int, kinds: Sequence[EventKind] = ()) -> Sequence[Event]:
        """The last `limit` of a subject, or of all, of these kinds, or of any; oldest first."""
        ...

    def events_after(self, number: int, subject: str | None = None, kinds: Sequence[EventKind] = ()) -> Iterator[Event]:
        """All with a greater id, oldest first, read as one iterates; 0 for the whole history."""
        ...

    def events_before(
        self, number: int, subject: str | None = None, kinds: Sequence[EventKind] = ()
    ) -> Iterator[Event]:
        """All with a smaller id, latest first, read as one iterates."""
        ...

    def last_event(self) -> int:
        """The id of the latest event; 0 if there is none."""
        ...

    def forget_events(self, before: datetime, keep: int) -> int:
        """Forgets some of the oldest: those from before an instant, and all but the last `keep`.

        Returns how many went, 0 at the end: a writer must not hold the database for long.
        """
        ...

    def provenance(self, kind: str, key: int) -> Mapping[str, SetBy]:
        """Who set the fields of an object last, by field: of the row of the table `kind` with the id `key`. What was
        set before that was kept is not there."""
        ...

    def overview(self) -> Overview:
        """The site in numbers."""
        ...

    def count_known_with_record(self, advertisement_id: int) -> int:
        """How many known computers have a record of it."""
        ...

    def subject_name(self, subject: str) -> str:
        """The name of the computer that events and records are kept under; the MAC address of an unknown one."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A line of history as a job; a writer writes many of them with one statement."""

    at: datetime
    kind: EventKind
    subject: str
    text: str

    def __call__(self, tx: Tx) -> None:
        """Writes it alone."""
        tx.add_event(self.at, self.kind, self.subject, self.text)


class Jobs(Protocol):
    """The service's way to change the site: one writer, nobody waits for a lock. `writer.py` implements it."""

    def submit(self, job: Callable[[Tx], T]) -> Future[T]:
        """Runs `job` in a transaction soon; its result is known when it is durable."""
        ...

    def submit_droppable(self, job: Callable[[Tx], object]) -> None:
        """Runs `job` in a transaction when it can be; never waits, never fails, may be dropped."""
        ...
