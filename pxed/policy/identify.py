"""Who is it? MAC address and GUID are evidence, and evidence can disagree."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pxed.policy.facts import Facts
from pxed.policy.words import Words, phrase
from pxed.site.model import Computer, Evidence, Known, PxeRecord


class Standing(StrEnum):
    """How sure we are."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Identity:
    """The client as the site knows it."""

    standing: Standing
    subject: str
    """what its PXE records are kept under: the computer's id, or the MAC address of an unknown one"""
    computer: Computer | None
    collection_ids: frozenset[int]
    records: tuple[PxeRecord, ...]
    words: Words
    """the finding, for people"""

    @property
    def name(self) -> str:
        """The computer's name, empty if it is not known."""
        return self.computer.name if self.computer else ""

    def record_of(self, advertisement_id: int) -> PxeRecord | None:
        """What this computer did with that advertisement."""
        return next((record for record in self.records if record.advertisement_id == advertisement_id), None)


def identify(facts: Facts, evidence: Evidence) -> Identity:
    """Weighs the evidence.

    MAC and GUID point at the same computer, or only one of them points at any: it is that computer. They point at
    different ones: a conflict, in which the computer with the MAC address stands for both.
    """
    sole = evidence.by_mac or (evidence.by_guid[0] if evidence.by_guid else None)
    if sole is not None and all(known is sole for known in evidence.by_guid):
        how = (
            "MAC address and GUID"
            if evidence.by_mac and evidence.by_guid
            else "MAC address"
            if evidence.by_mac
            else "GUID"
        )
        return _of(Standing.KNOWN, sole, phrase("{}, known by {}", sole.computer.name, how))
    found: dict[int, tuple[Known, list[str]]] = {}
    for known, how in [(evidence.by_mac, "MAC address"), *((known, "GUID") for known in evidence.by_guid)]:
        if known is not None:
            found.setdefault(known.computer.id, (known, []))[1].append(how)
    if not found:
        guid = phrase("GUID {}", facts.guid) if facts.guids else "no usable GUID"
        words = phrase("no computer has MAC address {} or its GUID ({})", facts.mac, guid)
        return Identity(Standing.UNKNOWN, facts.mac, None, frozenset(), evidence.unknown_records, words)
    known, hows = next(iter(found.values()))
    text = f"{known.computer.name}, known by {' and '.join(hows)}"
    standing = Standing.KNOWN
    if len(found) > 1:
        others = ", ".join(f"{other.computer.name} by {' and '.join(how)}" for other, how in list(found.values())[1:])
        text = f"conflict: {text}, but also {others}"
        standing = Standing.CONFLICT
    return _of(standing, known, text)


def _of(standing: Standing, known: Known, words: Words) -> Identity:
    return Identity(standing, str(known.computer.id), known.computer, known.collection_ids, known.records, words)
