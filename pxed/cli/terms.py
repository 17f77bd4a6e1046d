"""The terms of an advertisement on the command line: `pxed advertise` and `pxed advertisement change` share them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pxed.cli.names import WallType
from pxed.errors import UsageError

if TYPE_CHECKING:
    from pxed.cli.session import Session
    from pxed.site.draft import Draft
    from pxed.site.model import Advertisement

F = TypeVar("F", bound=Callable[..., Any])

_RERUN = ("never", "always", "if-failed", "if-succeeded")
_SHOWN = 5
"""times to come that are shown"""

_OPTIONS: tuple[tuple[tuple[str, ...], str, str, dict[str, Any]], ...] = (
    (
        ("--at", "assignments"),
        "When a mandatory one falls due; may be given several times.",
        "as soon as possible",
        {"multiple": True, "metavar": "ASSIGNMENT"},
    ),
    (("--start",), "Not offered before.", "now", {"type": WallType()}),
    (("--expires",), "Not offered from then on, or 'never'.", "never", {"metavar": "TIME"}),
    (("--zone",), "Time zone of all its times.", "site", {"metavar": "utc|site|NAME"}),
    (("--rerun",), "What a new assignment does where it has run.", "never", {"type": click.Choice(_RERUN)}),
    (
        ("--subcollections/--no-subcollections", "include_subcollections"),
        "Members of subcollections get it too.",
        "yes",
        {"default": None},
    ),
    (("--pxe/--no-pxe",), "Offered to computers that boot from the network.", "yes", {"default": None}),
    (("--wake/--no-wake",), "Computers are woken when it falls due.", "no", {"default": None}),
    (("--comment",), "What it is for.", "", {}),
)
"""names, help, what a new advertisement has without it, and the rest of each option"""


def term_options(*, new: bool) -> Callable[[F], F]:
    """Gives a command the options; it hands them, as they come, to `apply`. One that is not `new` has no defaults."""

    def decorate(command: F) -> F:
        for names, text, default, more in reversed(_OPTIONS):
            help_line = f"{text} [default: {default}]" if new and default else text
            command = click.option(*names, help=help_line, **more)(command)
        return command

    return decorate


def apply(session: Session, draft: Draft, terms: dict[str, Any]) -> Draft:
    """`draft` with the terms that were given; UsageError for a time or a zone that cannot be."""
    from pxed.policy.schedule import instant_of
    from pxed.site.model import Kind, Rerun
    from pxed.site.zones import zone_of

    given = {name: value for name, value in terms.items() if value not in (None, ())}
    if "zone" in given:
        given["zone"] = {"utc": "UTC", "site": session.config.time_zone}.get(given["zone"].lower(), given["zone"])
    zone = zone_of(given.get("zone", draft.zone))
    if "expires" in given:
        given["expires"] = None if given["expires"] == "never" else WallType()(given["expires"])
    for name in ("start", "expires"):
        if given.get(name):
            at = given[name]
            given[name] = at.astimezone(UTC) if at.tzinfo else instant_of(at, zone)
    if "rerun" in given:
        given["rerun"] = Rerun(given["rerun"])
    kind = given.get("kind", draft.kind)
    if kind is Kind.OPTIONAL:
        for name, option in (("assignments", "--at"), ("rerun", "--rerun"), ("wake", "--wake")):
            if given.get(name):
                raise UsageError(f"{option} goes with --mandatory; an optional advertisement can be chosen at any time")
        given["assignments"] = ()
    return replace(draft, **given)


def instant(session: Session, at: datetime) -> datetime:
    """The moment that somebody typed: on the site's clocks, if it names no zone of its own."""
    from pxed.policy.schedule import instant_of
    from pxed.site.zones import zone_of

    return at.astimezone(UTC) if at.tzinfo else instant_of(at, zone_of(session.config.time_zone))


def upcoming(advertisement: Advertisement | Draft, now: datetime) -> Iterator[datetime]:
    """When it falls due next, in its own time zone: some of the times to come."""
    from pxed.policy.schedule import timetable_of
    from pxed.site.model import Kind

    if advertisement.kind is not Kind.MANDATORY or not advertisement.enabled:
        return
    timetable = timetable_of(advertisement)
    for _ in range(_SHOWN):
        at = timetable.next_due(now)
        if at is None:
            return
        yield at.astimezone(timetable.zone)
        now = at


def in_words(advertisement: Advertisement, now: datetime) -> str:
    """What becomes of it, in half a sentence."""
    from pxed.policy.schedule import timetable_of
    from pxed.policy.words import Moment
    from pxed.site.model import Kind
    from pxed.site.zones import zone_of

    if not advertisement.enabled:
        return "disabled"
    zone = zone_of(advertisement.zone)
    if advertisement.kind is Kind.OPTIONAL:
        return f"from {Moment(advertisement.start, zone)} on" if advertisement.start > now else "can be chosen now"
    next_due = timetable_of(advertisement).next_due(now)
    times = [f"due since {Moment(last, zone)}"] if (last := timetable_of(advertisement).last_due(now)) else []
    times += [f"falls due {Moment(next_due, zone)}"] if next_due else []
    return ", ".join(times)
