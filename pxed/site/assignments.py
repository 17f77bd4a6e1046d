"""Assignments: when a mandatory advertisement falls due, in words that people type and the site keeps.

    as soon as possible
    2026-12-24 18:30
    every 3 days from 2026-12-24 18:30
    weekly mon,thu 18:30
    monthly 15 18:30
    monthly last 18:30
    monthly second tue 18:30

Times are those of a clock on the wall, in whole minutes; in which time zone it hangs, the advertisement says.
`pxed.policy.schedule` knows the instants.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from enum import IntEnum, StrEnum
from typing import TypeVar

from pxed.errors import UsageError

T = TypeVar("T")

YEARS = range(1970, 2971)
"""in which an assignment may be"""
MOST_ASSIGNMENTS = 100
"""of one advertisement"""


class Weekday(IntEnum):
    """As `datetime.weekday` counts."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6

    def __str__(self) -> str:
        """Its first three letters."""
        return self.name.lower()


class Unit(StrEnum):
    """Of an interval. Days and weeks are counted on the wall, where 18:30 stays 18:30 when the clocks change; minutes
    and hours as time passes."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class Which(IntEnum):
    """Which of a weekday's days in a month."""

    FIRST = 1
    SECOND = 2
    THIRD = 3
    FOURTH = 4
    LAST = -1

    def __str__(self) -> str:
        """As people say it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class AsSoonAsPossible:
    """From the advertisement's start on."""

    def __str__(self) -> str:
        """Canonical text."""
        return "as soon as possible"


@dataclass(frozen=True, slots=True)
class Once:
    """At one time."""

    at: datetime
    """on the wall, without a zone"""

    def __str__(self) -> str:
        """Canonical text."""
        return _wall(self.at)


@dataclass(frozen=True, slots=True)
class Every:
    """At `first` and then again and again."""

    count: int
    """units from one to the next, 1 or more"""
    unit: Unit
    first: datetime
    """on the wall, without a zone"""

    def __str__(self) -> str:
        """Canonical text."""
        number = f"{self.unit}" if self.count == 1 else f"{self.count} {self.unit}s"
        return f"every {number} from {_wall(self.first)}"


@dataclass(frozen=True, slots=True)
class Weekly:
    """On some days of each week."""

    weekdays: tuple[Weekday, ...]
    """at least one, each once, in the order of the week"""
    at: time

    def __str__(self) -> str:
        """Canonical text."""
        return f"weekly {','.join(map(str, self.weekdays))} {self.at:%H:%M}"


@dataclass(frozen=True, slots=True)
class MonthlyByDate:
    """On a day of each month; a month that does not have it is left out."""

    day: int | None
    """1 to 31; None for the last day, whichever that is"""
    at: time

    def __str__(self) -> str:
        """Canonical text."""
        return f"monthly {self.day or 'last'} {self.at:%H:%M}"


@dataclass(frozen=True, slots=True)
class MonthlyByWeekday:
    """On the first, second, third, fourth or last of a weekday in each month."""

    which: Which
    weekday: Weekday
    at: time

    def __str__(self) -> str:
        """Canonical text."""
        return f"monthly {self.which} {self.weekday} {self.at:%H:%M}"


Assignment = AsSoonAsPossible | Once | Every | Weekly | MonthlyByDate | MonthlyByWeekday

AS_SOON_AS_POSSIBLE = str(AsSoonAsPossible())
EXAMPLES = (
    AS_SOON_AS_POSSIBLE,
    "2026-12-24 18:30",
    "every 3 days from 2026-12-24 18:30",
    "weekly mon,thu 18:30",
    "monthly 15 18:30",
    "monthly last 18:30",
    "monthly second tue 18:30",
)

_LONG_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAYS = {str(day): day for day in Weekday} | {name: Weekday(day) for day, name in enumerate(_LONG_NAMES)}
_WHICH = {str(which): which for which in Which}
_CLOCK = r"(?P<clock>\d{1,2}:\d\d)"
_MOMENT = r"(?P<date>\d{4}-\d\d-\d\d)[ t]" + _CLOCK
_FORMS = {
    kind: re.compile(pattern)
    for kind, pattern in (
        ("asap", r"as soon as possible|asap"),
        ("once", _MOMENT),
        ("every", r"every (?:(?P<count>\d{1,4}) )?(?P<unit>minute|hour|day|week)s? from " + _MOMENT),
        ("weekly", r"weekly (?:on )?(?P<days>[a-z]+(?: ?,? ?[a-z]+)*?) (?:at )?" + _CLOCK),
        ("date", r"monthly (?:on )?(?P<day>\d{1,2}|last) (?:at )?" + _CLOCK),
        ("weekday", r"monthly (?:on )?(?P<which>[a-z]+) (?P<day>[a-z]+) (?:at )?" + _CLOCK),
    )
}


def parse(text: str) -> Assignment:
    """The assignment that `text` means, in any case and with any spaces; UsageError says what would be right."""
    plain = " ".join(text.lower().split())
    for kind, pattern in _FORMS.items():
        if match := pattern.fullmatch(plain):
            try:
                return _made(kind, match.groupdict())
            except ValueError as error:
                raise UsageError(f"the assignment {text!r} cannot be: {error}") from None
    examples = ", ".join(repr(example) for example in EXAMPLES)
    raise UsageError(f"{text!r} is no assignment; right would be one like {examples}")


def canonical(texts: Iterable[str]) -> tuple[str, ...]:
    """`texts` as the site keeps them, each once, in their order; UsageError."""
    found = tuple(dict.fromkeys(str(parse(text)) for text in texts))
    if len(found) > MOST_ASSIGNMENTS:
        raise UsageError(f"{len(found)} assignments are too many; {MOST_ASSIGNMENTS} are possible")
    return found


def _made(kind: str, parts: dict[str, str]) -> Assignment:
    match kind:
        case "asap":
            return AsSoonAsPossible()
        case "once":
            return Once(_moment(parts))
        case "every":
            count = int(parts["count"] or "1")
            if not count:
                raise ValueError("an interval of nothing")
            return Every(count, Unit(parts["unit"]), _moment(parts))
        case "weekly":
            days = sorted({_one_of(_WEEKDAYS, word, "a weekday") for word in re.split(r"[ ,]+", parts["days"])})
            return Weekly(tuple(days), _clock(parts["clock"]))
        case "date":
            day = None if parts["day"] == "last" else int(parts["day"])
            if day is not None and not 1 <= day <= 31:
                raise ValueError(f"no month has a day {day}")
            return MonthlyByDate(day, _clock(parts["clock"]))
        case _:
            which = _one_of(_WHICH, parts["which"], "one of first, second, third, fourth, last")
            return MonthlyByWeekday(
                which, _one_of(_WEEKDAYS, parts["day"], "a weekday such as tue"), _clock(parts["clock"])
            )


def _moment(parts: dict[str, str]) -> datetime:
    clock = _clock(parts["clock"])
    try:
        moment = datetime.combine(datetime.fromisoformat(parts["date"]), clock)
    except ValueError:
        raise ValueError(f"there is no day {parts['date']}") from None
    if moment.year not in YEARS:
        raise ValueError(f"the year {moment.year} is not between {YEARS[0]} and {YEARS[-1]}")
    return moment


def _clock(text: str) -> time:
    hour, minute = map(int, text.split(":"))
    try:
        return time(hour, minute)
    except ValueError:
        raise ValueError(f"no clock shows {text}") from None


def _one_of(names: dict[str, T], word: str, wanted: str) -> T:
    try:
        return names[word]
    except KeyError:
        raise ValueError(f"{word!r} is not {wanted}") from None


def _wall(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
