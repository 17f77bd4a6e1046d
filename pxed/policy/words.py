"""Sentences that are put together when they are read."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import NamedTuple


class Phrase(NamedTuple):
    """A template for `str.format` and what goes into it, in order."""

    template: str
    arguments: tuple[object, ...]

    def __str__(self) -> str:
        """The sentence."""
        return self.template.format(*self.arguments)


class Moment(NamedTuple):
    """An instant as a clock on the wall shows it."""

    at: datetime
    zone: tzinfo

    def __str__(self) -> str:
        """Date, time to the minute, and the zone's abbreviation."""
        return f"{self.at.astimezone(self.zone):%Y-%m-%d %H:%M %Z}"


Words = str | Phrase


def phrase(template: str, *arguments: object) -> Phrase:
    """`template` with `arguments`, to be put together later; they must not change any more."""
    return Phrase(template, arguments)
