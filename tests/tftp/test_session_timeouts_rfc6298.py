"""What a transfer does while nothing comes: time-outs, probes, repetitions, and when it ends."""

from __future__ import annotations

import itertools

import pytest

from pxed.tftp.session import Outcome, Session

from .simulation import LIMITS, Simulation, acknowledge, agreed, session


def silence(one: Session) -> tuple[list[float], list[int]]:
    """The waits before a client that says nothing more is given up, and how much was repeated after each."""
    now, waits, counts = one.deadline - 0.2, [], []
    while one.outcome is None:
        waits.append(one.deadline - now)
        now = one.deadline
        counts.append(one.expire(now)[1])
    return waits, counts


def test_repetitions_come_ever_more_slowly_and_end() -> None:
    one = session(size=100_000)
    one.start(0.0)
    one.acknowledge(1, 0.0)
    waits, counts = silence(one)
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8, 8, 8, 8])
    assert counts == [1] * 9 + [0]
    assert one.outcome is Outcome.TIMED_OUT
    assert one.retransmitted == 9


def test_a_silence_costs_little_more_than_two_windows() -> None:
    """One block asks where the client is; if it does not say, it gets the window, then half as much each time."""
    one = session({"windowsize": 8}, size=100_000)
    one.start(0.0)
    assert one.acknowledge(0, 0.0) == (1, 8)
    _, counts = silence(one)
    assert counts[:9] == [1, 8, 1, 1, 4, 1, 1, 2, 1]
    assert sum(counts) < 2 * 8 + len(counts)
    three = session({"windowsize": 8}, size=100_000)
    three.start(0.0)
    three.acknowledge(0, 0.0)
    firsts = [three.expire(three.deadline)[0] for _ in range(5)]
    assert firsts == [8, 1, 1, 8, 1], "the last block, the window, what may be missing, and the last block again"
    two = session({"windowsize": 8}, size=100_000)
    two.start(0.0)
    two.acknowledge(0, 0.0)
    assert two.expire(two.deadline) == (8, 1)
    assert acknowledge(two, 8, two.deadline) == (9, 7), "the last block was lost, or the ACK; the next window follows"
    assert two.expire(two.deadline) == (16, 1)
    assert two.expire(two.deadline) == (16, 1)
    assert acknowledge(two, 12, two.deadline) == (13, 4), "the end of the window was lost; it goes on there"


def test_the_time_out_follows_the_measured_round_trip() -> None:
    """RFC 6298: generous at first, then what is measured; never longer than what the client asked for."""
    one = session({"timeout": 20}, size=1_000_000)
    one.start(0.0)
    one.acknowledge(0, 25.0)
    assert one.deadline == 45.0
    two = session({"timeout": 20}, size=1_000_000)
    two.start(0.0)
    assert two.deadline == LIMITS.timeout, "an address that has not answered is no reason to wait for minutes"
    now, waits = 0.0, []
    for block in range(300):
        now += 0.03
        two.acknowledge(block, now)
        waits.append(two.deadline - now)
        two.measure()
    assert waits[0] == pytest.approx(0.23)
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(waits))
    assert waits[-1] == pytest.approx(0.03 + 0.02)
    for block in range(300, 330):  # the link fills up
        now += 0.2
        two.acknowledge(block, now)
        two.measure()
    assert 0.2 <= two.deadline - now < 0.6


def test_the_end_of_a_window_is_asked_for_after_two_round_trips_and_then_after_the_time_out() -> None:
    """RFC 8985 section 7: one block is cheap, so it need not wait for a time-out that allows for everything."""
    one = session({"windowsize": 4}, size=1_000_000)
    one.start(0.0)
    one.acknowledge(0, 0.05)
    assert one.deadline == pytest.approx(0.05 + 2 * 0.05)
    assert one.expire(one.deadline) == (4, 1)
    assert one.deadline == pytest.approx(0.15 + 0.25), "the round trip and four times its variation, not doubled yet"
    assert one.expire(one.deadline) == (1, 4)
    assert one.deadline == pytest.approx(0.4 + 0.1), "it is asked again"


@pytest.mark.parametrize("window", [1, 4])
def test_a_client_that_repeats_its_own_acknowledgement_is_not_taken_for_far_away(window: int) -> None:
    """Its ACK of the options was lost, and it said it again after 0.9 s."""
    one = session({"windowsize": window}, size=1_000_000)
    one.start(0.0)
    one.acknowledge(0, 0.9)
    assert one.deadline - 0.9 > 0.9
    one.acknowledge(window, 0.901)
    assert one.deadline - 0.901 <= 0.002 + 4 * 0.05


@pytest.mark.parametrize("window", [2, 4, 16])
def test_a_way_that_becomes_long_is_not_flooded_with_probes(window: int) -> None:
    """The round trip grows from 1 ms to 200 ms while the queues fill up."""

    def fate() -> tuple[float, ...]:
        return (min(0.1, 0.0005 + simulation.now),)

    simulation = Simulation(agreed({"windowsize": window}), 4000 * 512 - 1, fate)
    run = simulation.complete()
    assert run.outcome is Outcome.COMPLETE
    assert run.sent.total() < 1.1 * 4001


def test_the_answer_to_a_repetition_measures_nothing() -> None:
    """Karn's rule: nobody knows which of the two it answers. The longer wait stays until one is measured."""
    one = session(size=1_000_000)
    one.start(0.0)
    one.acknowledge(1, 0.0)
    assert one.deadline == pytest.approx(0.2)
    assert one.expire(0.2) == (2, 1)
    one.acknowledge(2, 0.2001)
    assert one.deadline - 0.2001 == pytest.approx(0.4)
    one.acknowledge(3, 0.2002)
    assert one.deadline - 0.2002 == pytest.approx(0.15, abs=0.01)
