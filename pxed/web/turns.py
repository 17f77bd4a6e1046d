"""Fairness on the event loop: much work is done in turns, so that answers on 67 and 4011 wait for milliseconds at most.

asyncio runs all that is ready before it looks at the sockets again, in no order of importance: hundreds of downloads
that can go on at the same time would hold up every DISCOVER until each had its piece.
"""

from __future__ import annotations

import asyncio


class Turnstile:
    """Lets so many tasks through in one turn of the event loop, first come, first served."""

    def __init__(self, each_turn: int) -> None:
        self._passing = asyncio.Semaphore(each_turn)

    async def turn(self) -> None:
        """Returns when it is the caller's turn, in the next turn of the loop at the earliest."""
        async with self._passing:
            await asyncio.sleep(0)
