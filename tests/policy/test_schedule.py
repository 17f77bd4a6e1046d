"""When assignments fall due, against a clock that is looked at every minute."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import UsageError
from pxed.policy.schedule import instant_of, last_due, next_due, timetable_of
from pxed.site.assignments import (
    Assignment,
    AsSoonAsPossible,
    Every,
    MonthlyByDate,
    MonthlyByWeekday,
    Once,
    Unit,
    Weekday,
    Weekly,
    Which,
    parse,
)
from pxed.site.model import Advertisement
from tests.policy.test_decide import NOW, advertisement

MINUTE = timedelta(minutes=1)
wall = datetime.fromisoformat
"""What a clock shows, from text."""
VIENNA = ZoneInfo("Europe/Vienna")
CHANGES = {
    "Europe/Vienna": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),  # by half an hour
    "America/Nuuk": ("2026-03-28", "2026-10-24"),  # over midnight
    "Asia/Kathmandu": ("2026-03-29",),
    "Pacific/Apia": ("2011-12-30",),  # a day that never was
}
WINDOWS = [(zone, change) for zone, changes in CHANGES.items() for change in changes]
DAYS = 5
"""before and after a change of the clocks"""


@functools.cache
def shown(zone: str, change: str) -> tuple[tuple[datetime, datetime], ...]:
    """(instant, what the clock on the wall shows), every minute."""
    begin = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(days=DAYS)
    instants = [begin + number * MINUTE for number in range(2 * DAYS * 24 * 60)]
    return tuple((instant, instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for instant in instants)


def is_on(assignment: Assignment, wall: datetime) -> bool:
    """By the calendar alone."""
    match assignment:
        case Once(at):
            return wall == at
        case Every(count, unit, first):
            days = count * (7 if unit is Unit.WEEK else 1)
            return wall >= first and wall.time() == first.time() and (wall - first).days % days == 0
        case Weekly(weekdays, at):
            return wall.time() == at and wall.weekday() in weekdays
        case _:
            raise AssertionError(assignment)


def brute_force(assignment: Assignment, zone: str, change: str) -> Iterator[datetime]:
    """The first minute at which the clock shows each time of the assignment or a later one."""
    minutes = shown(zone, change)
    wall = minutes[0][1] + MINUTE
    later = iter(minutes)
    instant, seen = next(later)
    while wall <= minutes[-1][1]:
        if is_on(assignment, wall):
            while seen < wall:
                instant, seen = next(later)
            yield instant
        wall += MINUTE


CLOCKS = st.builds(time, st.integers(0, 3) | st.sampled_from([12, 22, 23]), st.sampled_from([0, 15, 30, 59]))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Assignment, str, str]:
    zone, change = draw(st.sampled_from(WINDOWS))
    day = datetime.fromisoformat(change) + timedelta(days=draw(st.integers(-2, 2)))
    clock = draw(CLOCKS)
    near = datetime.combine(day, clock)
    among: list[Assignment] = [
        Once(near),
        Every(1, Unit.DAY, near - timedelta(days=30)),
        Every(2, Unit.DAY, near - timedelta(days=3)),
        Every(1, Unit.WEEK, near - timedelta(weeks=100)),
        Weekly(tuple(sorted({Weekday(near.weekday()), Weekday.SUN})), clock),
    ]
    return draw(st.sampled_from(among)), zone, change


@given(cases())
def test_every_minute_over_a_change_of_the_clocks(case: tuple[Assignment, str, str]) -> None:
    assignment, zone, change = case
    minutes = shown(zone, change)
    inner = minutes[0][0] + timedelta(days=1), minutes[-1][0] - timedelta(days=1)
    expected = [instant for instant in brute_force(*case) if inner[0] <= instant <= inner[1]]
    found: list[datetime] = []
    instant = inner[0] - MINUTE
    while (upcoming := next_due(assignment, ZoneInfo(zone), inner[0], None, instant)) and upcoming <= inner[1]:
        found.append(upcoming)
        assert last_due(assignment, ZoneInfo(zone), inner[0], None, upcoming) == upcoming
        before = last_due(assignment, ZoneInfo(zone), inner[0], None, upcoming - MINUTE)
        assert before == (found[-2] if len(found) > 1 else None)
        instant = upcoming
    assert found == list(dict.fromkeys(expected))


def days(text: str, begin: str, number: int, zone: str = "UTC") -> list[str]:
    """The first few times on the wall at which an assignment falls due."""
    found: list[str] = []
    instant = datetime.fromisoformat(begin).replace(tzinfo=UTC) - MINUTE
    while len(found) < number and (upcoming := next_due(parse(text), ZoneInfo(zone), instant, None, instant)):
        found.append(f"{upcoming.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}")
        assert last_due(parse(text), ZoneInfo(zone), instant, None, upcoming) == upcoming
        instant = upcoming
    return found


def dates(text: str, begin: str, number: int) -> list[str]:
    return [day[5:10] for day in days(text, begin, number)]


def test_a_month_without_that_day_is_left_out() -> None:
    assert dates("monthly 31 18:30", "2026-01-01", 4) == ["01-31", "03-31", "05-31", "07-31"]
    assert dates("monthly 29 18:30", "2027-12-30", 4) == ["01-29", "02-29", "03-29", "04-29"]
    assert dates("monthly 15 18:30", "2026-11-16", 3) == ["12-15", "01-15", "02-15"]


def test_the_last_day_of_a_month_is_in_every_month() -> None:
    assert dates("monthly last 18:30", "2028-01-01", 4) == ["01-31", "02-29", "03-31", "04-30"]


def test_a_weekday_of_a_month() -> None:
    assert dates("monthly first mon 18:30", "2026-05-01", 3) == ["05-04", "06-01", "07-06"]
    assert dates("monthly fourth thu 18:30", "2026-01-01", 3) == ["01-22", "02-26", "03-26"]
    assert dates("monthly last thu 18:30", "2026-01-01", 3) == ["01-29", "02-26", "03-26"]


@given(
    st.sampled_from(Which),
    st.sampled_from(Weekday),
    st.none() | st.integers(1, 31),
    st.datetimes(wall("1971-01-01"), wall("2900-01-01")),
)
def test_months_by_the_calendar(which: Which, weekday: Weekday, day: int | None, begin: datetime) -> None:
    start = begin.replace(tzinfo=UTC)
    found = next_due(MonthlyByWeekday(which, weekday, time(12)), UTC, start, None, start)
    assert found is not None
    assert found.weekday() == weekday
    assert (found.day - 1) // 7 + 1 == which or (which is Which.LAST and (found + timedelta(weeks=1)).day <= 7)
    assert timedelta(0) < found - start <= timedelta(days=35)
    by_date = next_due(MonthlyByDate(day, time(12)), UTC, start, None, start)
    assert by_date is not None
    assert by_date.day == day if day else (by_date + timedelta(days=1)).day == 1
    assert timedelta(0) < by_date - start <= timedelta(days=62)


def test_an_hour_that_the_clocks_leave_out() -> None:
    assert instant_of(wall("2026-03-29 02:30"), VIENNA) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert days("2026-03-29 02:30", "2026-03-01", 2, "Europe/Vienna") == ["2026-03-29 03:00 CEST"]
    assert days("weekly sun 2:30", "2026-03-22", 3, "Europe/Vienna") == [
        "2026-03-22 02:30 CET",
        "2026-03-29 03:00 CEST",
        "2026-04-05 02:30 CEST",
    ]


def test_an_hour_that_the_clocks_show_twice() -> None:
    assert instant_of(wall("2026-10-25 02:30"), VIENNA) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert days("2026-10-25 02:30", "2026-10-01", 2, "Europe/Vienna") == ["2026-10-25 02:30 CEST"]


def test_days_are_counted_on_the_wall_and_hours_as_time_passes() -> None:
    assert days("every 1 day from 2026-03-28 18:30", "2026-03-28", 2, "Europe/Vienna") == [
        "2026-03-28 18:30 CET",
        "2026-03-29 18:30 CEST",
    ]
    assert days("every 24 hours from 2026-03-28 18:30", "2026-03-28", 2, "Europe/Vienna") == [
        "2026-03-28 18:30 CET",
        "2026-03-29 19:30 CEST",
    ]
    assert days("every 90 minutes from 2026-10-25 01:00", "2026-10-24", 3, "Europe/Vienna") == [
        "2026-10-25 01:00 CEST",
        "2026-10-25 02:30 CEST",
        "2026-10-25 03:00 CET",
    ]


START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_as_soon_as_possible_is_the_start() -> None:
    asap = AsSoonAsPossible()
    assert next_due(asap, UTC, START, None, START - HOUR) == START
    assert next_due(asap, UTC, START, None, START) is None
    assert [last_due(asap, UTC, START, None, START + HOUR * each) for each in (-1, 0, 9)] == [None, START, START]


def test_nothing_falls_due_outside_of_the_advertisement() -> None:
    daily = parse("every day from 2020-01-01 13:00")
    end = START + timedelta(days=2)
    due = [START + HOUR, START + HOUR + timedelta(days=1)]
    assert next_due(daily, UTC, START, end, START - timedelta(days=100)) == due[0]
    assert next_due(daily, UTC, START, end, due[0]) == due[1]
    assert next_due(daily, UTC, START, due[1], due[0]) is None  # expiry itself is outside
    assert last_due(daily, UTC, START, end, START) is None
    assert last_due(daily, UTC, START, end, end + timedelta(days=100)) == due[1]
    assert last_due(daily, UTC, START, due[1], end) == due[0]
    assert next_due(Once(wall("2026-05-04 11:00")), UTC, START, None, START - HOUR * 9) is None


@pytest.mark.parametrize("year", [1, 1969, 3000, 9999])
def test_clocks_that_are_far_off(year: int) -> None:
    off = datetime(year, 6, 1, tzinfo=UTC)
    for text in ("asap", "monthly 31 18:30", "weekly mon 18:30", "every 3 hours from 2026-05-04 18:30"):
        due = last_due(parse(text), UTC, START, None, off)
        assert due is None
        upcoming = next_due(parse(text), UTC, START, None, off)
        assert (upcoming is None) == (year > 2026)


TABLES = st.builds(
    lambda texts, zone, hours: advertisement(
        1, assignments=tuple(texts), zone=zone, start=NOW, expires=hours and NOW + timedelta(hours=hours)
    ),
    st.lists(
        st.sampled_from(["asap", "2026-05-04 18:30", "weekly mon,sat 2:30", "every 5 hours from 2026-05-01 3:00"]),
        max_size=3,
    ),
    st.sampled_from(["UTC", "Europe/Vienna"]),
    st.none() | st.integers(1, 300),
)


@given(TABLES, st.lists(st.integers(-300, 300).map(lambda hours: NOW + timedelta(hours=hours)), max_size=6))
def test_an_advertisement_falls_due_with_any_of_its_assignments(table: Advertisement, asked: list[datetime]) -> None:
    """In whatever order it is asked: a clock may be set back."""
    one = timetable_of(table)
    terms = ZoneInfo(table.zone), table.start, table.expires
    for now in asked:
        last = [last_due(parse(text), *terms, now) for text in table.assignments or ("asap",)]
        assert one.last_due(now) == max(filter(None, last), default=None)
        upcoming = [next_due(parse(text), *terms, now) for text in table.assignments or ("asap",)]
        assert one.next_due(now) == min(filter(None, upcoming), default=None)


def test_a_zone_that_this_machine_does_not_know() -> None:
    with pytest.raises(UsageError, match="knows no time zone 'Europe/Wien'; right would be UTC or"):
        timetable_of(advertisement(1, zone="Europe/Wien"))
