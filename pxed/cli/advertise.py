"""`pxed advertise`: a task sequence, to a collection."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from pxed.cli.meant import confirmed, yes_really_option
from pxed.cli.output import say
from pxed.cli.session import Session
from pxed.cli.terms import apply, in_words, term_options
from pxed.errors import UsageError


@click.command
@click.argument("sequence")
@click.option("--to", "collection", required=True, metavar="COLLECTION", help="Who gets it.")
@click.option("--mandatory", is_flag=True, help="Every member boots it once, without a question.")
@click.option("--optional", is_flag=True, help="A person at the computer may choose it with F12.")
@click.option("--name", help="What to call it. [default: SEQUENCE to COLLECTION]")
@click.option("--disabled", is_flag=True, help="Offered to nobody until it is enabled.")
@term_options
@yes_really_option
@click.pass_obj
def command(
    session: Session,
    /,
    sequence: str,
    collection: str,
    mandatory: bool,
    optional: bool,
    name: str | None,
    disabled: bool,
    yes_really: int | None,
    **terms: Any,
) -> None:
    """Advertise a task sequence to a collection, either mandatory or optional.

    Times are like '2026-12-24 18:30', in the time zone of the site unless --zone or they themselves name another.

    An assignment is one of

    \b
      as soon as possible
      2026-12-24 18:30
      every 3 days from 2026-12-24 18:30     (or minutes, hours, weeks)
      weekly mon,thu 18:30
      monthly 15 18:30                       (or: monthly last 18:30)
      monthly second tue 18:30

    \b
    Example:
      pxed advertise install --to Lab --mandatory --at "2026-12-24 18:30"
    """
    from pxed.policy.futile import check_not_futile, remarks
    from pxed.policy.password import unattended
    from pxed.site.draft import Draft
    from pxed.site.model import Kind

    if mandatory == optional:
        raise UsageError("say either --mandatory or --optional")
    now = datetime.now(UTC)
    kind = Kind.MANDATORY if mandatory else Kind.OPTIONAL
    title = f"{sequence} to {collection}" if name is None else name
    zone = session.config.time_zone
    draft = apply(session, Draft(title, kind, sequence, collection, now, enabled=not disabled, zone=zone), terms)
    check_not_futile(draft, now)
    with session.writing() as tx:
        made = tx.advertise(confirmed(tx, draft, session.config.guard, yes_really))
        alone = unattended([made], tx.passwords(), tx.collections())
    if alone:
        say(f"note: {made.name} needs a password: it runs only where somebody types it")
    for remark in remarks(draft):
        say(f"note: {remark}")
    session.report(asdict(made), f"advertisement {made.id}, {made.name}: {kind}, {in_words(made, now)}")
