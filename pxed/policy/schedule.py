"""When assignments fall due: from clocks on the wall to instants.

A time on the wall falls due at the first instant at which the clock of its zone shows it *or a later one*. So a time
that the clocks are set forward over falls due as they are, and a time that they show twice falls due at its first.
"""

from __future__ import annotations

import calendar
import functools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import count

from pxed.site.assignments import (
    AS_SOON_AS_POSSIBLE,
    Assignment,
    AsSoonAsPossible,
    Every,
    MonthlyByDate,
    MonthlyByWeekday,
    Once,
    Unit,
    Weekly,
    parse,
)
from pxed.site.draft import Draft
from pxed.site.model import Advertisement
from pxed.site.zones import zone_of

_STEPS = {
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}
_MARGIN = timedelta(days=2)
"""More than any zone's clock is away from UTC, or ever was set."""
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""Nothing falls due outside."""
_TICK = timedelta(microseconds=1)


def instant_of(wall: datetime, zone: tzinfo) -> datetime:
    """The first instant at which the clock of `zone` shows `wall` (without a zone) or a later time, in UTC."""
    high = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _wall(high, zone) == wall:
        return high
    # The clocks are set forward over `wall`, by fold=1 before the change and by fold=0 after it (PEP 495).
    low = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // timedelta(seconds=2) * timedelta(seconds=1)
        if _wall(middle, zone) < wall:
            low = middle
        else:
            high = middle
    return high


def last_due(
    assignment: Assignment, zone: tzinfo, start: datetime, expires: datetime | None, now: datetime
) -> datetime | None:
    """The last instant up to and with `now` at which it fell due, not before `start` and before `expires`; None if it
    never did."""
    limit = now if expires is None else min(now, expires - _TICK)
    if not _FIRST <= limit < _LAST:
        return None
    if isinstance(assignment, AsSoonAsPossible):
        return start if start <= limit else None
    for instant in _backwards(assignment, zone, limit):
        if instant <= limit:
            return instant if instant >= start else None
    return None


def next_due(
    assignment: Assignment, zone: tzinfo, start: datetime, expires: datetime | None, now: datetime
) -> datetime | None:
    """The first instant after `now` at which it falls due, not before `start` and before `expires`; None if it never
    will."""
    low = max(start, now + _TICK, _FIRST)
    end = _LAST if expires is None else min(expires, _LAST)
    if low >= end:
        return None
    if isinstance(assignment, AsSoonAsPossible):
        return start if start >= low else None
    for instant in _forwards(assignment, zone, low):
        if instant >= end:
            return None
        if instant >= low:
            return instant
    return None


class Timetable:
    """All instants at which one advertisement falls due."""

    __slots__ = ("_answer", "_assignments", "_expires", "_start", "_zone")

    def __init__(
        self, assignments: tuple[Assignment, ...], zone: tzinfo, start: datetime, expires: datetime | None
    ) -> None:
        self._assignments = assignments
        self._zone = zone
        self._start = start
        self._expires = expires
        self._answer: tuple[datetime, datetime, datetime | None] = (_FIRST, _FIRST, None)

    @property
    def zone(self) -> tzinfo:
        """The time zone of the assignments."""
        return self._zone

    def last_due(self, now: datetime) -> datetime | None:
        """When any of the assignments fell due last, up to and with `now`."""
        since, until, last = self._answer  # it holds until the next one falls due, and is asked with every packet
        if not since <= now < until:
            found = [last_due(each, self._zone, self._start, self._expires, now) for each in self._assignments]
            last = max((instant for instant in found if instant is not None), default=None)
            self._answer = now, self.next_due(now) or _LAST, last
        return last

    def next_due(self, now: datetime) -> datetime | None:
        """When the next of the assignments falls due, after `now`."""
        found = [next_due(each, self._zone, self._start, self._expires, now) for each in self._assignments]
        return min((instant for instant in found if instant is not None), default=None)


def timetable_of(advertisement: Advertisement | Draft) -> Timetable:
    """When a mandatory advertisement falls due. UsageError if its assignments or its zone cannot be understood: both
    were checked when it was made, by another machine or another version."""
    return _timetable(advertisement.assignments, advertisement.zone, advertisement.start, advertisement.expires)


@functools.lru_cache(maxsize=4096)
def _timetable(texts: tuple[str, ...], zone: str, start: datetime, expires: datetime | None) -> Timetable:
    assignments = tuple(parse(text) for text in texts or (AS_SOON_AS_POSSIBLE,))
    return Timetable(assignments, zone_of(zone), start, expires)


def _backwards(assignment: Assignment, zone: tzinfo, limit: datetime) -> Iterator[datetime]:
    """Instants of an assignment, latest first, from a little after `limit` on."""
    if isinstance(assignment, Every) and assignment.unit in {Unit.MINUTE, Unit.HOUR}:
        first, step = instant_of(assignment.first, zone), assignment.count * _STEPS[assignment.unit]
        return (first + number * step for number in range((limit - first) // step, -1, -1))
    walls = _walls(assignment, _wall(limit, zone) + _MARGIN, -1)
    return (instant_of(wall, zone) for wall in walls)


def _forwards(assignment: Assignment, zone: tzinfo, low: datetime) -> Iterator[datetime]:
    """Instants of an assignment, earliest first, from a little before `low` on."""
    if isinstance(assignment, Every) and assignment.unit in {Unit.MINUTE, Unit.HOUR}:
        first, step = instant_of(assignment.first, zone), assignment.count * _STEPS[assignment.unit]
        return (first + number * step for number in count(max(0, (low - first) // step)))
    walls = _walls(assignment, _wall(low, zone) - _MARGIN, 1)
    return (instant_of(wall, zone) for wall in walls)


def _walls(assignment: Assignment, begin: datetime, way: int) -> Iterator[datetime]:
    """Times on the wall in the order of `way` (1 or -1), from `begin` or a little on its other side."""
    match assignment:
        case Once(at):
            yield at
        case Every(number, unit, first):
            step = number * _STEPS[unit]
            index = (begin - first) // step
            while index >= 0 or way > 0:
                if index >= 0:
                    yield first + index * step
                index += way
        case Weekly(weekdays, at):
            day = begin.date()
            while True:
                if day.weekday() in weekdays:
                    yield datetime.combine(day, at)
                day += timedelta(days=way)
        case MonthlyByDate(day_number, at):
            yield from _monthly(begin, way, at, lambda year, month: _day_of(year, month, day_number))
        case MonthlyByWeekday(which, weekday, at):
            yield from _monthly(begin, way, at, lambda year, month: _weekday_of(year, month, which, weekday))


def _monthly(begin: datetime, way: int, at: time, day_of: Callable[[int, int], date | None]) -> Iterator[datetime]:
    months = begin.year * 12 + begin.month - 1
    while True:
        if day := day_of(months // 12, months % 12 + 1):
            yield datetime.combine(day, at)
        months += way


def _day_of(year: int, month: int, day: int | None) -> date | None:
    length = calendar.monthrange(year, month)[1]
    return date(year, month, day or length) if (day or 0) <= length else None


def _weekday_of(year: int, month: int, which: int, weekday: int) -> date:
    first, length = calendar.monthrange(year, month)
    days = range(1 + (weekday - first) % 7, length + 1, 7)
    return date(year, month, days[which - 1 if which > 0 else which])


def _wall(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)
