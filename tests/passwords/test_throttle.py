"""How fast passwords may be tried."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.passwords import throttle
from pxed.passwords.throttle import Limits, Throttle

LIMITS = Limits(attempts=4, lock_seconds=600)


def test_each_wrong_one_makes_the_next_wait_longer_and_the_last_locks() -> None:
    door, now, waits = Throttle(LIMITS), 1000.0, []
    for _ in range(4):
        locked = door.begin("pc", now)
        waits.append(round(door.wait("pc", now)))
        now += door.wait("pc", now)
    assert waits == [1, 2, 4, 600]
    assert locked
    assert door.wait("pc", now) == 0


def test_one_that_is_right_begins_anew_and_others_are_not_concerned() -> None:
    door = Throttle(LIMITS)
    door.begin("pc", 0)
    door.begin("other", 0)
    door.right("pc")
    assert door.wait("pc", 0) == 0
    assert door.wait("other", 0) == 1


def test_attempts_at_the_same_time_are_no_way_around() -> None:
    door = Throttle(LIMITS)
    assert [door.begin("pc", 5.0) for _ in range(4)] == [False, False, False, True]


def test_an_interface_locks_without_waits_and_a_right_one_does_not_count() -> None:
    door = Throttle(Limits(attempts=2, lock_seconds=60, waits=False))
    assert not door.begin("eth0", 0)
    assert door.wait("eth0", 0) == 0
    assert door.begin("eth0", 0)
    door.take_back("eth0")
    assert door.wait("eth0", 0) == 0
    assert door.begin("eth0", 0)
    assert door.wait("eth0", 0) == 60


def test_wrong_ones_are_forgotten_one_by_one() -> None:
    door = Throttle(LIMITS)
    for now in (0, 200, 400, 600, 800, 1000):  # each is forgotten before the next
        assert not door.begin("pc", now)
        assert door.wait("pc", now) == 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "REMEMBERED", 3)
    door = Throttle(LIMITS)
    for number in range(10):
        door.begin(str(number), 0)
    assert [door.wait(str(number), 0) for number in range(10)] == [0] * 7 + [1] * 3


@given(st.lists(st.floats(0, 300), max_size=60))
def test_no_pace_gets_more_than_its_share(pauses: list[float]) -> None:
    door, now, tried = Throttle(LIMITS), 0.0, 0
    for pause in pauses:
        now += pause
        if door.wait("pc", now) == 0:
            tried += 1
            door.begin("pc", now)
    assert tried <= LIMITS.attempts + 1.5 + now * LIMITS.attempts / LIMITS.lock_seconds
