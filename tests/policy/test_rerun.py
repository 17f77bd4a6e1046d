"""Whether a computer gets a mandatory advertisement again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.policy.facts import Stage
from pxed.policy.record import REPEAT_WINDOW, offer
from pxed.policy.rerun import Run, run_of
from pxed.site.model import EPOCH, PxeRecord, RecordState, Rerun
from tests.policy.test_decide import NOW, record

WEEK = timedelta(weeks=1)
THIS_WEEK, LAST_WEEK = NOW - timedelta(hours=1), NOW - timedelta(hours=1) - WEEK
BOOTING = RecordState.BOOTING


def then(state: RecordState, tries: int = 1) -> PxeRecord:
    """A record of last week's assignment."""
    return replace(record(1, state, tries, age=WEEK), assigned_at=LAST_WEEK)


def run(before: PxeRecord | None, rerun: Rerun, stage: Stage = Stage.FIRMWARE) -> Run:
    return run_of(before, rerun, THIS_WEEK, stage, NOW, BOOTING, 3)


@pytest.mark.parametrize("rerun", Rerun)
def test_the_first_run(rerun: Rerun) -> None:
    assert run(None, rerun) is Run.FIRST


@pytest.mark.parametrize(
    ("state", "tries", "never", "always", "if_failed", "if_succeeded"),
    [
        (RecordState.OFFERED, 1, Run.NEXT_TRY, Run.ANEW, Run.NEXT_TRY, Run.NEXT_TRY),
        (RecordState.LOADING, 2, Run.NEXT_TRY, Run.ANEW, Run.NEXT_TRY, Run.NEXT_TRY),
        (RecordState.LOADING, 3, Run.SPENT, Run.ANEW, Run.ANEW, Run.SPENT),
        (RecordState.BOOTING, 1, Run.SPENT, Run.ANEW, Run.ANEW, Run.SPENT),
        (RecordState.RUNNING, 1, Run.SPENT, Run.ANEW, Run.ANEW, Run.SPENT),
        (RecordState.FAILED, 1, Run.SPENT, Run.ANEW, Run.ANEW, Run.SPENT),
        (RecordState.SUCCEEDED, 1, Run.SPENT, Run.ANEW, Run.SPENT, Run.ANEW),
    ],
)
def test_a_later_assignment(
    state: RecordState, tries: int, never: Run, always: Run, if_failed: Run, if_succeeded: Run
) -> None:
    before = then(state, tries)
    assert [run(before, rerun) for rerun in Rerun] == [never, always, if_failed, if_succeeded]


@pytest.mark.parametrize(("state", "rerun"), list(product(RecordState, Rerun)))
def test_the_same_assignment_or_an_earlier_one_begins_nothing(state: RecordState, rerun: Rerun) -> None:
    for assigned_at in (THIS_WEEK, THIS_WEEK + WEEK):  # the second: the clock was set back since
        before = replace(then(state), assigned_at=assigned_at)
        assert run(before, rerun) is run(before, Rerun.NEVER)


@pytest.mark.parametrize("stage", Stage)
def test_a_boot_that_is_under_way_goes_on(stage: Stage) -> None:
    before = replace(then(RecordState.OFFERED, 3), offered_at=NOW - REPEAT_WINDOW / 2)
    assert run(before, Rerun.ALWAYS, stage) is Run.UNDER_WAY


def test_a_record_from_before_assignments_were_kept_is_for_the_one_before_it() -> None:
    """Nobody is installed again because the behaviour of an old advertisement is changed."""
    before = replace(then(RecordState.SUCCEEDED), assigned_at=EPOCH, offered_at=THIS_WEEK + timedelta(minutes=1))
    assert run(before, Rerun.ALWAYS) is Run.SPENT


@given(
    st.sampled_from(RecordState),
    st.integers(1, 4),
    st.sampled_from(Rerun),
    st.sampled_from([RecordState.OFFERED, RecordState.BOOTING, RecordState.SUCCEEDED]),
)
def test_what_was_begun_for_an_assignment_is_never_begun_anew_for_it(
    state: RecordState, tries: int, rerun: Rerun, consume: RecordState
) -> None:
    """Through whatever the try comes to."""
    before = then(state, tries)
    found = run_of(before, rerun, THIS_WEEK, Stage.FIRMWARE, NOW, consume, 3)
    if found in {Run.ANEW, Run.NEXT_TRY}:
        begun = offer(before, "1", 1, Stage.FIRMWARE, NOW, assigned_at=THIS_WEEK, point="", anew=found is Run.ANEW)
        assert begun.assigned_at == THIS_WEEK
        assert begun.tries == (1 if found is Run.ANEW else tries + 1)
        for end in RecordState:
            ended = replace(begun, state=end)
            again = run_of(ended, rerun, THIS_WEEK, Stage.FIRMWARE, NOW + timedelta(days=1), consume, 3)
            assert again is not Run.ANEW
