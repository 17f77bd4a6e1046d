"""`pxed preview`: what many computers would get if they booted from the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.explain import ARCHITECTURES
from pxed.cli.names import WallType, find_collection
from pxed.cli.output import print_csv, print_rows, say
from pxed.cli.session import Session
from pxed.cli.terms import instant
from pxed.errors import UsageError

if TYPE_CHECKING:
    from pxed.config import Config
    from pxed.site.model import Advertisement, Computer
    from pxed.site.restraints import Tally
    from pxed.site.sql import SqlReader

_COLUMNS = {"computer": "Computer", "outcome": "Outcome", "advertisements": "Advertisements", "reason": "Reason"}
_AT_ONCE = 64
"""computers that are looked up together"""


@click.command
@click.option("--at", type=WallType(), help="When they would boot. [default: now]")
@click.option("--collection", help="Only the members of this one and of its subcollections. [default: all computers]")
@click.option(
    "--arch",
    type=click.Choice(list(ARCHITECTURES)),
    default="uefi-amd64",
    show_default=True,
    help="The firmware of those that were never heard.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of text.")
@click.pass_obj
def command(session: Session, at: datetime | None, collection: str | None, arch: str, as_csv: bool) -> None:
    """Say which computers would be installed, asked or sent to their disk if they booted from the network.

    Each is decided for as if it booted alone, by the records that there are now. The last line counts.

    \b
    Example:
      pxed preview --at "2026-12-24 18:30" --collection Lab
    """
    from pxed.site.sql import SqlReader

    if as_csv and session.as_json:
        raise UsageError("say either --csv or --json")
    now = instant(session, at) if at else datetime.now(UTC)
    config = session.config
    reader = SqlReader(session.database)
    found: Counter[str] = Counter()
    try:
        with session.reading() as tx:
            members = (
                tx.members(find_collection(tx, collection).id, include_subcollections=True)
                if collection is not None
                else tx.computers()
            )
            rows = _counted(_rows(reader, members, config, ARCHITECTURES[arch], now), found)
            if as_csv:
                print_csv(rows, _COLUMNS)
            else:
                print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no computers")
    finally:
        reader.close()
    if found:
        many = "computer" if found.total() == 1 else "computers"
        say(f"{found.total()} {many}: " + ", ".join(f"{count} {word}" for word, count in found.most_common()))


class _Counting:
    """Counts once for an advertisement what a reader would count for each computer."""

    def __init__(self, reader: SqlReader) -> None:
        self._reader = reader
        self._found: dict[int, Tally] = {}

    def tally(self, advertisement: Advertisement, now: datetime, *, with_size: bool) -> Tally:
        if advertisement.id not in self._found:
            self._found[advertisement.id] = self._reader.tally(advertisement, now, with_size=with_size)
        return self._found[advertisement.id]


def _rows(
    reader: SqlReader, computers: Iterable[Computer], config: Config, arch: int, now: datetime
) -> Iterator[Mapping[str, Any]]:
    from pxed.policy.alike import Kept
    from pxed.policy.counting import counted
    from pxed.policy.facts import Client, Facts, Stage
    from pxed.policy.outcome import outcome_of
    from pxed.policy.verdict import Boot
    from pxed.wire.architecture import architecture

    kept, counting = Kept(), _Counting(reader)
    source = iter(computers)
    while chunk := list(islice(source, _AT_ONCE)):
        asking = [
            Facts(
                next(iter(each.macs), ""),
                each.guid,
                architecture(ARCHITECTURES.get(each.firmware, arch)),
                Client.PXE,
                Stage.FIRMWARE,
                interface="",
            )
            for each in chunk
        ]
        plan, known = reader.look_up_all([(facts.mac, facts.guids) for facts in asking])
        for computer, facts, evidence in zip(chunk, asking, known, strict=True):
            verdict = kept.decide(facts, evidence, plan, config, now)
            verdict = counted(counting, verdict, facts, evidence, plan, config, now)
            choices = verdict.choices if isinstance(verdict, Boot) else ()
            yield {
                "computer": computer.name,
                "outcome": str(outcome_of(verdict)),
                "advertisements": [choice.advertisement.name for choice in choices],
                "rule": verdict.rule,
                "reason": verdict.reason,
            }


def _counted(rows: Iterable[Mapping[str, Any]], found: Counter[str]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        found[row["outcome"]] += 1
        yield row
