"""The site in values that do not change: computers, collections, task sequences, advertisements, records.

Everything above this floor speaks of these; only `site/` itself knows that they come from a database. Times are aware
datetimes in UTC. Identifiers are the database's integers; names are what people use and are unique within their kind,
except those of advertisements.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from pxed.site.boot_image import BootImage
from pxed.site.identity import Identifiers
from pxed.site.restraints import Restraints, Tally
from pxed.wire.architecture import LOADER_KEYS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Computer:
    """A known machine. At least one of `macs` and `guid` is there."""

    id: int
    name: str
    macs: tuple[str, ...]
    guid: uuid.UUID | None
    protected: bool = False
    """no mandatory advertisement is ever handed out to it"""
    architecture: int | None = None
    """option 93 as it was heard last; None if it never was"""
    source: str = ""
    """name of the computer that this one replaces; empty if none"""

    @property
    def firmware(self) -> str:
        """The firmware that it asked with last, as `[loaders]` names it; empty if never heard."""
        return firmware_of(self.architecture)


def firmware_of(architecture: int | None) -> str:
    """The firmware behind a number of option 93, as `[loaders]` names it; empty for None and for any other."""
    return "" if architecture is None else LOADER_KEYS.get(architecture, "")


class RuleKind(StrEnum):
    """What a rule of a collection looks at."""

    NAME = "name"
    """the computer's name matches a pattern (`ws-*`)"""
    MAC = "mac"
    """one of its MAC addresses begins with these bytes"""
    ARCHITECTURE = "architecture"
    """its firmware asked as this one when it was heard last, as `[loaders]` names it (`uefi-amd64`)"""
    GUID = "guid"
    """it has this GUID, in either byte order"""


@dataclass(frozen=True, slots=True)
class CollectionRule:
    """Whoever fits `value` is a member, as long as it fits."""

    kind: RuleKind
    value: str


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of computers: direct members and those that fit a rule; it may have subcollections."""

    id: int
    """negative for a built-in one"""
    name: str
    comment: str
    parent_id: int | None = None
    builtin: str = ""
    """empty, or what is in it by itself: `all`, `unknown`, or `unknown:` with the firmware, as `[loaders]` names it"""
    hand_outs_per_hour: int | None = None
    """at most so many mandatory hand-outs to its members; None for no limit of its own"""
    rules: tuple[CollectionRule, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskSequence:
    """An ordered document of steps, tied to one boot image by name."""

    id: int
    name: str
    boot_image: str
    document: str
    """the steps as JSON, as `pxed.sequence.model` reads and writes it"""
    enabled: bool = True
    """False: nobody gets it, whatever advertises it"""


class Rerun(StrEnum):
    """What a new assignment does to a computer on which a mandatory advertisement has run before."""

    NEVER = "never"
    ALWAYS = "always"
    IF_FAILED = "if-failed"
    IF_SUCCEEDED = "if-succeeded"


class Kind(StrEnum):
    """How an advertisement reaches a computer."""

    MANDATORY = "mandatory"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A task sequence, advertised to a collection."""

    id: int
    name: str
    kind: Kind
    sequence: str
    """name of the task sequence"""
    boot_image: str
    """name of the boot image that the task sequence is tied to"""
    collection_id: int
    collection: str
    """name of the collection"""
    enabled: bool
    start: datetime
    """not offered before"""
    expires: datetime | None
    created_at: datetime
    created_by: str = ""
    comment: str = ""
    include_subcollections: bool = True
    pxe: bool = True
    """offered to computers that boot from the network"""
    rerun: Rerun = Rerun.NEVER
    zone: str = "UTC"
    """IANA name of the time zone of its assignments"""
    assignments: tuple[str, ...] = ()
    """when a mandatory one falls due"""
    wake: bool = False
    """computers are woken at its assignments"""
    approved_by: str = ""
    """the second person; empty if none has agreed"""
    confirmed_size: int = 0
    """how large a collection its maker agreed to"""


