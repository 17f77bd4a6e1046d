"""What is granted to a client after a transfer that lost much."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from pxed.tftp.lessons import Lessons
from pxed.tftp.negotiation import Terms
from pxed.tftp.session import Outcome, Session

from .simulation import LIMITS, Fate, Simulation, agreed

CLIENT = bytes([192, 0, 2, 7])
OPTIONS = {"blksize": 1024, "windowsize": 16}


def taught(session: Session, terms: Terms, now: float = 0.0) -> tuple[int, int]:
    """Block size and window that a client may have after that transfer."""
    lessons = Lessons()
    lessons.learn(CLIENT, terms, session, 0.0)
    limits = lessons.limits(CLIENT, LIMITS, now)
    return limits.max_block_size, limits.max_window


def finished(fate: Fate, blocks: int = 400) -> Session:
    """A transfer through such a network."""
    simulation = Simulation(agreed(OPTIONS), blocks * 1024 - 1, fate, retries=100)
    assert simulation.complete().finished
    return simulation.session


def test_a_clean_transfer_teaches_nothing() -> None:
    assert taught(finished(lambda: (0.001,)), agreed(OPTIONS)) == (LIMITS.max_block_size, LIMITS.max_window)


def test_a_client_that_lost_heavily_gets_a_smaller_window_next_time() -> None:
    dice = random.Random(1)  # noqa: S311
    session = finished(lambda: () if dice.random() < 0.2 else (0.001,))
    assert session.retransmitted > 100
    assert taught(session, agreed(OPTIONS))[1] <= 8


def test_a_client_gets_the_window_that_its_buffer_holds() -> None:
    at_once: Counter[float] = Counter()

    def fate() -> tuple[float, ...]:
        at_once[simulation.now] += 1
        return (0.001,) if at_once[simulation.now] <= 5 else ()

    simulation = Simulation(agreed(OPTIONS), 400 * 1024 - 1, fate)
    assert simulation.complete().finished
    assert taught(simulation.session, agreed(OPTIONS)) == (LIMITS.max_block_size, 5)


@pytest.mark.parametrize(("answers", "size"), [(1, 512), (0, LIMITS.max_block_size), (3, LIMITS.max_block_size)])
def test_a_client_that_gets_no_block_at_all_gets_smaller_ones(answers: int, size: int) -> None:
    """Only if it was there, which its ACK of the OACK shows, and fell silent before the first block."""
    terms = agreed({"blksize": 1024})
    session = Session(terms, 1_000_000, retries=3, unproven_timeout=1.0)
    session.start(0.0)
    for block in range(answers):
        session.acknowledge(block, 0.001 * block)
    while session.outcome is None:
        session.expire(session.deadline)
    assert session.outcome is Outcome.TIMED_OUT
    assert taught(session, terms)[0] == size


def test_a_second_lesson_does_not_undo_the_first() -> None:
    lessons, small = Lessons(), agreed(OPTIONS | {"blksize": 512})
    silent, crowded = (Session(terms, 100_000, retries=3, unproven_timeout=1.0) for terms in (agreed(OPTIONS), small))
    silent.acked, silent.outcome = 0, Outcome.TIMED_OUT
    lessons.learn(CLIENT, agreed(OPTIONS), silent, 0.0)
    crowded.fits = 4
    lessons.learn(CLIENT, small, crowded, 1.0)
    limits = lessons.limits(CLIENT, LIMITS, 2.0)
    assert (limits.max_block_size, limits.max_window) == (512, 4)


def test_lessons_are_forgotten_in_time_and_beyond_a_number_of_clients() -> None:
    terms = agreed(OPTIONS)
    session = Session(terms, 100_000, retries=3, unproven_timeout=1.0)
    session.fits = 3
    assert taught(session, terms, 599.0)[1] == 3
    assert taught(session, terms, 601.0)[1] == LIMITS.max_window
    lessons = Lessons()
    for number in range(5000):
        lessons.learn(number.to_bytes(4, "big"), terms, session, 0.0)
    granted = [lessons.limits(number.to_bytes(4, "big"), LIMITS, 0.0).max_window for number in range(5000)]
    assert granted == [LIMITS.max_window] * 904 + [3] * 4096
