"""The transfer state machine against a simulated client and network: windows, and what is lost of them."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxed.tftp.session import NOTHING, Outcome

from .simulation import LOST, OK, Fate, Simulation, acknowledge, agreed, session


@pytest.mark.parametrize("window", [None, 1, 2, 3, 4, 16, 64])
@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 5_120, 40_000])
def test_every_size_goes_through_every_window(window: int | None, size: int) -> None:
    run = Simulation(agreed({"windowsize": window} if window else None), size).complete()
    assert run.outcome is Outcome.COMPLETE
    assert run.received == list(range(1, size // 512 + 2))
    assert set(run.sent.values()) == {1}


@pytest.mark.parametrize(("block_size", "megabytes"), [(512, 40), (1468, 150)])
@pytest.mark.parametrize("window", [1, 7, 64])
def test_block_numbers_roll_over_to_zero(block_size: int, megabytes: int, window: int) -> None:
    size = megabytes * 1_000_000
    run = Simulation(agreed({"blksize": block_size, "windowsize": window}), size).complete()
    assert run.outcome is Outcome.COMPLETE
    assert len(run.received) == size // block_size + 1 > 65_536
    assert run.sent.total() == len(run.received) + 1


@given(st.data())
@settings(max_examples=300)
def test_a_bad_network_costs_time_and_a_bounded_number_of_repetitions(data: st.DataObject) -> None:
    window = data.draw(st.integers(1, 20), "window")
    blocks = data.draw(st.integers(1, 60), "blocks")
    with_options = data.draw(st.booleans(), "with options") or window > 1
    fates = data.draw(
        st.lists(st.sampled_from([OK, OK, OK, OK, LOST, (0.001, 0.001), (0.001, 0.3), (0.05,), (1.5,)]), max_size=200),
        "fates",
    )
    remaining = iter(fates)
    fate: Fate = lambda: next(remaining, OK)  # noqa: E731
    terms = agreed({"blksize": 512, "windowsize": window} if with_options else None)
    run = Simulation(terms, blocks * 512 - 1, fate, retries=100).complete()
    if run.outcome is Outcome.TIMED_OUT:
        assert run.sent == {0 if with_options else 1: 3}, "only a client that was never heard is given up"
        return
    assert run.finished
    assert run.received == list(range(1, blocks + 1))
    disturbances = sum(fate != OK for fate in fates)
    assert run.sent.total() <= blocks + 1 + 3 * window * (disturbances + 1)


def test_duplicated_acknowledgements_send_nothing_twice() -> None:
    """The Sorcerer's Apprentice, RFC 1123 section 4.2.3.1: once doubled, always doubled."""
    for options in (None, {"blksize": 512}, {"windowsize": 8}):
        run = Simulation(agreed(options), 200_000, lambda: (0.001, 0.0012)).complete()
        assert run.outcome is Outcome.COMPLETE
        assert set(run.sent.values()) == {1}


@given(st.data())
@settings(max_examples=200)
def test_what_is_sent_while_all_goes_well_is_what_the_rules_say(data: st.DataObject) -> None:
    """The short way through `acknowledge` and the long one, which `measure` enforces, do the same."""
    window = data.draw(st.integers(1, 9), "window")
    blocks = data.draw(st.integers(1, 400), "blocks")
    one, two = (session({"windowsize": window}, size=blocks * 512 - 1) for _ in range(2))
    assert one.start(0.0) == two.start(0.0)
    acked, now = 0, 0.0
    odd = st.integers(0, 0xFFFF)
    for _ in range(2 * blocks):
        now += 0.001
        two.measure()
        block = data.draw(odd) if data.draw(st.integers(0, 30)) == 7 else acked
        assert one.acknowledge(block & 0xFFFF, now) == two.acknowledge(block & 0xFFFF, now)
        assert (one.acked, one.sent, one.outcome) == (two.acked, two.sent, two.outcome)
        acked = one.sent
        if one.outcome is not None:
            break


