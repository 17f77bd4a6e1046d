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
