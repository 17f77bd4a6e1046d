"""`pxed advertisement`: what is advertised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.meant import confirmed, yes_really_option
from pxed.cli.names import find_advertisement
from pxed.cli.output import print_fields, print_json, print_rows, say
from pxed.cli.session import Session
from pxed.cli.terms import apply, in_words, term_options, upcoming
from pxed.errors import UsageError

if TYPE_CHECKING:
    from pxed.site.event import SetBy
    from pxed.site.model import Advertisement

_COLUMNS = {
    "id": "Id",
    "name": "Name",
    "kind": "Kind",
    "sequence": "Sequence",
    "collection": "Collection",
    "enabled": "Enabled",
    "start": "Start",
    "expires": "Expires",
    "next_due": "Next due",
}


@click.group(cls=VerbGroup)
def command() -> None:
    """List, show, change, enable, disable and remove advertisements, named by id or by a name that only one has.

    \b
    Example:
      pxed advertisement list
    """


@command.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List advertisements, the newest first.

    \b
    Example:
      pxed advertisement list --json
    """
    now = datetime.now(UTC)
    with session.reading() as tx:
        rows = [asdict(each) | {"next_due": next(iter(_upcoming(each, now)), None)} for each in tx.advertisements()]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no advertisements")


@command.command
@click.argument("advertisement")
@click.pass_obj
def show(session: Session, advertisement: str) -> None:
    """Show an advertisement and when it falls due next.

    Of terms that were changed since it was made it says by whom.

    \b
    Example:
      pxed advertisement show 3
    """
    now = datetime.now(UTC)
    with session.reading() as tx:
        found = find_advertisement(tx, advertisement)
        by = tx.provenance("advertisement", found.id)
    set_by = {name: {"user": each.user, "at": each.at} for name, each in sorted(by.items())}
    fields = asdict(found) | {"next_due": list(_upcoming(found, now))}
    if session.as_json:
        print_json(fields | {"set_by": set_by})
        return
    zone = _zone(found)
    shown = {name: _in_zone(value, zone) for name, value in fields.items()}
    changes = [{name: f"{each.user}, {each.at.astimezone():%Y-%m-%d %H:%M}"} for name, each in _latest(found, by)]
    print_fields(shown | {"set_by": changes}, as_json=False)


@command.command
@click.argument("advertisement")
@click.option("--name", help="What to call it.")
@click.option("--sequence", help="Another task sequence.")
@click.option("--to", "collection", metavar="COLLECTION", help="Another collection.")
@click.option("--mandatory", "kind", flag_value="mandatory", help="Every member boots it without a question.")
@click.option("--optional", "kind", flag_value="optional", help="A person at the computer may choose it with F12.")
@term_options(new=False)
@yes_really_option
@click.pass_obj
def change(session: Session, /, advertisement: str, kind: str | None, yes_really: int | None, **terms: Any) -> None:
    """Change some terms of an advertisement.

    What is not named stays as it is. Assignments given with --at take the place of all it had. Computers on which it
    has run keep their records, so it runs again there only as its rerun behaviour says.

    \b
    Example:
      pxed advertisement change 3 --at "weekly sat 22:00" --rerun always --expires never
    """
    from pxed.policy.futile import check_not_futile, remarks
    from pxed.site.draft import Draft
    from pxed.site.model import Kind

    now = datetime.now(UTC)
    with session.writing() as tx:
        found = find_advertisement(tx, advertisement)
        before = Draft.of(found)
        after = apply(session, before, terms | ({"kind": Kind(kind)} if kind else {}))
        check_not_futile(after, now, before)
        after = confirmed(tx, after, session.config.guard, yes_really, before)
        changed = tx.change_advertisement(found.id, after)
    if terms["assignments"] or terms["zone"]:
        for remark in remarks(after):
            say(f"note: {remark}")
    same = "nothing is different" if changed == found else in_words(changed, now)
    session.report(asdict(changed), f"advertisement {changed.id}, {changed.name}: {changed.kind}, {same}")


@command.command
@click.argument("advertisement")
@click.pass_obj
def enable(session: Session, advertisement: str) -> None:
    """Put an advertisement into force again.

    \b
    Example:
      pxed advertisement enable "install to Lab"
    """
    _set_enabled(session, advertisement, True)


@command.command
@click.argument("advertisement")
@click.pass_obj
def disable(session: Session, advertisement: str) -> None:
    """Offer an advertisement to nobody, and remember who ran it.

    \b
    Example:
      pxed advertisement disable 3
    """
    _set_enabled(session, advertisement, False)


@command.command
@click.argument("advertisement")
@click.pass_obj
def approve(session: Session, advertisement: str) -> None:
    """Agree to what somebody else advertises as mandatory.

    It is needed if guard.second_person is set. Whoever made the advertisement, or set one of its values, cannot agree
    to it, and every change of a value that decides asks for a new approval.

    \b
    Example:
      pxed advertisement approve 3
    """
    with session.writing() as tx:
        found = tx.approve(find_advertisement(tx, advertisement).id)
    session.report(asdict(found), f"advertisement {found.id}, {found.name}, is approved by {found.approved_by}")


@command.command
@click.argument("advertisement")
@click.pass_obj
def remove(session: Session, advertisement: str) -> None:
    """Remove an advertisement, and with it the records of who ran it.

    \b
    Example:
      pxed advertisement remove 3
    """
    with session.writing() as tx:
        gone = tx.remove_advertisement(find_advertisement(tx, advertisement).id)
    session.report(asdict(gone), f"advertisement {gone.id}, {gone.name}, is removed")


def _set_enabled(session: Session, advertisement: str, enabled: bool) -> None:
    with session.writing() as tx:
        found = tx.set_enabled(find_advertisement(tx, advertisement).id, enabled)
    session.report(asdict(found), f"advertisement {found.id}, {found.name}, is {'enabled' if enabled else 'disabled'}")


def _upcoming(advertisement: Advertisement, now: datetime) -> Iterator[datetime]:
    """Times to come; none if this machine cannot understand them."""
    try:
        yield from upcoming(advertisement, now)
    except UsageError as error:
        say(f"advertisement {advertisement.id}, {advertisement.name}: {error}")


def _zone(advertisement: Advertisement) -> tzinfo:
    from pxed.site.zones import zone_of

    try:
        return zone_of(advertisement.zone)
    except UsageError:
        return UTC


def _in_zone(value: object, zone: tzinfo) -> object:
    """A time as the clocks of the advertisement show it."""
    if isinstance(value, list):
        return ", ".join(str(_in_zone(each, zone)) for each in value)
    return f"{value.astimezone(zone):%Y-%m-%d %H:%M %Z}" if isinstance(value, datetime) else value


def _latest(advertisement: Advertisement, by: Mapping[str, SetBy]) -> list[tuple[str, SetBy]]:
    """What was set since it was made, the latest first."""
    later = [(name, each) for name, each in by.items() if each.at > advertisement.created_at]
    return sorted(later, key=lambda item: item[1].at, reverse=True)
