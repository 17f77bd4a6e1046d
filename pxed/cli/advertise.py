"""`pxed advertise`: a task sequence, to a collection."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.meant import confirmed, yes_really_option
from pxed.cli.output import say
from pxed.cli.session import Session
from pxed.cli.terms import apply, in_words, term_options
from pxed.errors import UsageError

if TYPE_CHECKING:
    from pxed.site.store import Tx


@click.command
@click.argument("sequence")
@click.option("--to", "collection", required=True, metavar="COLLECTION", help="Who gets it.")
@click.option("--mandatory", is_flag=True, help="Every member boots it once, without a question.")
@click.option("--optional", is_flag=True, help="A person at the computer may choose it with F12.")
@click.option("--name", help="What to call it. [default: SEQUENCE to COLLECTION, with a number if there is one]")
@click.option("--disabled", is_flag=True, help="Offered to nobody until it is enabled.")
@term_options(new=True)
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
    zone = session.config.time_zone
    title = f"{sequence} to {collection}" if name is None else name
    draft = apply(session, Draft(title, kind, sequence, collection, now, enabled=not disabled, zone=zone), terms)
    check_not_futile(draft, now)
    with session.writing() as tx:
        if name is None:
            draft = replace(draft, name=_free_name(tx, title))
        made = tx.advertise(confirmed(tx, draft, session.config.guard, yes_really))
        alone = unattended([made], tx.passwords(), tx.collections())
    if alone:
        say(f"note: {made.name} needs a password: it runs only where somebody types it")
    for remark in remarks(draft):
        say(f"note: {remark}")
    session.report(asdict(made), f"advertisement {made.id}, {made.name}: {kind}, {in_words(made, now)}")


def _free_name(tx: Tx, wanted: str) -> str:
    """`wanted`, with a number behind it if another advertisement has that name: verbs take names that only one has."""
    taken = {each.name for each in tx.advertisements()}
    numbered = (f"{wanted} ({number})" for number in count(2))
    return wanted if wanted not in taken else next(each for each in numbered if each not in taken)