def test_a_lost_first_block_of_a_window_is_repeated_after_two_round_trips() -> None:
    """The client can only repeat the acknowledgement that it sent already; waiting for the time-out would cost 1 s."""
    fates = iter([OK, OK, *[OK] * 4, OK, LOST])  # OACK, ACK 0, blocks 1 to 4, ACK 4, block 5
    run = Simulation(agreed({"windowsize": 4}), 20_000, lambda: next(fates, OK)).complete()
    assert run.outcome is Outcome.COMPLETE
    assert run.sent[5] == 2
    assert run.sent.total() == 40 + 1 + 4
    assert run.seconds < 1.0


def test_an_acknowledgement_inside_the_window_starts_a_new_one_there() -> None:
    one = session({"windowsize": 8})
    assert one.start(0.0) == (0, 1)
    assert one.acknowledge(0, 0.1) == (1, 8)
    assert acknowledge(one, 3, 0.2) == (4, 4)
    assert one.expire(one.deadline) == (8, 4)
    assert one.retransmitted == 5
    assert acknowledge(one, 11, 0.3) == (12, 4)
    assert one.expire(one.deadline) == (16, 4)
    assert acknowledge(one, 19, 0.4) == (20, 1)
    assert one.acknowledge(20, 0.5) == NOTHING
    assert one.outcome is Outcome.COMPLETE


def test_an_acknowledgement_of_a_duplicate_does_not_start_the_window_again() -> None:
    """Clients answer a block that they have with an ACK, and what follows it is under way."""
    one = session({"windowsize": 4})
    one.start(0.0)
    assert one.acknowledge(0, 0.1) == (1, 4)
    assert one.expire(one.deadline) == (4, 1)
    assert one.expire(one.deadline) == (1, 4)
    assert one.acknowledge(1, 2.0) == NOTHING, "of the second block 1, perhaps; blocks 2 to 4 follow it"
    assert one.acknowledge(4, 2.1) == (5, 4)
    assert acknowledge(one, 6, 2.2) == (7, 2), "this one is new: the client misses block 7"
    assert one.retransmitted == 1 + 4 + 2


def test_if_it_was_no_duplicate_the_client_is_asked_and_then_gets_the_window_again() -> None:
    one = session({"windowsize": 4})
    one.start(0.0)
    assert one.acknowledge(0, 0.1) == (1, 4)
    one.expire(one.deadline)
    one.expire(one.deadline)
    one.acknowledge(1, 2.0)
    assert one.deadline == pytest.approx(2.4), "two round trips, twice, since the probe was in vain"
    assert one.acknowledge(1, 2.1) == NOTHING
    assert one.expire(2.4) == (4, 1)
    assert one.deadline == pytest.approx(3.2)
    assert one.acknowledge(1, 2.5) == NOTHING
    assert one.expire(3.2) == (2, 2)
    assert one.expire(one.deadline) == (4, 1)


def test_a_probe_that_is_answered_by_a_known_acknowledgement_shows_that_the_window_was_lost() -> None:
    one = session({"windowsize": 4})
    one.start(0.0)
    assert one.acknowledge(0, 0.1) == (1, 4)
    assert one.acknowledge(4, 0.2) == (5, 4)
    assert one.expire(one.deadline) == (8, 1)
    now = one.deadline - 0.001
    assert one.acknowledge(4, now) == NOTHING
    assert one.expire(now) == (5, 4)
    assert one.acknowledge(4, now) == NOTHING, "once"
    assert one.deadline > now


def test_the_answer_to_an_old_probe_says_nothing_of_a_later_one() -> None:
    one = session({"windowsize": 4})
    one.start(0.0)
    assert one.acknowledge(0, 0.1) == (1, 4)
    assert one.expire(one.deadline) == (4, 1)
    assert acknowledge(one, 4, 0.4) == (5, 3)
    assert one.expire(one.deadline) == (8, 1)
    assert one.expire(one.deadline) == (8, 1)
    before = one.deadline
    assert one.acknowledge(4, before - 0.01) == NOTHING
    assert one.deadline == before


def test_a_loss_between_two_bursts_stops_those_that_would_be_dropped() -> None:
    one = session({"windowsize": 16}, size=1_000_000)
    one.start(0.0)
    assert one.acknowledge(0, 0.001) == (1, 16)
    assert acknowledge(one, 3, 0.002) == (4, 8)
    assert one.expire(0.003) == (12, 8)
    assert acknowledge(one, 19, 0.005) == (20, 8)
    assert one.acknowledge(19, 0.0051) == NOTHING, "sooner than an answer to that burst can be"
    assert one.expire(0.006) == (28, 8)
    assert acknowledge(one, 35, 0.007) == (36, 8)
    assert acknowledge(one, 35, 0.009) == (36, 8), "the first block was lost"
    assert one.acknowledge(35, 0.0101) == NOTHING, "once a window"


