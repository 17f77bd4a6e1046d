"""Who is it? MAC address and GUID are evidence, and evidence can disagree."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pxed.policy.facts import Facts
from pxed.policy.words import Words, phrase
from pxed.site.identity import ListedIdentifier
from pxed.site.model import Computer, Evidence, Known, Plan, PxeRecord


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
    """what its PXE records are kept under: the computer's id, or of an unknown one its MAC address (or GUID)"""
    computer: Computer | None
    collection_ids: frozenset[int]
    records: tuple[PxeRecord, ...]
    words: Words
    """the finding, for people"""
    doubt: str = ""
    """why nothing mandatory may be handed out to it; empty if nothing speaks against it"""

    @property
    def name(self) -> str:
        """The computer's name, empty if it is not known."""
        return self.computer.name if self.computer else ""

    def record_of(self, advertisement_id: int) -> PxeRecord | None:
        """What this computer did with that advertisement."""
        return next((record for record in self.records if record.advertisement_id == advertisement_id), None)


def identify(facts: Facts, evidence: Evidence, plan: Plan) -> Identity:
    """Weighs the evidence, in which nothing of the shared list is.

    MAC and GUID point at the same computer, or only one of them points at any: it is that computer. They point at
    different ones: a conflict, in which the computer with the MAC address stands for both. Neither points at any: an
    unknown one, and if both are shared, one that nobody can tell from others.
    """
    shared = Shared(plan.shared.macs.get(facts.mac), plan.shared.guids.get(facts.guid) if facts.guid else None)
    sole = evidence.known
    if sole is not None and all(known is sole for known in evidence.by_guid):
        how = (
            "MAC address and GUID"
            if evidence.by_mac and evidence.by_guid
            else "MAC address"
            if evidence.by_mac
            else "GUID"
        )
        return _of(Standing.KNOWN, sole, phrase("{}, known by {}{}", sole.computer.name, how, shared))
    found: dict[int, tuple[Known, list[str]]] = {}
    for known, how in [(evidence.by_mac, "MAC address"), *((known, "GUID") for known in evidence.by_guid)]:
        if known is not None:
            found.setdefault(known.computer.id, (known, []))[1].append(how)
    if not found:
        subject = plan.subject_of_unknown(facts.mac, facts.guid)
        words = phrase("no computer has MAC address {} or GUID {}{}", facts.mac, facts.guid or "(none)", shared)
        doubt = "nothing tells it from others" if shared.mac and (shared.guid or facts.guid is None) else ""
        return Identity(Standing.UNKNOWN, subject, None, frozenset(), evidence.unknown_records, words, doubt)
    known, hows = next(iter(found.values()))
    text = f"{known.computer.name}, known by {' and '.join(hows)}"
    standing, doubt = Standing.KNOWN, ""
    if len(found) > 1:
        others = ", ".join(f"{other.computer.name} by {' and '.join(how)}" for other, how in list(found.values())[1:])
        text = f"conflict: {text}, but also {others}"
        standing, doubt = Standing.CONFLICT, "the identity is in conflict (pxed identity conflicts)"
    return _of(standing, known, phrase("{}{}", text, shared), doubt)


class Shared(NamedTuple):
    """Which of a client's identifiers are no evidence, as it stands at the end of a sentence."""

    mac: ListedIdentifier | None
    guid: ListedIdentifier | None

    def __str__(self) -> str:
        """Empty if both are evidence."""
        return "".join(f"; no evidence: {listed}" for listed in self if listed is not None)


def _of(standing: Standing, known: Known, words: Words, doubt: str = "") -> Identity:
    who = known.computer
    return Identity(standing, str(who.id), who, known.collection_ids, known.records, words, doubt)
