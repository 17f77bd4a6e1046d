"""Windows that go out in bursts, to a client that cannot take one at once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxed.tftp.session import NOTHING, Outcome, Session

from .simulation import LOST, OK, Run, Simulation, acknowledge, agreed, session


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
@settings(max_examples=40)
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
