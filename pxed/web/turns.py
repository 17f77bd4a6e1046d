"""Fairness on the event loop: much work is done in turns, so that answers on 67 and 4011 wait for milliseconds at most.

asyncio runs all that is ready before it looks at the sockets again, in no order of importance: hundreds of requests
that can go on at the same time would hold up every DISCOVER until each had its share.
"""

from __future__ import annotations

import asyncio
from collections import deque

TURN_SECONDS = 0.001
"""after so long nothing further of a kind is begun before everything else on the loop had its turn"""


class Turnstile:
    """Lets so many tasks through in one turn of the event loop, first come, first served."""

    def __init__(self, each_turn: int) -> None:
        self._each_turn = each_turn
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Returns when it is the caller's turn, in the next turn of the loop at the earliest."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._let_through, loop)
        passed = loop.create_future()
        self._waiting.append(passed)
        await passed

    def _let_through(self, loop: asyncio.AbstractEventLoop) -> None:
        left = self._each_turn
        while self._waiting and left:
            passed = self._waiting.popleft()
            if not passed.done():  # nobody waits for one that was cancelled
                passed.set_result(None)
                left -= 1
        if self._waiting:
            loop.call_soon(self._let_through, loop)
