"""So much at once, so much in the long run."""

from pxed.bucket import Bucket


def taken(bucket: Bucket, now: float, tries: int) -> int:
    return sum(bucket.take(now) for _ in range(tries))


def test_a_burst_and_then_the_rate() -> None:
    bucket = Bucket(rate=10, burst=30)
    instants = 1000.0, 1000.0, 1002.0, 1002.05, 1002.12, 5000.0
    assert [taken(bucket, now, 100) for now in instants] == [30, 0, 20, 0, 1, 30]


def test_a_clock_that_is_set_back_neither_fills_it_nor_locks_it() -> None:
    bucket = Bucket(rate=10, burst=30)
    assert [taken(bucket, now, 100) for now in (1000.0, 10.0, 11.0)] == [30, 0, 10]


def test_what_is_spent_at_once_is_there_or_all_that_is_left_is_taken() -> None:
    bucket = Bucket(rate=10, burst=30)
    assert bucket.spend(1000.0, 20)
    assert not bucket.spend(1000.0, 20)  # there were 10
    assert taken(bucket, 1000.0, 5) == 0
    assert bucket.spend(1002.0, 20)
    assert not bucket.spend(1002.0, 1)
    assert bucket.spend(1002.0, 0)
    assert bucket.spend(5000.0, 30)
    assert taken(bucket, 5000.5, 100) == 5


def test_spending_does_not_go_by_a_clock_that_is_set_back() -> None:
    bucket = Bucket(rate=10, burst=30)
    assert [bucket.spend(now, 10) for now in (1000.0, 10.0, 10.0, 10.0, 11.0)] == [True, True, True, False, True]
