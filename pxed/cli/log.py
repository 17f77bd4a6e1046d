"""`pxed log`: what happened, across all computers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from pxed.cli.names import TimeType, find_collection
from pxed.cli.output import cell, print_json_line, say
from pxed.cli.session import Session
from pxed.cli.subjects import find_subject
from pxed.site.event import Event, EventKind, Wanted

if TYPE_CHECKING:
    from pxed.site.store import Tx

_LOOK_SECONDS = 0.5
"""How often `--follow` looks for more: soon enough to watch a boot, and no burden for the database."""
_LIMIT = 100

KINDS = click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in EventKind]),
    help="Events of this kind alone; may be given several times.",
)


@click.command
@click.option("--computer", "keys", multiple=True, metavar="MAC|GUID|NAME", help="Of this computer alone; repeatable.")
@click.option("--collection", help="Of the members of this collection and its subcollections.")
@KINDS
@click.option("--user", help="What this user did.")
@click.option("--since", type=TimeType(), help="From this time on.")
@click.option("--limit", type=click.IntRange(1), help="The last so many. [default: 100 without --since]")
@click.option("--follow", is_flag=True, help="Go on with what happens from now on, until interrupted.")
@click.pass_obj
def command(
    session: Session,
    keys: tuple[str, ...],
    collection: str | None,
    kinds: tuple[str, ...],
    user: str | None,
    since: datetime | None,
    limit: int | None,
    follow: bool,
) -> None:
    """Show what happened, to computers and to the site, the latest at the end.

    With --json one object a line: `pxed log --since 2026-01-01T00:00 --json > history.jsonl` exports it.

    \b
    Example:
      pxed log --follow --kind state --kind guard
    """
    with session.reading() as tx:
        wanted = Wanted(_subjects(tx, keys, collection), tuple(map(EventKind, kinds)), user, since)
        last = tx.last_event()
        if limit is None and since is not None:
            events: Iterable[Event] = tx.events_after(0, wanted)
        else:
            events = reversed(list(islice(tx.events_before(last + 1, wanted), limit or _LIMIT)))
        shown = _show(session, tx, events)
    if not follow and not shown and not session.as_json:
        say("nothing has happened that fits")
    while follow:
        time.sleep(_LOOK_SECONDS)
        with session.reading() as tx:
            upto = tx.last_event()
            _show(session, tx, tx.events_after(last, wanted))
            last = upto


def _subjects(tx: Tx, keys: tuple[str, ...], collection: str | None) -> frozenset[str] | None:
    """Whom it is about; None for everybody."""
    if not keys and collection is None:
        return None
    named = {find_subject(tx, key)[0] for key in keys}
    if collection is not None:
        members = tx.member_names(find_collection(tx, collection).id, include_subcollections=True)
        named.update(str(number) for number, _ in members)
    return frozenset(named)


def _show(session: Session, tx: Tx, events: Iterable[Event]) -> int:
    """Prints them and returns how many there were."""
    shown = 0
    for event in events:
        name = tx.subject_name(event.subject) if event.subject else ""
        if session.as_json:
            print_json_line(asdict(event) | {"computer": name})
        else:
            who = f" ({event.user})" if event.user else ""
            click.echo(f"{cell(event.at)}  {event.kind:8}  {cell(name or '-'):20}  {cell(event.text)}{cell(who)}")
        shown += 1
    return shown
