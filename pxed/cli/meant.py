"""`--yes-really SIZE`: a large collection, or one with protected computers, is advertised to only if it is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pxed.cli.names import find_collection
from pxed.errors import Refused

if TYPE_CHECKING:
    from pxed.config import Guard
    from pxed.site.draft import Draft
    from pxed.site.store import Tx

F = TypeVar("F", bound=Callable[..., Any])


def yes_really_option(command: F) -> F:
    """Gives a command the option; it hands the value to `confirmed`."""
    return click.option(
        "--yes-really",
        type=click.IntRange(0),
        metavar="SIZE",
        help="Confirm that the collection is meant, by how many computers it has.",
    )(command)


def confirmed(tx: Tx, draft: Draft, settings: Guard, yes_really: int | None, before: Draft | None = None) -> Draft:
    """`draft` with the size that was agreed to; Refused, with what has to be said, if one has to be agreed to.

    A change of `before` that reaches nobody else needs no new word.
    """
    from pxed.policy.guard import must_be_meant
    from pxed.site.model import Kind

    if draft.kind is not Kind.MANDATORY or (
        yes_really is None and before is not None and _reach(before) == _reach(draft)
    ):
        return draft
    home = find_collection(tx, draft.collection)
    members = list(tx.members(home.id, include_subcollections=draft.include_subcollections))
    protected = (each.name for each in members if each.protected)
    said = must_be_meant(home.name, len(members), protected, settings, yes_really)
    if said is not None:
        raise Refused(said)
    return draft if yes_really is None else replace(draft, confirmed_size=yes_really)


def _reach(draft: Draft) -> tuple[object, ...]:
    return draft.kind, draft.collection, draft.include_subcollections