class RecordState(StrEnum):
    """How far a try got, in this order."""

    OFFERED = "offered"
    LOADING = "loading"
    BOOTING = "booting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PxeRecord:
    """What one computer did with one advertisement: the latest try and how many there were.

    `subject` is the computer's id as text, or, for an unknown computer that the site serves, its MAC address (its GUID,
    if several computers share the MAC address). A cleared
    record is gone; the next one has a new id, so a message of an older boot finds nothing to change.
    """

    id: int
    subject: str
    advertisement_id: int
    state: RecordState
    tries: int
    """tries begun so far, 1 for the first; also the number of the latest one"""
    offered_at: datetime
    """when the latest try began"""
    changed_at: datetime
    agent_boot: str
    """the boot id of the running system that reported for this try; empty before"""
    message: str
    """the last word of the agent or of the service about this try"""
    assigned_at: datetime = EPOCH
    """the assignment that the tries are for"""
    point: str = ""
    """name of the service point that gave the latest try"""


class PasswordScope(StrEnum):
    """What a password guards; the more exact one wins."""

    SITE = "site"
    """everything; its id is 0"""
    COLLECTION = "collection"
    ADVERTISEMENT = "advertisement"


@dataclass(frozen=True, slots=True)
class Password:
    """That there is a password, and for what; never the password, nor anything made from it."""

    scope: PasswordScope
    scope_id: int
    """the id of the collection or advertisement, 0 for the site"""
    person: str
    """the user name that goes with it; empty for a password that people share"""
    changed_by: str
    changed_at: datetime


class Known(NamedTuple):
    """A computer with what the decision needs of it."""

    computer: Computer
    collection_ids: frozenset[int]
    records: tuple[PxeRecord, ...]


class Evidence(NamedTuple):
    """All that the site knows of one client's identifiers."""

    by_mac: Known | None
    by_guid: tuple[Known, ...]
    """computers with that GUID in either byte order: none or one, two if somebody entered both"""
    unknown_records: tuple[PxeRecord, ...] = ()
    """records kept under the identifiers themselves, as `Plan.subject_of_unknown` has it"""
    tally: Tally | None = None
    """what the guard counts; None if nobody has counted, since nothing is due or nothing is limited"""

    @property
    def known(self) -> Known | None:
        """The computer that is meant first: the one with the MAC address, else one with the GUID."""
        return self.by_mac or (self.by_guid[0] if self.by_guid else None)

    @property
    def disagrees(self) -> bool:
        """Whether it points at different computers."""
        first = self.known
        return any(each is not first for each in self.by_guid)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The part of the site that is the same for every computer, read whole and kept until the site changes.

    Two plans are equal if they are one: what is worked out of a plan is kept for it.
    """

    change: int
    """the change number of the site that this was read at"""
    advertisements: tuple[Advertisement, ...] = ()
    boot_images: dict[str, BootImage] = field(default_factory=dict)
    """by name"""
    sequences: dict[str, TaskSequence] = field(default_factory=dict)
    """by name"""
    collection_ids: dict[str, int] = field(default_factory=dict)
    """by name"""
    collections: tuple[Collection, ...] = ()
    passwords: dict[tuple[PasswordScope, int], tuple[str, ...]] = field(default_factory=dict)
    """who has one, by scope and its id; the empty name is that of a password that people share"""
    ignored: Identifiers = field(default_factory=Identifiers)
    shared: Identifiers = field(default_factory=Identifiers)
    restraints: Restraints = field(default_factory=Restraints)

    def subject_of_unknown(self, mac: str, guid: uuid.UUID | None) -> str:
        """What the PXE records of a client that is not known are kept under.

        That is its MAC address, or, if several computers share that, a GUID of its own if it has one.
        """
        if mac in self.shared.macs and guid is not None and guid not in self.shared.guids:
            return str(guid)
        return mac


@dataclass(frozen=True, slots=True)
class Sighting:
    """A computer that was seen on the network and is not known."""

    mac: str
    guid: uuid.UUID | None
    architecture: int
    """option 93"""
    interface: str
    relay: str
    """address of the relay agent, empty if none"""
    first_seen: datetime
    last_seen: datetime
    count: int
    id: int = 0
    """what a waiting computer tells its user, and `pxed computer approve` takes; 0 before it is kept"""
    waiting_since: datetime | None = None
    """when it began to wait for approval; None if it does not wait now"""


@dataclass(frozen=True, slots=True)
class Overview:
    """The site in numbers."""

    computers: int
    collections: int
    """without the built-in ones"""
    boot_images: int
    task_sequences: int
    advertisements: int
    sightings: int
    waiting: int
    """unknown computers that wait for approval"""
    conflicts: int
    """identifiers that disagree and nobody has settled"""
    mandatory: dict[RecordState, int]
    """how many tries of mandatory advertisements are in each state"""
