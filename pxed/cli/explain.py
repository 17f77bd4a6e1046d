"""`pxed explain`: the verdict that a computer would get now, with the whole trail of rules."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pxed.cli.names import GuidType, WallType
from pxed.cli.output import cell, print_json, printable
from pxed.cli.session import Session
from pxed.cli.subjects import shown_by
from pxed.cli.terms import instant

if TYPE_CHECKING:
    import uuid

    from pxed.policy.membership import Way
    from pxed.policy.verdict import Verdict
    from pxed.site.model import Plan

ARCHITECTURES = {
    "bios": 0,
    "uefi-i386": 6,
    "uefi-amd64": 7,
    "uefi-armhf": 10,
    "uefi-arm64": 11,
    "uefi-riscv64": 27,
    "uefi-loong64": 39,
}
"""Kinds of firmware as `[loaders]` names them, and their number in option 93."""


@click.command
@click.argument("key", metavar="MAC|GUID|NAME")
@click.option(
    "--arch",
    type=click.Choice(list(ARCHITECTURES)),
    default="uefi-amd64",
    show_default=True,
    help="The firmware that it would ask with.",
)
@click.option("--at", type=WallType(), help="When it would boot. [default: now]")
@click.option("--guid", "shown", type=GuidType(), help="The GUID that it would show, if not its own.")
@click.pass_obj
def command(session: Session, key: str, arch: str, at: datetime | None, shown: uuid.UUID | None) -> None:
    """Say what a computer would get if it booted from the network, and which rules led to it.

    Below the rules it says who set last what they looked at, and when the verdict may change by itself.

    A MAC address or GUID that no computer has is explained as an unknown one.

    \b
    Example:
      pxed explain 52:54:00:12:34:56 --arch bios
    """
    from pxed.cli.origins import origins_of
    from pxed.policy.alike import next_change
    from pxed.policy.counting import counted
    from pxed.policy.decide import decide
    from pxed.policy.facts import Client, Facts, Stage
    from pxed.policy.words import Moment
    from pxed.site.sql import SqlReader
    from pxed.site.zones import zone_of
    from pxed.wire.architecture import architecture

    with session.reading() as tx:
        mac, own = shown_by(tx, key)
    guid = shown or own
    config = session.config
    reader = SqlReader(session.database)
    facts = Facts(mac, guid, architecture(ARCHITECTURES[arch]), Client.PXE, Stage.FIRMWARE, interface="")
    try:
        now = instant(session, at) if at else datetime.now(UTC)
        plan, evidence = reader.look_up(mac, facts.guids)
        verdict = decide(facts, evidence, plan, config, now)
        verdict = counted(reader, verdict, facts, evidence, plan, config, now)
    finally:
        reader.close()
    ways = _ways(plan, verdict, ARCHITECTURES[arch])
    following = next_change(plan, now)
    with session.reading() as tx:
        origins = list(origins_of(tx, plan, verdict, ways, session.config_file))
    if session.as_json:
        more = {
            "collections": [{"name": each.collection.name, "how": each.how} for each in ways],
            "next_change": following,
            "set_by": [asdict(each) for each in origins],
        }
        print_json(_as_data(verdict) | more)
        return
    width = max(len(finding.rule) for finding in verdict.trail)
    for finding in verdict.trail:
        click.echo(f"{finding.rule:{width}}  {finding.text}")
    if ways:
        click.echo(f"{'collections':{width}}  {', '.join(map(str, ways))}")
    for each in origins:
        by = f" by {printable(each.user)}" if each.user else ""
        click.echo(f"{'set':{width}}  {each.what}{by}, {cell(each.at)}")
    if following is not None:
        moment = Moment(following, zone_of(config.time_zone))
        click.echo(f"{'next':{width}}  may change by itself at {moment}")
    click.echo(f"{'verdict':{width}}  {_in_words(verdict)}")


def _ways(plan: Plan, verdict: Verdict, architecture: int) -> list[Way]:
    """In which collections the computer is, and how; none if it is not known."""
    from pxed.policy.membership import memberships
    from pxed.wire.architecture import LOADER_KEYS

    who = verdict.identity
    if who is None or who.computer is None:
        return []
    return memberships(plan).ways(who.computer, who.collection_ids, LOADER_KEYS[architecture])


def _in_words(verdict: Verdict) -> str:
    from pxed.policy.verdict import Abort, Boot, Wait

    match verdict:
        case Boot(mandatory=True, choices=(choice, *_)) if choice.lock is not None:
            return f"asks for F12 and a password, then boots {choice.advertisement.name!r}"
        case Boot(mandatory=True, choices=(choice, *_)):
            advertisement = choice.advertisement
            return f"boots {advertisement.boot_image!r} and runs {advertisement.sequence!r} without a question"
        case Boot(choices=choices):
            names = ", ".join(repr(choice.advertisement.name) for choice in choices)
            return f"asks for F12, then boots {names}"
        case Wait():
            return "waits at its boot loader until `pxed computer approve`"
        case Abort():
            return "goes on to its next boot device at once"
        case _:
            return "gets no answer"


def _as_data(verdict: Verdict) -> dict[str, object]:
    from pxed.policy.verdict import Boot

    choices = verdict.choices if isinstance(verdict, Boot) else ()
    return {
        "verdict": type(verdict).__name__.lower(),
        "rule": verdict.rule,
        "reason": verdict.reason,
        "mandatory": isinstance(verdict, Boot) and verdict.mandatory,
        "advertisements": [
            {"id": one.advertisement.id, "name": one.advertisement.name, "password": one.lock is not None}
            for one in choices
        ],
        "computer": verdict.identity.name if verdict.identity else "",
        "standing": str(verdict.identity.standing) if verdict.identity else "",
        "trail": [{"rule": finding.rule, "finding": finding.text} for finding in verdict.trail],
    }
