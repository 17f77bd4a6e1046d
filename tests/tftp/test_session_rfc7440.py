"""The transfer state machine against a simulated client and network."""

from __future__ import annotations

import itertools
import random
import statistics
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxed.tftp.session import NOTHING, Outcome, Session

from .simulation import LIMITS, Fate, Run, Simulation, agreed

OK = (0.001,)
LOST: tuple[float, ...] = ()


def session(options: dict[str, int] | None = None, size: int = 10_000) -> Session:
    return Session(agreed(options), size, retries=6, unproven_timeout=LIMITS.timeout)


def acknowledge(one: Session, block: int, now: float) -> tuple[int, int]:
    """What is sent at once, be it by the timer that this sets off."""
    blocks = one.acknowledge(block, now)
    return one.expire(now) if blocks == NOTHING and one.deadline == now else blocks


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
@settings(deadline=None, max_examples=300)
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
@settings(deadline=None, max_examples=200)
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


def ring(capacity: int, blocks: int, window: int) -> tuple[Session, Run]:
    """A transfer to a client whose network card holds so many packets that come at once."""
    at_once: Counter[float] = Counter()

    def fate() -> tuple[float, ...]:
        at_once[simulation.now] += 1
        return OK if at_once[simulation.now] <= capacity else LOST

    simulation = Simulation(agreed({"windowsize": window}), blocks * 512 - 1, fate)
    run = simulation.complete()
    assert run.outcome is Outcome.COMPLETE
    assert run.received == list(range(1, blocks + 1))
    return simulation.session, run


@pytest.mark.parametrize(("capacity", "window"), [(16, 64), (32, 64), (40, 64), (4, 16), (10, 16), (1, 4), (3, 4)])
def test_a_client_that_cannot_take_a_window_at_once_gets_it_in_bursts(capacity: int, window: int) -> None:
    one, run = ring(capacity, 4000, window)
    assert one.burst < window
    assert run.sent.total() < 1.2 * 4000
    assert run.seconds < 4000 / capacity * 0.02


@given(st.integers(2, 64).flatmap(lambda window: st.tuples(st.just(window), st.integers(1, window - 1))))
@settings(deadline=None, max_examples=40)
def test_finding_out_what_a_client_takes_at_once_costs_three_windows_at_most(
    window_and_capacity: tuple[int, int],
) -> None:
    """Without it most blocks would go out as often as the window is larger than the buffer."""
    window, capacity = window_and_capacity
    _, run = ring(capacity, 600, window)
    assert run.sent.total() <= 601 + 3 * window * (1 + 600 // window // 32)


def test_one_loss_is_an_accident_and_two_windows_in_a_row_are_none() -> None:
    one = session({"windowsize": 8}, size=10_000_000)
    one.start(0.0)
    one.acknowledge(0, 0.1)
    assert acknowledge(one, 3, 0.2) == (4, 4)
    assert one.expire(one.deadline) == (8, 4)
    assert acknowledge(one, 11, 0.3) == (12, 4)
    assert one.expire(one.deadline) == (16, 4)
    assert (one.burst, one.fits) == (4, 8), "half as much at once, but nothing is learnt"
    assert acknowledge(one, 12, 0.4) == (13, 2)
    assert (one.burst, one.fits) == (2, 8)
    assert [one.expire(one.deadline) for _ in range(3)] == [(15, 2), (17, 2), (19, 2)]
    assert acknowledge(one, 20, 0.5) == (21, 2)
    assert [one.expire(one.deadline) for _ in range(3)] == [(23, 2), (25, 2), (27, 2)]
    assert acknowledge(one, 22, 0.6) == (23, 2)
    assert one.expire(one.deadline) == (25, 2)
    assert one.acknowledge(23, 0.7) == NOTHING, "of a block that was sent twice"
    assert one.expire(one.deadline) == (28, 1)
    assert one.expire(one.deadline) == (24, 1)
    assert (one.burst, one.fits) == (1, 1), "it was no duplicate"


def test_a_burst_is_never_empty() -> None:
    """Each time that it is lost or its ACK is, the client takes none of what was under way."""
    one = session({"windowsize": 2}, size=10_000_000)
    one.start(0.0)
    one.acknowledge(0, 0.1)
    assert acknowledge(one, 1, 0.2) == (2, 1)
    assert one.expire(one.deadline) == (3, 1)
    assert acknowledge(one, 3, 0.3) == (4, 1), "all went well, so the next loss is the first one"
    assert [one.expire(one.deadline) for _ in range(4)] == [(5, 1), (5, 1), (4, 1), (5, 1)]
    now = one.deadline
    assert one.acknowledge(4, now) == NOTHING, "of a block that was sent twice"
    now = one.deadline
    assert one.expire(now) == (5, 1)
    assert acknowledge(one, 5, now) == (6, 1)
    assert one.burst == 1


def test_larger_bursts_are_tried_after_a_while_without_loss() -> None:
    one = session({"windowsize": 4}, size=10_000_000)
    one.start(0.0)
    now = 0.0
    for block in (0, 3, 5):
        now += 0.1
        one.acknowledge(block, now)
        while one.sent < block + 4:
            one.expire(one.deadline)
    assert (one.burst, one.fits) == (2, 2)
    bursts = [one.burst]
    while one.burst < 4:
        end = one.acked + 4
        while one.sent < end:
            one.expire(one.deadline)
        now += 0.1
        one.acknowledge(end, now)
        bursts.append(one.burst)
    assert Counter(bursts) == {2: 33, 4: 1}
    assert one.fits == 2, "the larger ones have not arrived yet"


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
