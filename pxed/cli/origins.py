"""Who set last what a verdict rests on: advertisements, task sequences, memberships, the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pxed.site.event import EventKind, Wanted

if TYPE_CHECKING:
    from pxed.policy.membership import Way
    from pxed.policy.verdict import Verdict
    from pxed.site.model import Advertisement, Plan
    from pxed.site.store import Tx

_EDITS_READ = 1000
"""of one computer: its last edits, among which its memberships are looked for"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Somebody who set something."""

    what: str
    user: str
    """empty if that is not known"""
    at: datetime


def origins_of(tx: Tx, plan: Plan, verdict: Verdict, ways: Sequence[Way], config_file: Path) -> Iterator[Origin]:
    """Of all that the rules looked at for a computer that is in collections by `ways`."""
    holding = {way.collection.id for way in ways}
    reaching = [each for each in plan.advertisements if each.collection_id in holding]
    for advertisement in reaching:
        yield from _of_advertisement(tx, advertisement)
    for name in sorted({each.sequence for each in reaching}):
        sequence = plan.sequences.get(name)
        if sequence is not None and (by := tx.provenance("task_sequence", sequence.id).get("enabled")):
            yield Origin(f"task sequence {name!r} {'enabled' if sequence.enabled else 'disabled'}", by.user, by.at)
    if verdict.identity is not None:
        yield from _of_memberships(tx, verdict.identity.subject, {each.collection for each in reaching})
    yield Origin(f"configuration {config_file}", "", datetime.fromtimestamp(config_file.stat().st_mtime, UTC))


def _of_advertisement(tx: Tx, advertisement: Advertisement) -> Iterator[Origin]:
    """What was set together stands together, the latest first; what was not set since it was made is not named."""
    together: dict[tuple[datetime, str], list[str]] = {}
    for field, by in tx.provenance("advertisement", advertisement.id).items():
        together.setdefault((by.at, by.user), []).append(field)
    for (at, user), fields in sorted(together.items(), reverse=True):
        made = at == advertisement.created_at
        what = "made" if made else ", ".join(sorted(fields)).replace("_", " ")
        yield Origin(f"advertisement {advertisement.name!r} (id {advertisement.id}): {what}", user, at)


def _of_memberships(tx: Tx, subject: str, collections: set[str]) -> Iterator[Origin]:
    """The last edit by which the computer came into each of `collections` or left it."""
    wanted = set(collections)
    last = tx.last_event() + 1
    for event in islice(tx.events_before(last, Wanted([subject], [EventKind.EDIT])), _EDITS_READ):
        for name in list(wanted):
            if event.text.endswith((f" added to collection {name}", f" removed from collection {name}")):
                wanted.discard(name)
                yield Origin(event.text, event.user, event.at)
