"""`pxed clear-last`: the latest mandatory advertisement of a computer may run again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.names import find_collection, find_subject
from pxed.cli.output import cell
from pxed.cli.session import Session
from pxed.errors import UsageError
from pxed.site.model import EventKind, Kind

if TYPE_CHECKING:
    from pxed.site.model import Advertisement, PxeRecord
    from pxed.site.store import Tx


@click.command
@click.argument("computer", required=False)
@click.option("--collection", help="All members of this collection.")
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and forget nothing.")
@click.pass_obj
def command(session: Session, computer: str | None, collection: str | None, dry_run: bool) -> None:
    """Forget which mandatory advertisement a computer was given last: it runs again at the next boot.

    COMPUTER is a name, MAC address or GUID. Nothing else changes, and a second time there is nothing to forget.

    \b
    Example:
      pxed clear-last ws-01
    """
    if (computer is None) == (collection is None):
        raise UsageError("say either a computer or --collection NAME")
    with session.reading() if dry_run else session.writing() as tx:
        mandatory = {each.id: each for each in tx.advertisements() if each.kind is Kind.MANDATORY}
        outcomes = []
        for subject, name in _subjects(tx, computer, collection):
            record = _latest(tx, subject, mandatory)
            outcomes.append(_outcome(name, record, mandatory))
            if record is not None and not dry_run:
                tx.delete_record(record.id)
                what = mandatory[record.advertisement_id].name
                text = f"{what!r}, try {record.tries}: {record.state}, is forgotten"
                tx.add_event(datetime.now(UTC), EventKind.CLEAR, subject, text)
    session.report(outcomes, *(_sentence(each, dry_run) for each in outcomes) if outcomes else ["no computers in it"])


def _subjects(tx: Tx, computer: str | None, collection: str | None) -> Iterator[tuple[str, str]]:
    """Whom it is about: what their records are kept under, and their names."""
    if computer is not None:
        yield find_subject(tx, computer)
    elif collection is not None:
        # read whole before the first record is deleted
        yield from [(str(each.id), each.name) for each in tx.members(find_collection(tx, collection).id)]


def _latest(tx: Tx, subject: str, mandatory: dict[int, Advertisement]) -> PxeRecord | None:
    records = (record for record in tx.records(subject) if record.advertisement_id in mandatory)
    return max(records, key=lambda record: (record.offered_at, record.id), default=None)


def _outcome(name: str, record: PxeRecord | None, mandatory: dict[int, Advertisement]) -> dict[str, Any]:
    if record is None:
        return {"computer": name, "advertisement": None, "state": None, "offered_at": None}
    advertisement = mandatory[record.advertisement_id].name
    return {
        "computer": name,
        "advertisement": advertisement,
        "state": record.state,
        "offered_at": record.offered_at,
    }


def _sentence(outcome: dict[str, Any], dry_run: bool) -> str:
    if outcome["advertisement"] is None:
        return f"{outcome['computer']}: nothing to forget"
    verb = "would be" if dry_run else "is"
    when = cell(outcome["offered_at"])
    return f"{outcome['computer']}: {outcome['advertisement']} ({outcome['state']}, given {when}) {verb} forgotten"
