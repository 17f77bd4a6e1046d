"""Assignments as text: what people type, what the site keeps."""

from __future__ import annotations

import contextlib
from datetime import datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import UsageError
from pxed.site.assignments import (
    EXAMPLES,
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
    canonical,
    parse,
)

CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))
FIRST, LAST = datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2970-12-31")
MOMENTS = st.datetimes(FIRST, LAST).map(lambda at: at.replace(second=0, microsecond=0))
ASSIGNMENTS = st.one_of(
    st.builds(AsSoonAsPossible),
    st.builds(Once, MOMENTS),
    st.builds(Every, st.integers(1, 9999), st.sampled_from(Unit), MOMENTS),
    st.builds(Weekly, st.sets(st.sampled_from(Weekday), min_size=1).map(lambda days: tuple(sorted(days))), CLOCKS),
    st.builds(MonthlyByDate, st.none() | st.integers(1, 31), CLOCKS),
    st.builds(MonthlyByWeekday, st.sampled_from(Which), st.sampled_from(Weekday), CLOCKS),
)


@given(ASSIGNMENTS)
def test_text_and_object_are_the_same_thing(assignment: Assignment) -> None:
    assert parse(str(assignment)) == assignment


@given(ASSIGNMENTS, st.sampled_from([str.upper, str.title, str.lower]))
def test_case_and_spaces_do_not_matter(assignment: Assignment, write: type[str]) -> None:
    assert parse(f"  {write(str(assignment))} ".replace(" ", "  ")) == assignment


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_canonical(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("asap", "as soon as possible"),
        ("2026-12-24T8:30", "2026-12-24 08:30"),
        ("every day from 2026-12-24 18:30", "every day from 2026-12-24 18:30"),
        ("every 1 weeks from 2026-12-24 18:30", "every week from 2026-12-24 18:30"),
        ("weekly thursday, Mon at 18:30", "weekly mon,thu 18:30"),
        ("weekly on sun sun 0:05", "weekly sun 00:05"),
        ("monthly on last at 18:30", "monthly last 18:30"),
        ("monthly Last Friday 18:30", "monthly last fri 18:30"),
    ],
)
def test_what_people_type(typed: str, kept: str) -> None:
    assert canonical([typed, kept]) == (kept,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tomorrow", "is no assignment; right would be one like 'as soon as possible'"),
        ("", "is no assignment"),
        ("2026-12-24", "is no assignment"),
        ("2026-12-24 18:30Z", "is no assignment"),
        ("2026-02-30 18:30", "there is no day 2026-02-30"),
        ("2971-01-01 18:30", "the year 2971 is not between 1970 and 2970"),
        ("2026-12-24 24:30", "no clock shows 24:30"),
        ("every 0 days from 2026-12-24 18:30", "an interval of nothing"),
        ("every 3 months from 2026-12-24 18:30", "is no assignment"),
        ("weekly mon,day 18:30", "'day' is not a weekday"),
        ("monthly 0 18:30", "no month has a day 0"),
        ("monthly 32 18:30", "no month has a day 32"),
        ("monthly fifth tue 18:30", "'fifth' is not one of first, second, third, fourth, last"),
        ("monthly last day 18:30", "'day' is not a weekday such as tue"),
        ("weekly mon\x00 18:30", "is no assignment"),
    ],
)
def test_what_is_no_assignment(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_assignment_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse(str(parse(text))) == parse(text)


def test_there_is_an_end_to_them() -> None:
    with pytest.raises(UsageError, match="101 assignments are too many; 100 are possible"):
        canonical(["asap", *(f"monthly {day} {hour}:00" for day in range(1, 26) for hour in range(4))])
