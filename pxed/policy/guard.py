"""The guard: why a mandatory advertisement is held back although it is due, each reason with the way out.

The decision asks it, and the transaction that hands a try out asks it again with what is true at that instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from pxed.config import Guard
from pxed.policy.verdict import Boot
from pxed.policy.words import Words, phrase
from pxed.site.model import Advertisement, Computer
from pxed.site.restraints import THE_SITE, Restraints, Tally


@dataclass(frozen=True, slots=True)
class HandOut:
    """One mandatory advertisement, about to be handed out to one computer."""

    advertisement: Advertisement
    computer: Computer | None
    """None: one that is not known"""
    collections: Set[int]
    """ids of all that hold the computer, themselves or through those below them"""


def hand_out_of(verdict: Boot) -> HandOut:
    """The hand-out that a mandatory verdict allows."""
    computer = verdict.identity.computer if verdict.identity else None
    return HandOut(verdict.choices[0].advertisement, computer, verdict.collections)


def objection(hand_out: HandOut, restraints: Restraints, settings: Guard) -> Words | None:
    """Why nothing may be handed out, as far as that needs no counting; None if nothing speaks against it."""
    advertisement = hand_out.advertisement
    if (stop := restraints.stop) is not None:
        why = f" ({stop.reason})" if stop.reason else ""
        return phrase(
            "ALL MANDATORY HAND-OUTS ARE STOPPED since {:%Y-%m-%d %H:%M} UTC by {}{}; `pxed resume` ends that",
            stop.at,
            stop.by,
            why,
        )
    if hand_out.computer is not None and hand_out.computer.protected:
        return phrase("{} is protected; `pxed computer unprotect` ends that", hand_out.computer.name)
    if settings.second_person and not advertisement.approved_by:
        return phrase(
            "{!r} waits for a second person: somebody other than {} says `pxed advertisement approve {}`",
            advertisement.name,
            advertisement.created_by or "its maker",
            advertisement.id,
        )
    return None


def counts_needed(hand_out: HandOut, restraints: Restraints, settings: Guard) -> bool:
    """Whether `excess` would look at anything: then somebody has to count first."""
    if settings.collection_size or settings.hand_outs_per_hour:
        return True
    return any(number in restraints.limits for number in hand_out.collections)


def excess(hand_out: HandOut, restraints: Restraints, settings: Guard, tally: Tally) -> Words | None:
    """Why nothing may be handed out by what was counted; None if nothing speaks against it."""
    advertisement = hand_out.advertisement
    agreed = max(settings.collection_size, advertisement.confirmed_size)
    if settings.collection_size and tally.collection_size > agreed:
        return phrase(
            "collection {!r} has {} computers, and {} are agreed to; "
            "`pxed advertisement change {} --yes-really {}` agrees to all of them",
            advertisement.collection,
            tally.collection_size,
            agreed,
            advertisement.id,
            tally.collection_size,
        )
    for number, name, most in _limits(hand_out.collections, restraints, settings):
        if tally.hand_outs.get(number, 0) >= most:
            return phrase("{} had its {} mandatory hand-outs of one hour; a later boot gets it", name, most)
    return None


def must_be_meant(
    collection: str, size: int, protected: Iterable[str], settings: Guard, yes_really: int | None
) -> str | None:
    """Why a mandatory advertisement to `collection`, which has `size` computers now, has to be confirmed; None if it
    need not, or if it is: `yes_really` names that very size. `protected` are the names of protected members."""
    names = list(protected)
    if yes_really is not None:
        if yes_really == size:
            return None
        return f"collection {collection} has {size} computers now, not {yes_really}"
    if settings.collection_size and size > settings.collection_size:
        why = f"more than guard.collection_size = {settings.collection_size}"
    elif names:
        shown = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
        why = f"among them protected ones, which will not get it: {shown}"
    else:
        return None
    return f"collection {collection} has {size} computers, {why}; if all of them are meant, say --yes-really {size}"


def _limits(collections: Set[int], restraints: Restraints, settings: Guard) -> Iterable[tuple[int, str, int]]:
    if settings.hand_outs_per_hour:
        yield THE_SITE, "the site", settings.hand_outs_per_hour
    for number in sorted(collections & restraints.limits.keys()):
        limit = restraints.limits[number]
        yield number, f"collection {limit.collection!r}", limit.per_hour
