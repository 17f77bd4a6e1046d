"""Fairness on the event loop: how many pass in one turn of it, and in which order."""

import asyncio
from functools import partial

import pytest

from pxed.web.turns import Turns, Turnstile


async def test_so_many_pass_in_a_turn_in_order_of_arrival() -> None:
    turnstile, passed = Turnstile(3), []

    async def pass_through(number: int) -> None:
        await turnstile.turn()
        passed.append(number)

    tasks = [asyncio.create_task(pass_through(number)) for number in range(8)]
    each_turn = []
    while not all(task.done() for task in tasks):
        before = len(passed)
        await asyncio.sleep(0)
        each_turn.append(len(passed) - before)
    assert passed == list(range(8))
    assert max(each_turn) == 3


async def test_one_that_is_cancelled_leaves_its_place_to_others() -> None:
    turnstile = Turnstile(1)
    first, second = (asyncio.create_task(turnstile.turn()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()


async def test_work_is_done_in_its_order_for_so_long_in_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    now, turn = 0.0, 0
    done: list[tuple[int, int]] = []
    monkeypatch.setattr("time.monotonic", lambda: now)
    turns = Turns(1.0)

    def work(number: int) -> None:
        nonlocal now
        now += 0.4
        done.append((turn, number))
        if number == 1:
            turns.add(partial(work, 100))

    for number in range(7):
        turns.add(partial(work, number))
    assert done == []
    while len(done) < 8:
        turn += 1
        await asyncio.sleep(0)
    assert [number for _, number in done] == [*range(7), 100]
    assert [turn for turn, _ in done] == [1, 1, 1, 2, 2, 2, 3, 3]


async def test_work_that_fails_does_not_end_the_turns() -> None:
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    turns, done = Turns(1.0), asyncio.Event()

    def fail() -> None:
        raise LookupError

    turns.add(fail)
    turns.add(done.set)
    await done.wait()
    assert isinstance(faults[0]["exception"], LookupError)
