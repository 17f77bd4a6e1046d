"""`pxed history`: what a computer did, and what was done to it."""

from __future__ import annotations

from dataclasses import asdict

import click

from pxed.cli.log import KINDS
from pxed.cli.output import print_rows
from pxed.cli.session import Session
from pxed.cli.subjects import find_subject
from pxed.site.event import EventKind

_COLUMNS = {"at": "Time", "kind": "Kind", "text": "What", "user": "Who"}


@click.command
@click.argument("computer")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many lines at most.")
@KINDS
@click.pass_obj
def command(session: Session, computer: str, limit: int, kinds: tuple[str, ...]) -> None:
    """Show the last verdicts, transfers, states and edits of a computer, the latest at the end.

    COMPUTER is a name, MAC address or GUID, of an unknown computer as well.

    \b
    Example:
      pxed history ws-01
    """
    with session.reading() as tx:
        subject, name = find_subject(tx, computer)
        rows = [asdict(event) for event in tx.events(subject, limit, [EventKind(kind) for kind in kinds])]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty=f"nothing is known of what {name} did")