@pytest.mark.parametrize("window", [1, 4, 16])
def test_loss_costs_round_trips_and_no_seconds(window: int) -> None:
    """5 % each way in a network of 1 ms: the clock of the simulation, not ours."""
    dice = random.Random(window)  # noqa: S311
    fate: Fate = lambda: LOST if dice.random() < 0.05 else OK  # noqa: E731
    runs = [Simulation(agreed({"windowsize": window}), 200 * 512, fate, retries=100).complete() for _ in range(21)]
    assert all(run.received == list(range(1, 202)) for run in runs)
    assert statistics.median(run.seconds for run in runs) < 1.5
    assert statistics.median(run.sent.total() for run in runs) < 201 * (1.14 + 0.015 * window)


@pytest.mark.parametrize("window", [2, 4, 16])
@pytest.mark.parametrize("lost", range(2, 12))
def test_one_lost_packet_costs_about_one_window(window: int, lost: int) -> None:
    fates = iter([*[OK] * lost, LOST])
    run = Simulation(agreed({"windowsize": window}), 400 * 512 - 1, lambda: next(fates, OK)).complete()
    assert run.outcome is Outcome.COMPLETE
    assert run.sent.total() <= 401 + 2 * window


def test_late_acknowledgements_and_those_of_the_future_are_ignored() -> None:
    one = session()
    one.start(0.0)
    assert one.acknowledge(1, 0.1) == (2, 1)
    assert one.acknowledge(2, 0.2) == (3, 1)
    before = one.deadline
    for block in (0, 1, 2, 4, 5, 40_000, 65_535):
        assert one.acknowledge(block, 0.3) == NOTHING
    assert (one.acked, one.deadline, one.outcome) == (2, before, None)


def test_nothing_but_one_small_packet_a_try_goes_to_an_address_that_never_answered() -> None:
    """Amplification: a forged request with the largest window gets three OACKs and no data."""
    silent = Simulation(agreed({"windowsize": 64, "timeout": 255}), 100_000, lambda: LOST).complete()
    assert silent.outcome is Outcome.TIMED_OUT
    assert silent.sent == {0: 3}
    assert silent.seconds < 10
    assert Simulation(agreed(), 100_000, lambda: LOST).complete().sent == {1: 3}


def test_a_repeated_request_repeats_the_first_packet_until_the_client_has_it() -> None:
    one = session({"blksize": 1024})
    one.start(0.0)
    assert one.repeat_request() == (0, 1)
    one.acknowledge(0, 0.1)
    assert one.repeat_request() == NOTHING
    two = session()
    two.start(0.0)
    assert two.repeat_request() == (1, 1)


def test_a_size_probe_ends_with_an_error_and_is_none() -> None:
    """EDK2 (PxeBcMtftp.c) sends ERROR 8 after the OACK, boot ROMs ERROR 0."""
    for code in (8, 0):
        one = session({"tsize": 0, "blksize": 1468})
        one.start(0.0)
        one.fail(code, "User aborted the transfer")
        assert one.outcome is Outcome.SIZE_PROBE
    later = session({"tsize": 0})
    later.start(0.0)
    later.acknowledge(0, 0.1)
    later.fail(0, "TFTP Aborted")
    assert later.outcome is Outcome.ABORTED
    assert later.reason == "error 0: TFTP Aborted"


def test_a_lost_last_acknowledgement_is_a_quiet_end() -> None:
    one = session(size=100)
    one.start(0.0)
    one.fail(5, "Unknown transfer ID")
    assert one.outcome is Outcome.ABORTED, "nobody has answered yet"
    for ending in ("silence", "error"):
        one = session({"tsize": 0}, size=100)
        one.start(0.0)
        assert one.acknowledge(0, 0.0) == (1, 1)
        if ending == "error":
            one.fail(5, "")
        while one.outcome is None:
            one.expire(one.deadline)
        assert one.outcome is Outcome.UNCONFIRMED
