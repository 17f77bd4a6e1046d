"""From what a person typed to the thing that is meant, or one sentence that says why not."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import click

from pxed.errors import NotFound, UsageError
from pxed.site.assignments import YEARS
from pxed.site.identifiers import parse_guid, parse_mac

if TYPE_CHECKING:
    from pxed.site.boot_image import BootImage
    from pxed.site.identity import IdentifierKind
    from pxed.site.model import Advertisement, Collection, TaskSequence
    from pxed.site.store import Tx


class MacType(click.ParamType[str]):
    """A MAC address in any common notation."""

    name = "mac"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address in our notation."""
        try:
            return parse_mac(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class GuidType(click.ParamType[UUID]):
    """An SMBIOS GUID with or without dashes and braces."""

    name = "guid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        """The GUID."""
        try:
            return value if isinstance(value, UUID) else parse_guid(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Identifier(NamedTuple):
    """A MAC address or a GUID that was typed, canonical."""

    kind: IdentifierKind
    value: str


class IdentifierType(click.ParamType[Identifier]):
    """A MAC address or a GUID in any common notation."""

    name = "identifier"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Identifier:
        """What it is, in our notation."""
        from pxed.site.identity import IdentifierKind

        if isinstance(value, Identifier):
            return value
        try:
            return Identifier(IdentifierKind.MAC, parse_mac(value))
        except ValueError:
            pass
        try:
            return Identifier(IdentifierKind.GUID, str(parse_guid(value)))
        except ValueError:
            example = "52:54:00:12:34:56 or 4c4c4544-0044-4a10-8039-b4c04f333232"
            self.fail(f"{value!r} is neither a MAC address nor a GUID such as {example}", param, ctx)


class WallType(click.ParamType[datetime]):
    """A date and time of day; without a time zone if it names none."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, as it was typed."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value.strip())
            if len(value.strip()) <= len("2026-12-24"):
                raise ValueError("no time of day")
            if moment.year not in YEARS:
                raise ValueError("no year for computers")
        except ValueError:
            self.fail(f"{value!r} is not a time such as '2026-12-24 18:30' or '2026-12-24T17:30:00Z'", param, ctx)
        return moment


class TimeType(WallType):
    """A date and time of day; in the local time zone unless it names another."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, with its time zone."""
        return super().convert(value, param, ctx).astimezone()


def find_collection(tx: Tx, name: str) -> Collection:
    """By name; NotFound."""
    collection = tx.find_collection(name)
    if collection is None:
        raise NotFound(f"there is no collection {name}")
    return collection


def find_boot_image(tx: Tx, name: str) -> BootImage:
    """By name; NotFound."""
    for image in tx.boot_images():
        if image.name == name:
            return image
    raise NotFound(f"there is no boot image {name}")


def find_sequence(tx: Tx, name: str) -> TaskSequence:
    """By name; NotFound."""
    for sequence in tx.sequences():
        if sequence.name == name:
            return sequence
    raise NotFound(f"there is no task sequence {name}")


def find_advertisement(tx: Tx, key: str) -> Advertisement:
    """By id, or by a name that only one has; NotFound, UsageError with the ids if several have it.

    A name wins over an id, since a name may be a number.
    """
    everything = tx.advertisements()
    named = [each for each in everything if each.name == key]
    if len(named) > 1:
        listing = ", ".join(f"{each.id} (to {each.collection})" for each in named)
        raise UsageError(f"several advertisements are called {key}; use one of the ids {listing}")
    found = named or [each for each in everything if str(each.id) == key]
    if not found:
        raise NotFound(f"no advertisement has the name or id {key}")
    return found[0]
