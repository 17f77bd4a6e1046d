"""What is said of identifiers: lists of those that are ignored or shared, and conflicts between those that disagree."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pxed.site.model import Computer


class IdentifierList(StrEnum):
    """What an operator says of identifiers, whoever shows them."""

    IGNORED = "ignored"
    """silence for whoever shows it"""
    SHARED = "shared"
    """several computers show it (a dock, firmware without a GUID of its own): no evidence of who somebody is"""

    @property
    def label(self) -> str:
        """As people call the list."""
        return "ignore" if self is IdentifierList.IGNORED else "shared"


class IdentifierKind(StrEnum):
    """What a computer can be told by."""

    MAC = "mac"
    GUID = "guid"

    @property
    def label(self) -> str:
        """As people call it."""
        return "MAC address" if self is IdentifierKind.MAC else "GUID"


@dataclass(frozen=True, slots=True)
class ListedIdentifier:
    """One line of such a list."""

    list: IdentifierList
    kind: IdentifierKind
    value: str
    """canonical, as `identifiers` prints it"""
    comment: str
    user: str
    """who put it there; empty for what every site begins with"""
    at: datetime

    def __str__(self) -> str:
        """With why, by whom and when, for the sentence of a rule."""
        reason = f" ({self.comment})" if self.comment else ""
        by = f" by {self.user} at {self.at:%Y-%m-%d %H:%M} UTC" if self.user else ""
        return f"the {self.kind.label} {self.value}{reason} was put on the {self.list.label} list{by}"


@dataclass(frozen=True, slots=True)
class Identifiers:
    """A list for looking identifiers up in it."""

    macs: Mapping[str, ListedIdentifier] = field(default_factory=dict)
    guids: Mapping[uuid.UUID, ListedIdentifier] = field(default_factory=dict)
    """each in both byte orders"""


class ConflictKind(StrEnum):
    """What identifiers that disagree look like."""

    DOCK = "dock"
    ADAPTER = "adapter"
    MAINBOARD = "mainboard"
    DUPLICATE = "duplicate"
    TWICE = "twice"

    @property
    def label(self) -> str:
        """As people call it."""
        return _CONFLICT_LABELS[self]


_CONFLICT_LABELS = {
    ConflictKind.DOCK: "a dock that travels",
    ConflictKind.ADAPTER: "a network adapter that moved",
    ConflictKind.MAINBOARD: "a replaced mainboard",
    ConflictKind.DUPLICATE: "a duplicated GUID",
    ConflictKind.TWICE: "one computer entered twice",
}


@dataclass(frozen=True, slots=True)
class Together:
    """A MAC address and a GUID in one packet, with what else was seen of both; nothing in it is on the shared list."""

    mac: str
    guid: uuid.UUID
    """as it was seen"""
    mac_owner: Computer | None
    guid_owners: tuple[Computer, ...]
    guids: Mapping[uuid.UUID, Computer | None]
    """all that were seen with this MAC address, this one too, and whose they are; each in one byte order"""
    macs: Mapping[str, Computer | None]
    """all that were seen with this GUID, this one too, and whose they are"""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What is the matter with identifiers that were seen together."""

    kind: ConflictKind
    mac: str
    """empty if it is about the GUID alone"""
    guid: uuid.UUID | None
    """None if it is about the MAC address alone"""
    owners: frozenset[int]
    """the computers concerned"""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Identifiers that disagree, for an operator to settle."""

    id: int
    kind: ConflictKind
    mac: str
    """empty if it is about the GUID alone"""
    guid: uuid.UUID | None
    """None if it is about the MAC address alone"""
    serial: str
    """empty if it is not known: no packet has it"""
    interface: str
    """where it was seen last"""
    first_seen: datetime
    last_seen: datetime
    count: int
    """how often it was noticed; a boot that repeats itself within the hour is noticed once"""
    owners: frozenset[int] = frozenset()
    """the computers concerned"""
    settled_at: datetime | None = None
    settled_by: str = ""
    settled_how: str = ""
