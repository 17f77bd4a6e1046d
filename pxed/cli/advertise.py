"""`pxed advertise`: a task sequence, to a collection."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from pxed.cli.names import TimeType
from pxed.cli.output import cell, say
from pxed.cli.session import Session
from pxed.errors import UsageError
from pxed.policy.password import unattended
from pxed.site.draft import Draft
from pxed.site.model import Kind


@click.command
@click.argument("sequence")
@click.option("--to", "collection", required=True, metavar="COLLECTION", help="Who gets it.")
@click.option("--mandatory", is_flag=True, help="Every member boots it once, without a question.")
@click.option("--optional", is_flag=True, help="A person at the computer may choose it with F12.")
@click.option("--at", "start", type=TimeType(), help="When a mandatory one begins. [default: now]")
@click.option("--expires", type=TimeType(), help="When it ends. [default: never]")
@click.option("--name", help="What to call it. [default: SEQUENCE to COLLECTION]")
@click.pass_obj
def command(
    session: Session,
    sequence: str,
    collection: str,
    mandatory: bool,
    optional: bool,
    start: datetime | None,
    expires: datetime | None,
    name: str | None,
) -> None:
    """Advertise a task sequence to a collection, either mandatory or optional.

    Times are like '2026-12-24 18:30', in the local time zone unless they name another.

    \b
    Example:
      pxed advertise install --to Lab --mandatory --at "2026-12-24 18:30"
    """
    if mandatory == optional:
        raise UsageError("say either --mandatory or --optional")
    if optional and start is not None:
        raise UsageError("--at goes with --mandatory; an optional advertisement can be chosen at once")
    now = datetime.now(UTC)
    kind = Kind.MANDATORY if mandatory else Kind.OPTIONAL
    with session.writing() as tx:
        title = f"{sequence} to {collection}" if name is None else name
        made = tx.advertise(Draft(title, kind, sequence, collection, start or now, expires))
        alone = unattended([made], tx.passwords(), tx.collections())
    if alone:
        say(f"{made.name} needs a password: it runs only where somebody types it")
    begins = f", from {cell(made.start)} on" if made.start > now else ""
    session.report(asdict(made), f"advertisement {made.id}, {made.name}: {kind}{begins}")
