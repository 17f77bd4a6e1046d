"""Fairness on the event loop: how many pass in one turn of it, and in which order."""

import asyncio

from pxed.web.turns import Turnstile


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
