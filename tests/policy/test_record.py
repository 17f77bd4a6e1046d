"""The PXE record: exactly once, with bounded tries, whatever arrives in whatever order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.policy.facts import Stage
from pxed.policy.record import BOOT_WINDOW, REPEAT_WINDOW, advance, claim, is_anothers, is_spent, is_under_way, offer
from pxed.site.model import PxeRecord, RecordState

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
BOOT = "11111111-2222-3333-4444-555555555555"
ORDER = list(RecordState)


def fresh() -> PxeRecord:
    return offer(None, "1", 9, Stage.FIRMWARE, NOW)


def test_the_first_offer_begins_try_1() -> None:
    assert fresh() == PxeRecord(0, "1", 9, RecordState.OFFERED, 1, NOW, NOW, "", "")


def test_a_repeated_discover_is_the_same_try_and_a_later_one_is_not() -> None:
    record = fresh()
    soon = NOW + REPEAT_WINDOW - timedelta(seconds=1)
    assert offer(record, "1", 9, Stage.FIRMWARE, soon) is record
    assert offer(record, "1", 9, Stage.FIRMWARE, NOW + REPEAT_WINDOW).tries == 2


def test_a_firmware_discover_after_the_script_is_a_new_boot() -> None:
    loading = advance(fresh(), RecordState.LOADING, 1, NOW)
    assert loading is not None
    again = offer(loading, "1", 9, Stage.FIRMWARE, NOW + timedelta(seconds=30))
    assert (again.tries, again.state) == (2, RecordState.OFFERED)


def test_a_network_card_with_ipxe_begins_a_new_boot_with_its_discover() -> None:
    loading = advance(fresh(), RecordState.LOADING, 1, NOW)
    assert loading is not None
    assert offer(loading, "1", 9, Stage.LOADER, NOW + timedelta(seconds=30)).tries == 2
    assert offer(loading, "1", 9, Stage.SCRIPT, NOW + timedelta(seconds=30)) is loading


def test_a_clock_that_jumped_back_does_not_keep_a_try_open() -> None:
    assert not is_under_way(fresh(), Stage.SCRIPT, NOW - timedelta(days=365))
    assert not is_under_way(fresh(), Stage.SCRIPT, NOW + BOOT_WINDOW)


def test_the_agent_binds_the_try_to_its_boot() -> None:
    running = advance(fresh(), RecordState.RUNNING, 1, NOW, agent_boot=BOOT)
    assert running is not None
    assert advance(running, RecordState.SUCCEEDED, 1, NOW, agent_boot="another-boot-id") is None
    done = advance(running, RecordState.SUCCEEDED, 1, NOW, agent_boot=BOOT, message="all steps")
    assert done is not None
    assert (done.state, done.message) == (RecordState.SUCCEEDED, "all steps")


def test_an_end_without_a_beginning_changes_nothing() -> None:
    assert advance(fresh(), RecordState.SUCCEEDED, 1, NOW, agent_boot=BOOT) is None


@pytest.mark.parametrize("final", [RecordState.SUCCEEDED, RecordState.FAILED])
def test_nothing_follows_the_end(final: RecordState) -> None:
    running = advance(fresh(), RecordState.RUNNING, 1, NOW, agent_boot=BOOT)
    assert running is not None
    done = advance(running, final, 1, NOW, agent_boot=BOOT)
    assert done is not None
    assert all(advance(done, state, 1, NOW, agent_boot=BOOT) is None for state in RecordState)


def test_a_run_for_a_later_assignment_is_another_record() -> None:
    done = replace(fresh(), id=7, state=RecordState.SUCCEEDED, tries=3, agent_boot=BOOT)
    later = NOW + timedelta(days=7)
    again = offer(done, "1", 9, Stage.FIRMWARE, later, assigned_at=later, point="north", anew=True)
    assert again == PxeRecord(0, "1", 9, RecordState.OFFERED, 1, later, later, "", "", later, "north")


def test_a_run_under_way_is_not_begun_anew_in_the_middle_of_a_boot() -> None:
    record = fresh()
    assert offer(record, "1", 9, Stage.SCRIPT, NOW + timedelta(minutes=1), assigned_at=NOW, anew=True) is record


class TestTwoServicePoints:
    """The table of `policy/record.py`, line by line; the try was offered by `north`, and `south` is asked."""

    OFFERED = replace(fresh(), point="north")

    def loading(self) -> PxeRecord:
        claimed = claim(self.OFFERED, NOW, "north")
        assert claimed is not None
        return claimed

    @pytest.mark.parametrize("stage", [Stage.FIRMWARE, Stage.LOADER])
    def test_a_broadcast_is_left_to_the_one_that_offered_until_it_may_be_dead(self, stage: Stage) -> None:
        soon, late = NOW + REPEAT_WINDOW - timedelta(seconds=1), NOW + REPEAT_WINDOW
        assert is_anothers(self.OFFERED, stage, soon, "south")
        assert not is_anothers(self.OFFERED, stage, late, "south")
        assert not is_anothers(self.OFFERED, stage, soon, "north")
        assert offer(self.OFFERED, "1", 9, stage, soon, point="south") is self.OFFERED

    @pytest.mark.parametrize("stage", [Stage.REQUEST, Stage.SCRIPT])
    def test_the_one_that_is_asked_takes_over_what_was_only_offered(self, stage: Stage) -> None:
        assert not is_anothers(self.OFFERED, stage, NOW, "south")
        taken = offer(self.OFFERED, "1", 9, stage, NOW, point="south")
        assert taken == replace(self.OFFERED, point="south")
        claimed = claim(taken, NOW, "south")
        assert claimed is not None
        assert claimed.state is RecordState.LOADING
        assert claim(claimed, NOW, "north") is None

    def test_whoever_has_claimed_it_has_it(self) -> None:
        assert is_anothers(self.loading(), Stage.SCRIPT, NOW, "south")
        assert not is_anothers(self.loading(), Stage.SCRIPT, NOW, "north")
        assert offer(self.loading(), "1", 9, Stage.SCRIPT, NOW, point="south") == self.loading()
        assert claim(self.loading(), NOW, "south") is None
        assert claim(self.loading(), NOW, "north") == self.loading()

    @pytest.mark.parametrize("stage", [Stage.FIRMWARE, Stage.LOADER])
    def test_a_new_boot_is_anybodys(self, stage: Stage) -> None:
        assert not is_anothers(self.loading(), stage, NOW, "south")
        again = offer(self.loading(), "1", 9, stage, NOW, point="south")
        assert (again.tries, again.state, again.point) == (2, RecordState.OFFERED, "south")

    def test_a_record_without_a_point_is_nobodys(self) -> None:
        assert not is_anothers(fresh(), Stage.FIRMWARE, NOW, "south")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*RecordState, "boot"]), st.integers(0, 3), st.sampled_from(["", BOOT, "other-boot"])
        ),
        max_size=40,
    ),
    st.sampled_from([RecordState.OFFERED, RecordState.BOOTING, RecordState.SUCCEEDED]),
    st.integers(1, 3),
)
def test_messages_in_any_order_never_go_back_and_never_exceed_the_tries(
    messages: list[tuple[RecordState | str, int, str]], consume: RecordState, attempts: int
) -> None:
    """A stream of boots and of reports, of any try, late, double or foreign: states of a try only rise, spent stays
    spent until a new try, and there are never more tries than allowed."""
    record = fresh()
    seen = [record]
    now = NOW
    for state, try_number, boot in messages:
        now += timedelta(minutes=11)
        if isinstance(state, RecordState):
            after = advance(record, state, try_number, now, agent_boot=boot)
        elif is_spent(record, consume, attempts):
            continue
        else:
            after = offer(record, "1", 9, Stage.FIRMWARE, now)
        if after is not None:
            record = after
            seen.append(record)
    assert record.tries <= attempts
    for before, after in pairwise(seen):
        if after.tries == before.tries:
            assert ORDER.index(after.state) > ORDER.index(before.state)
            assert before.agent_boot in {"", after.agent_boot}
        else:
            assert after.tries == before.tries + 1
            assert not is_spent(before, consume, attempts)
