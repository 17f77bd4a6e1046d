"""`pxed report`: how deployments stand, for people, spreadsheets and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.names import find_advertisement
from pxed.cli.output import print_csv, print_rows
from pxed.cli.session import Session
from pxed.cli.subjects import find_subject
from pxed.errors import UsageError
from pxed.policy.progress import Member, Progress, members_of, progress_of
from pxed.site.model import Kind

if TYPE_CHECKING:
    from pxed.config import Config
    from pxed.site.model import Advertisement, PxeRecord
    from pxed.site.store import Tx

_COUNTED = {each.name.lower(): each for each in Progress}
_DEPLOYMENTS = {
    "id": "Id",
    "advertisement": "Advertisement",
    "kind": "Kind",
    "collection": "Collection",
    "members": "Members",
} | {key: each.value.capitalize() for key, each in _COUNTED.items()}
_MEMBERS = {
    "computer": "Computer",
    "progress": "Progress",
    "tries": "Tries",
    "offered_at": "Last try",
    "changed_at": "Last change",
    "message": "Message",
}
_RECORDS = {"advertisement": "Advertisement", "kind": "Kind"} | {
    key: heading for key, heading in _MEMBERS.items() if key != "computer"
}
_ASSIGNED = {"computer": "Computer", "advertisement": "Advertisement", "progress": "Progress", "message": "Message"}
_RUNNING = {
    "computer": "Computer",
    "advertisement": "Advertisement",
    "progress": "Progress",
    "offered_at": "Begun",
    "minutes": "Minutes",
    "message": "Message",
}
_UNFINISHED = frozenset({Progress.UNDER_WAY, Progress.RUNNING})
_TO_COME = frozenset({Progress.PENDING, Progress.HELD_BACK, Progress.UNDER_WAY})

_WITHOUT_RECORD = frozenset({Progress.PENDING, Progress.HELD_BACK})
_AT_ONCE = 256
"""computers whose records are read together"""

Command = Callable[..., None]
Rows = Iterable[Mapping[str, Any]]


def _csv_option(command: Command) -> Command:
    return click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of text.")(command)


def _print(session: Session, rows: Rows, columns: Mapping[str, str], as_csv: bool, empty: str) -> None:
    if as_csv and session.as_json:
        raise UsageError("say either --csv or --json")
    if as_csv:
        print_csv(rows, columns)
    else:
        print_rows(rows, columns, as_json=session.as_json, empty=empty)


@click.group(cls=VerbGroup)
def command() -> None:
    """Show how deployments stand.

    \b
    Example:
      pxed report deployments
    """


@command.command
@_csv_option
@click.pass_obj
def deployments(session: Session, as_csv: bool) -> None:
    """Count how far the computers of each advertisement are.

    \b
    Example:
      pxed report deployments --csv
    """
    with session.reading() as tx:
        rows = (_counts(tx, session.config, each) for each in tx.advertisements())
        _print(session, rows, _DEPLOYMENTS, as_csv, "no advertisements")


@command.command
@click.argument("advertisement")
@click.option(
    "--progress",
    "wanted",
    multiple=True,
    type=click.Choice([each.value for each in Progress]),
    help="These computers alone.",
)
@_csv_option
@click.pass_obj
def deployment(session: Session, advertisement: str, wanted: tuple[str, ...], as_csv: bool) -> None:
    """Show how far each computer of an advertisement is.

    ADVERTISEMENT is a name or an id.

    \b
    Example:
      pxed report deployment "install to Lab" --progress failed
    """
    with session.reading() as tx:
        advertised = find_advertisement(tx, advertisement)
        members = _members(tx, session.config, advertised)
        chosen = (each for each in members if not wanted or each.progress in wanted)
        rows = _member_rows(tx, advertised, chosen)
        _print(session, rows, _MEMBERS, as_csv, "no computers")


@command.command
@_csv_option
@click.pass_obj
def assigned(session: Session, as_csv: bool) -> None:
    """List who has yet to run something mandatory.

    \b
    Example:
      pxed report assigned
    """
    with session.reading() as tx:
        mandatory = [each for each in tx.advertisements() if each.kind is Kind.MANDATORY and each.enabled]
        rows = (
            row | {"advertisement": each.name}
            for each in mandatory
            for row in _member_rows(tx, each, _yet_to_run(tx, session.config, each))
        )
        _print(session, rows, _ASSIGNED, as_csv, "everything that is assigned has run")


@command.command
@click.option("--longer-than", "minutes", type=click.IntRange(0), default=0, help="Begun so many minutes ago or more.")
@_csv_option
@click.pass_obj
def running(session: Session, minutes: int, as_csv: bool) -> None:
    """List what has begun and not ended, oldest first.

    \b
    Example:
      pxed report running --longer-than 120
    """
    now = datetime.now(UTC)
    with session.reading() as tx:
        names = {each.id: each.name for each in tx.advertisements()}
        unfinished = [
            (record, progress)
            for record in tx.all_records()
            if (progress := progress_of(record.state, record.tries, session.config)) in _UNFINISHED
            and now - record.offered_at >= timedelta(minutes=minutes)
        ]
        rows = [
            {
                "computer": tx.subject_name(record.subject),
                "advertisement": names[record.advertisement_id],
                "progress": progress,
                "offered_at": record.offered_at,
                "minutes": max(0, (now - record.offered_at) // timedelta(minutes=1)),
                "message": record.message,
            }
            for record, progress in sorted(unfinished, key=lambda pair: pair[0].offered_at)
        ]
    _print(session, rows, _RUNNING, as_csv, "nothing is running")


@command.command
@click.argument("computer")
@_csv_option
@click.pass_obj
def computer(session: Session, computer: str, as_csv: bool) -> None:
    """Show what a computer was given and how it ended.

    `pxed history` has every step of it.

    \b
    Example:
      pxed report computer ws-01
    """
    with session.reading() as tx:
        subject, name = find_subject(tx, computer, with_records=True)
        advertisements = {each.id: each for each in tx.advertisements()}
        rows = []
        for record in tx.records(subject):
            advertisement = advertisements[record.advertisement_id]
            member = Member(subject, name, progress_of(record.state, record.tries, session.config))
            row = _member_row(tx, member, record)
            rows.append(row | {"advertisement": advertisement.name, "kind": advertisement.kind})
    _print(session, rows, _RECORDS, as_csv, f"{name} was given nothing yet")


def _members(tx: Tx, config: Config, advertisement: Advertisement) -> Iterator[Member]:
    deep = advertisement.include_subcollections
    computers = tx.member_names(advertisement.collection_id, include_subcollections=deep)
    return members_of(advertisement, computers, tx.tries(advertisement.id), tx.protected(), tx.restraints(), config)


def _yet_to_run(tx: Tx, config: Config, advertisement: Advertisement) -> Iterator[Member]:
    return (member for member in _members(tx, config, advertisement) if member.progress in _TO_COME)


def _counts(tx: Tx, config: Config, advertisement: Advertisement) -> dict[str, Any]:
    counts = Counter(member.progress for member in _members(tx, config, advertisement))
    return {
        "id": advertisement.id,
        "advertisement": advertisement.name,
        "kind": advertisement.kind,
        "collection": advertisement.collection,
        "members": counts.total(),
    } | {key: counts[each] for key, each in _COUNTED.items()}


def _member_rows(tx: Tx, advertisement: Advertisement, members: Iterator[Member]) -> Iterator[dict[str, Any]]:
    """With what their records say; the first ones at once."""
    while chunk := list(islice(members, _AT_ONCE)):
        begun = [member.subject for member in chunk if member.progress not in _WITHOUT_RECORD]
        records = tx.records_of(advertisement.id, begun)
        yield from (_member_row(tx, member, records.get(member.subject)) for member in chunk)


def _member_row(tx: Tx, member: Member, record: PxeRecord | None) -> dict[str, Any]:
    return {
        "computer": member.name or tx.subject_name(member.subject),
        "progress": member.progress,
        "tries": record.tries if record else 0,
        "offered_at": record.offered_at if record else None,
        "changed_at": record.changed_at if record else None,
        "message": member.reason or (record.message if record else ""),
    }
