"""Advertisements that nobody could ever get, found before they are made; and what is odd about their times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from pxed.errors import UsageError
from pxed.policy.schedule import instant_of, last_due, next_due
from pxed.policy.words import Moment
from pxed.site.assignments import Assignment, Every, MonthlyByDate, Once, canonical, parse
from pxed.site.draft import Draft
from pxed.site.model import EPOCH, Kind
from pxed.site.zones import zone_of


def check_not_futile(draft: Draft, now: datetime, before: Draft | None = None) -> None:
    """UsageError if `draft` has expired or expires before it starts, or if one of its assignments never falls due.

    Of a change, `before` is what was advertised: assignments that were in it may be over.
    """
    zone = zone_of(draft.zone)
    if draft.expires is not None and draft.expires <= draft.start:
        times = f"it expires {Moment(draft.expires, zone)} and starts {Moment(draft.start, zone)}"
        raise UsageError(f"advertisement {draft.name} would expire before it starts: {times}")
    if draft.expires is not None and draft.expires <= now and (before is None or draft.expires != before.expires):
        end = f"{Moment(draft.expires, zone)}, and now it is {Moment(now, zone)}"
        raise UsageError(f"advertisement {draft.name} would have expired already, {end}; right would be a time to come")
    if draft.kind is not Kind.MANDATORY:
        return
    kept = canonical(before.assignments) if before is not None else ()
    for text in canonical(draft.assignments):
        if text not in kept and not _ever_due(parse(text), zone, draft, now):
            raise UsageError(f"the assignment {text!r} would never fall due: {_why_not(parse(text), zone, draft, now)}")


def remarks(draft: Draft) -> Iterator[str]:
    """What somebody might not expect of the times of a mandatory advertisement, each as a sentence."""
    zone = zone_of(draft.zone)
    for text in canonical(draft.assignments):
        match parse(text):
            case Once(at) | Every(first=at):
                yield from _about_the_clock(at, zone, draft.zone)
            case MonthlyByDate(day=int(day)) if day > 28:
                yield f"{text!r} leaves out the months that have no day {day}; 'monthly last' has every month"


def _ever_due(assignment: Assignment, zone: tzinfo, draft: Draft, now: datetime) -> bool:
    times = zone, draft.start, draft.expires, now
    return last_due(assignment, *times) is not None or next_due(assignment, *times) is not None


def _why_not(assignment: Assignment, zone: tzinfo, draft: Draft, now: datetime) -> str:
    first = next_due(assignment, zone, draft.start, None, EPOCH)
    if first is not None and draft.expires is not None:
        return f"its first time is {Moment(first, zone)}, and it expires {Moment(draft.expires, zone)} before that"
    if next_due(assignment, zone, EPOCH, None, now) is None:
        return f"now it is {Moment(now, zone)}; right would be a time to come, or 'as soon as possible'"
    return f"it is over before the start, {Moment(draft.start, zone)}"


def _about_the_clock(at: datetime, zone: tzinfo, name: str) -> Iterator[str]:
    instant = instant_of(at, zone)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) != at:
        shown = f"no clock in {name} shows {at:%Y-%m-%d %H:%M}, since they are set forward then"
        yield f"{shown}; it falls due at that moment, {Moment(instant, zone)}"
    elif at.replace(tzinfo=zone, fold=1).utcoffset() != at.replace(tzinfo=zone, fold=0).utcoffset():
        shown = f"clocks in {name} show {at:%Y-%m-%d %H:%M} twice, since they are set back then"
        yield f"{shown}; it falls due the first time, {Moment(instant, zone)}"
