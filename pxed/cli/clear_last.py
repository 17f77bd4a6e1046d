"""`pxed clear-last`: the latest mandatory advertisement of a computer may run again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.names import find_advertisement, find_collection
from pxed.cli.output import cell
from pxed.cli.session import Session
from pxed.cli.subjects import find_subject
from pxed.errors import UsageError
from pxed.site.event import EventKind
from pxed.site.model import Kind

if TYPE_CHECKING:
    from pxed.site.model import Advertisement, PxeRecord
    from pxed.site.store import Tx


@click.command
@click.argument("computers", nargs=-1, metavar="COMPUTER...")
@click.option("--collection", help="All members of this collection, and of those below it.")
@click.option("--no-subcollections", is_flag=True, help="Of this collection alone.")
@click.option("--advertisement", help="Forget this one, whichever was given last; by id or name.")
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and forget nothing.")
@click.pass_obj
def command(
    session: Session,
    computers: tuple[str, ...],
    collection: str | None,
    no_subcollections: bool,
    advertisement: str | None,
    dry_run: bool,
) -> None:
    """Forget which mandatory advertisement computers were given last: it runs again at their next boot.

    COMPUTER is a name, MAC address or GUID, of an unknown computer as well. Nothing else changes, and
    a second time there is nothing to forget: what was given before is forgotten only by its name (--advertisement). All
    computers are found and cleared, or none is.

    \b
    Example:
      pxed clear-last ws-01 ws-02 --advertisement "install to Lab"
    """
    if not computers and collection is None:
        raise UsageError("say which computers, or --collection NAME")
    if no_subcollections and collection is None:
        raise UsageError("--no-subcollections goes with --collection NAME")
    with session.reading() if dry_run else session.writing() as tx:
        mandatory = {each.id: each for each in tx.advertisements() if each.kind is Kind.MANDATORY}
        if advertisement is not None:
            limit = find_advertisement(tx, advertisement)
            if limit.id not in mandatory:
                raise UsageError(f"advertisement {limit.name} is optional: nothing has to be forgotten to choose it")
            mandatory = {limit.id: limit}
        subjects = dict(find_subject(tx, key, with_records=True) for key in computers)
        if collection is not None:
            subjects.update(_members(tx, collection, include_subcollections=not no_subcollections))
        outcomes = []
        # of the many in a collection, those who were given nothing are not looked up one by one
        given = None if collection is None else {subject for each in mandatory for subject, _, _ in tx.tries(each)}
        for subject, name in subjects.items():
            record = _latest(tx, subject, mandatory) if given is None or subject in given else None
            if record is not None and advertisement is None and _was_cleared_last(tx, subject):
                record = None
            if record is not None and not dry_run:
                _forget(tx, record, mandatory[record.advertisement_id])
            outcomes.append(_outcome(name, record, mandatory))
    # as many of a large collection are not shown, those come first of which something is
    told = sorted(outcomes, key=lambda each: each["advertisement"] is None)
    session.report(outcomes, *(_sentence(each, dry_run) for each in told) if told else ["no computers in it"])


def _members(tx: Tx, collection: str, *, include_subcollections: bool) -> Iterator[tuple[str, str]]:
    home = find_collection(tx, collection)
    for number, name in tx.member_names(home.id, include_subcollections=include_subcollections):
        yield str(number), name


def _was_cleared_last(tx: Tx, subject: str) -> bool:
    """Whether nothing was given since somebody cleared this computer, by the order of history: clocks may jump."""
    last = tx.events(subject, 1, (EventKind.STATE, EventKind.CLEAR))
    return bool(last) and last[0].kind is EventKind.CLEAR


def _forget(tx: Tx, record: PxeRecord, advertisement: Advertisement) -> None:
    tx.delete_record(record.id)
    text = f"{advertisement.name!r}, try {record.tries}: {record.state}, is forgotten"
    tx.add_event(datetime.now(UTC), EventKind.CLEAR, record.subject, text)


def _outcome(name: str, record: PxeRecord | None, mandatory: dict[int, Advertisement]) -> dict[str, Any]:
    if record is None:
        return {"computer": name, "advertisement": None, "state": None, "tries": 0, "offered_at": None}
    return {
        "computer": name,
        "advertisement": mandatory[record.advertisement_id].name,
        "state": record.state,
        "tries": record.tries,
        "offered_at": record.offered_at,
    }


def _latest(tx: Tx, subject: str, mandatory: dict[int, Advertisement]) -> PxeRecord | None:
    records = (record for record in tx.records(subject) if record.advertisement_id in mandatory)
    return max(records, key=lambda record: (record.offered_at, record.id), default=None)


def _sentence(outcome: dict[str, Any], dry_run: bool) -> str:
    if outcome["advertisement"] is None:
        return f"{outcome['computer']}: nothing to forget"
    verb = "would be" if dry_run else "is"
    when = cell(outcome["offered_at"])
    what = f"{outcome['advertisement']} ({outcome['state']}, given {when}, tries: {outcome['tries']})"
    return f"{outcome['computer']}: {what} {verb} forgotten"
