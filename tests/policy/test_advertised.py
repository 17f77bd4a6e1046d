"""The rules `candidates` and `due`: schedules, reruns, and several advertisements at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pxed.policy.verdict import Abort, Boot, Verdict
from pxed.site.model import Advertisement, Evidence, Kind, Plan, PxeRecord, RecordState, Rerun, TaskSequence
from tests.policy.test_decide import NOW, PC1, advertisement, ask, known, plan, record

DAY = timedelta(days=1)
DAILY = "every day from 2026-05-01 11:00"
"""NOW is 2026-05-04 12:00"""
TODAY, YESTERDAY = NOW - timedelta(hours=1), NOW - timedelta(hours=25)


def daily(number: int, **changes: Any) -> Advertisement:
    return advertisement(number, assignments=(DAILY,), **({"start": NOW - 10 * DAY} | changes))


def ran(number: int, assigned_at: datetime, state: RecordState = RecordState.SUCCEEDED, tries: int = 1) -> PxeRecord:
    return replace(record(number, state, tries), id=number, assigned_at=assigned_at)


def verdict_of(*advertisements: Advertisement, records: tuple[PxeRecord, ...] = (), now: datetime = NOW) -> Verdict:
    return ask(Evidence(known(PC1, *records), ()), plan(*advertisements), now=now)


def booted(*advertisements: Advertisement, records: tuple[PxeRecord, ...] = (), now: datetime = NOW) -> int | None:
    """Which one boots without a question."""
    verdict = verdict_of(*advertisements, records=records, now=now)
    return verdict.choices[0].advertisement.id if isinstance(verdict, Boot) and verdict.mandatory else None


def found(verdict: Verdict, rule: str) -> str:
    return next(finding.text for finding in verdict.trail if finding.rule == rule)


def test_it_falls_due_at_its_assignment() -> None:
    one = advertisement(1, assignments=("2026-05-04 14:30",), zone="Europe/Vienna")
    assert booted(one, now=NOW + timedelta(minutes=29)) is None
    assert "'ad1' (falls due 2026-05-04 14:30 CEST)" in found(verdict_of(one), "candidates")
    at = verdict_of(one, now=NOW + timedelta(minutes=30))
    assert isinstance(at, Boot)
    assert at.choices[0].assigned_at == NOW + timedelta(minutes=30)
    assert at.reason == "'ad1' has not run yet; due since 2026-05-04 14:30 CEST"


def test_with_nothing_to_do_the_reason_says_what_was_passed_over() -> None:
    gone = advertisement(1, boot_image="gone")
    expected = (
        "nothing to do: no mandatory advertisement; passed over: 'ad1' (boot image 'gone' has no variant for x64 UEFI)"
    )
    assert verdict_of(gone).reason == expected
    later = [advertisement(number, start=NOW - number * DAY, pxe=False) for number in (2, 3)]
    assert verdict_of(*later, gone).reason == f"{expected} and 2 more"
    assert verdict_of().reason == "nothing to do: no mandatory advertisement"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"pxe": False}, "not for computers that boot from the network"),
        ({"zone": "Europe/Wien"}, "knows no time zone 'Europe/Wien'"),
        ({"assignments": ("someday",)}, "'someday' is no assignment"),
        ({"assignments": ("2020-01-01 12:00",)}, "never falls due"),
        ({"start": NOW + DAY, "zone": "Asia/Tokyo"}, "starts 2026-05-05 21:00 JST"),
        ({"start": NOW - DAY, "expires": NOW, "zone": "Europe/Vienna"}, "expired 2026-05-04 14:00 CEST"),
    ],
)
def test_why_it_is_passed_over(changes: dict[str, Any], why: str) -> None:
    verdict = verdict_of(advertisement(1, **changes))
    assert isinstance(verdict, Abort)
    assert f"'ad1' ({why}" in found(verdict, "candidates").replace("this machine ", "")


def test_a_disabled_task_sequence_is_given_to_nobody() -> None:
    off = TaskSequence(1, "install", "debian", "{}", enabled=False)
    site = replace(plan(advertisement(1), advertisement(2, Kind.OPTIONAL)), sequences={"install": off})
    verdict = ask(site=site)
    assert isinstance(verdict, Abort)
    assert found(verdict, "candidates").count("task sequence 'install' is disabled") == 2
    assert isinstance(ask(site=replace(site, sequences={"install": replace(off, enabled=True)})), Boot)


@pytest.mark.parametrize(
    ("rerun", "state", "again"),
    [
        (Rerun.NEVER, RecordState.SUCCEEDED, False),
        (Rerun.ALWAYS, RecordState.SUCCEEDED, True),
        (Rerun.IF_FAILED, RecordState.SUCCEEDED, False),
        (Rerun.IF_FAILED, RecordState.FAILED, True),
        (Rerun.IF_SUCCEEDED, RecordState.SUCCEEDED, True),
        (Rerun.IF_SUCCEEDED, RecordState.FAILED, False),
    ],
)
def test_a_new_assignment_and_the_rerun_behaviour(rerun: Rerun, state: RecordState, again: bool) -> None:
    one = daily(1, rerun=rerun)
    assert (booted(one, records=(ran(1, YESTERDAY, state),)) == 1) == again
    assert booted(one, records=(ran(1, TODAY, state),)) is None


def test_the_words_say_why_it_runs_again_or_not() -> None:
    before = (ran(1, YESTERDAY),)
    assert verdict_of(daily(1, rerun=Rerun.ALWAYS), records=before).reason == (
        "'ad1' ran for 2026-05-03 11:00 UTC (try 1: succeeded) and runs again: "
        "due since 2026-05-04 11:00 UTC, rerun = always"
    )
    assert verdict_of(daily(1), records=before).reason == (
        "nothing to do: 'ad1' has run (try 1: succeeded), and the assignment of 2026-05-04 11:00 UTC does not run it "
        "again (rerun = never); clear-last allows it again"
    )


def test_the_one_that_fell_due_last_goes_first() -> None:
    old_but_due_again, newer = daily(1), advertisement(2, start=NOW - timedelta(hours=2))
    assert booted(old_but_due_again, newer) == 1
    assert booted(old_but_due_again, replace(newer, start=NOW - timedelta(minutes=1))) == 2


def test_of_two_that_fell_due_together_the_one_made_later_goes_first() -> None:
    assert booted(daily(1), daily(2)) == booted(daily(2), daily(1)) == 2


def test_the_older_one_is_superseded_for_good() -> None:
    older, newer = advertisement(1, start=NOW - 2 * DAY), advertisement(2, start=NOW - DAY)
    assert booted(older, newer, records=(ran(2, NOW - DAY),)) is None
    assert booted(older, newer, records=(ran(2, NOW - DAY, RecordState.FAILED),)) is None


def test_an_assignment_that_does_not_run_it_again_supersedes_nothing() -> None:
    """The daily one ran three days ago and never again; what was advertised since has its turn."""
    ran_once = ran(1, TODAY - 3 * DAY)
    newer = advertisement(2, start=NOW - DAY)
    assert booted(daily(1), newer, records=(ran_once,)) == 2
    assert booted(daily(1), newer, records=(ran_once, ran(2, NOW - DAY))) is None
    assert booted(daily(1, rerun=Rerun.ALWAYS), newer, records=(ran_once,)) == 1


def test_optional_ones_are_a_menu_newest_first_whatever_order_they_come_in() -> None:
    three = [advertisement(number, Kind.OPTIONAL, start=NOW - number * DAY) for number in (1, 2, 3)]
    twin = advertisement(4, Kind.OPTIONAL, start=NOW - 2 * DAY)
    for order in ((*three, twin), (twin, *three[::-1])):
        verdict = verdict_of(*order)
        assert isinstance(verdict, Boot)
        assert [choice.advertisement.id for choice in verdict.choices] == [1, 4, 2, 3]


def test_a_clock_that_was_a_year_ahead_holds_nothing_up() -> None:
    """What ran then does not run again at every boot, and what is due now has its turn."""
    ahead = replace(ran(1, TODAY + 365 * DAY), changed_at=NOW + 365 * DAY)
    verdict = verdict_of(daily(1, rerun=Rerun.ALWAYS), records=(ahead,))
    assert isinstance(verdict, Abort)
    assert "recorded for a time to come (2027-05-04 12:00 UTC): was the clock set back?" in verdict.reason
    assert booted(daily(1), advertisement(2, start=NOW - timedelta(minutes=1)), records=(ahead,)) == 2


def test_a_clock_that_is_a_year_behind_runs_nothing() -> None:
    assert booted(daily(1), now=NOW - 365 * DAY) is None
    assert booted(daily(1, rerun=Rerun.ALWAYS), records=(ran(1, TODAY),), now=NOW - 365 * DAY) is None


def test_tries_go_on_for_the_newest_assignment() -> None:
    verdict = verdict_of(daily(1, rerun=Rerun.IF_FAILED), records=(ran(1, YESTERDAY, RecordState.LOADING, 2),))
    assert "try 2 ended as loading; try 3 of 3" in verdict.reason


def test_a_plan_without_the_sequence_itself_is_no_reason() -> None:
    assert isinstance(ask(site=Plan(1, (advertisement(1),), plan().boot_images)), Boot)
