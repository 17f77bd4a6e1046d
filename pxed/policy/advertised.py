"""The rules `candidates` and `due`: which advertisements reach a computer, and which mandatory one it is to get."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from pxed.errors import UsageError
from pxed.policy.case import Case
from pxed.policy.rerun import Run, assigned_for, run_of
from pxed.policy.schedule import timetable_of
from pxed.policy.verdict import Choice
from pxed.policy.words import Moment, Words, phrase
from pxed.site.model import Advertisement, Kind, PxeRecord, RecordState
from pxed.site.zones import zone_of

NO_MANDATORY = "no mandatory advertisement"
"""What the rule `due` finds if no mandatory advertisement has a part in the decision."""


class Names(tuple[Choice, ...]):
    """Choices as they stand in a sentence."""

    __slots__ = ()

    def __str__(self) -> str:
        """The names of their advertisements."""
        return ", ".join(repr(choice.advertisement.name) for choice in self) or "none"


class PassedOver(tuple[tuple[Advertisement, Words], ...]):
    """Advertisements that are not offered, each with the reason, as they stand in a sentence."""

    __slots__ = ()

    def __str__(self) -> str:
        """Empty if there are none."""
        reasons = ", ".join(f"{advertisement.name!r} ({reason})" for advertisement, reason in self)
        return f"; passed over: {reasons}" if reasons else ""


class NewestPassedOver(PassedOver):
    """The same in a sentence that is short: the newest, and how many more there are."""

    __slots__ = ()

    def __str__(self) -> str:
        """Empty if there are none."""
        more = f" and {len(self) - 1} more" if len(self) > 1 else ""
        return f"{PassedOver(self[:1])}{more}"


def candidates(case: Case) -> Words:
    """Advertisements that reach this computer now and whose boot image its processor can run: newest first."""
    chosen: list[Choice] = []
    passed_over: list[tuple[Advertisement, Words]] = []
    reaching = [each for each in case.plan.advertisements if case.membership.reaches(each)]
    if len(reaching) > 1:
        reaching.sort(key=_newest_first)
    for advertisement in reaching:
        choice = _choice(case, advertisement)
        if isinstance(choice, Choice):
            chosen.append(choice)
        else:
            passed_over.append((advertisement, choice))
    case.candidates, case.passed_over = tuple(chosen), tuple(passed_over)
    return phrase("advertised: {}{}", Names(case.candidates), PassedOver(case.passed_over))


def due(case: Case) -> Words:
    """The newest mandatory advertisement, if it has not run for its newest assignment.

    Only the newest counts: an older one that never ran is superseded and does not wipe what the newer installed. The
    newest is the one whose assignment is the latest, of two the one that was made later. An assignment that does not
    run it again (`rerun.py`) makes no advertisement newer: what counts then is the one for which it ran.
    """
    found = [_standing(case, choice) for choice in case.candidates if choice.advertisement.kind is Kind.MANDATORY]
    if not found:
        return NO_MANDATORY
    newest = max(found, key=_age) if len(found) > 1 else found[0]
    doubt = case.known_identity.doubt
    if doubt:
        return phrase("{!r} is held back: {}", newest.choice.advertisement.name, doubt)
    if newest.run is not Run.SPENT:
        case.due = newest.choice
    return _said(case, newest)


class _Standing(NamedTuple):
    """A mandatory advertisement and what became of it on this computer."""

    choice: Choice
    record: PxeRecord | None
    run: Run
    counts_from: datetime


def _standing(case: Case, choice: Choice) -> _Standing:
    advertisement, assigned_at = choice.advertisement, choice.assigned_at
    record = case.known_identity.record_of(advertisement.id)
    settings = case.config.responder
    run = run_of(
        record,
        advertisement.rerun,
        assigned_at,
        case.facts.stage,
        case.now,
        RecordState(settings.consume),
        settings.attempts,
    )
    if record is not None and run in {Run.SPENT, Run.UNDER_WAY}:
        # a record for an assignment to come (the clock was set back) makes it no newer than it is
        return _Standing(choice, record, run, min(assigned_for(record), assigned_at))
    return _Standing(choice, record, run, assigned_at)


def _age(standing: _Standing) -> tuple[datetime, int]:
    return standing.counts_from, standing.choice.advertisement.id


def _said(case: Case, standing: _Standing) -> Words:
    choice, record, run, _ = standing
    advertisement, attempts = choice.advertisement, case.config.responder.attempts
    name = advertisement.name
    zone = zone_of(advertisement.zone)
    since = Moment(choice.assigned_at, zone)
    if record is None:
        return phrase("{!r} has not run yet; due since {}", name, since)
    match run:
        case Run.UNDER_WAY:
            return phrase("{!r}: try {} of {} is under way", name, record.tries, attempts)
        case Run.NEXT_TRY:
            return phrase(
                "{!r}: try {} ended as {}; try {} of {}", name, record.tries, record.state, record.tries + 1, attempts
            )
        case Run.ANEW:
            return phrase(
                "{!r} ran for {} (try {}: {}) and runs again: due since {}, rerun = {}",
                name,
                Moment(assigned_for(record), zone),
                record.tries,
                record.state,
                since,
                advertisement.rerun,
            )
    why = _why_not_again(case, choice, record, zone)
    if record.tries >= attempts and record.state in {RecordState.OFFERED, RecordState.LOADING}:
        return phrase("{!r}: all {} tries ended before it started{}", name, record.tries, why)
    return phrase("{!r} has run (try {}: {}){}", name, record.tries, record.state, why)


def _why_not_again(case: Case, choice: Choice, record: PxeRecord, zone: tzinfo) -> Words:
    again = "clear-last allows it again"
    if max(assigned_for(record), record.changed_at) > case.now:
        ahead = Moment(max(assigned_for(record), record.changed_at), zone)
        return phrase(", recorded for a time to come ({}): was the clock set back? {}", ahead, again)
    if assigned_for(record) < choice.assigned_at:
        terms = Moment(choice.assigned_at, zone), choice.advertisement.rerun
        return phrase(", and the assignment of {} does not run it again (rerun = {}); {}", *terms, again)
    return f"; {again}"


def _newest_first(advertisement: Advertisement) -> tuple[float, int]:
    return (-advertisement.start.timestamp(), -advertisement.id)


def _choice(case: Case, advertisement: Advertisement) -> Choice | Words:
    """The choice that `advertisement` is for this client now, or why it is none."""
    if not advertisement.enabled:
        return "disabled"
    if not advertisement.pxe:
        return "not for computers that boot from the network"
    sequence = case.plan.sequences.get(advertisement.sequence)
    if sequence is not None and not sequence.enabled:
        return phrase("task sequence {!r} is disabled", sequence.name)
    if advertisement.start > case.now:
        return phrase("starts {}", Moment(advertisement.start, _zone(advertisement)))
    if advertisement.expires is not None and advertisement.expires <= case.now:
        return phrase("expired {}", Moment(advertisement.expires, _zone(advertisement)))
    image = case.plan.boot_images.get(advertisement.boot_image)
    variant = image.variant_for(case.facts.architecture.cpus) if image else None
    if image is None or variant is None:
        return phrase("boot image {!r} has no variant for {}", advertisement.boot_image, case.facts.architecture.name)
    if advertisement.kind is not Kind.MANDATORY:
        return Choice(advertisement, image.id, variant)
    try:
        timetable = timetable_of(advertisement)
    except UsageError as error:
        return str(error)
    assigned_at = timetable.last_due(case.now)
    if assigned_at is None:
        upcoming = timetable.next_due(case.now)
        return phrase("falls due {}", Moment(upcoming, timetable.zone)) if upcoming else "never falls due"
    return Choice(advertisement, image.id, variant, assigned_at)


def _zone(advertisement: Advertisement) -> tzinfo:
    try:
        return zone_of(advertisement.zone)
    except UsageError:
        return UTC
