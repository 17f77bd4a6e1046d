"""Sockets by the hundred that go on when the kernel lets them, in turns.

The event loop sees one descriptor for all of a queue, an epoll(7) that holds their sockets, and gives them one short
turn however many can go on. The kernel hands out first the one that has waited longest.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from pxed.web.turns import TURN_SECONDS

GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""The client sends no more, or the connection is no more."""
REQUESTS, ROOM = select.EPOLLIN | select.EPOLLRDHUP, select.EPOLLOUT | select.EPOLLRDHUP
"""what is waited for before a request, and within an answer"""


class Waiter(Protocol):
    """Who waits."""

    def go_on(self, events: int, /) -> bool:
        """One of the `events` that were waited for is there, or one of GONE; False ends the turn of all."""


W = TypeVar("W", bound=Waiter)


class Queue(Generic[W]):
    """Who waits for `events` on a socket; each is told when they are there, until it is removed."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._ready = select.epoll()
        self._waiting: dict[int, W] = {}

    def __iter__(self) -> Iterator[W]:
        """All that wait now."""
        return iter(list(self._waiting.values()))

    def add(self, descriptor: int, waiter: W) -> None:
        """Waits from now on; on the event loop."""
        self._ready.register(descriptor, self._events)
        if not self._waiting:
            asyncio.get_running_loop().add_reader(self._ready, self._turn)
        self._waiting[descriptor] = waiter

    def remove(self, descriptor: int) -> None:
        """Waits no more, if it did."""
        if self._waiting.pop(descriptor, None) is None:
            return
        self._ready.unregister(descriptor)
        if not self._waiting:
            asyncio.get_running_loop().remove_reader(self._ready)

    def _turn(self) -> None:
        end = time.monotonic() + TURN_SECONDS
        while ready := self._ready.poll(0, 1):
            descriptor, events = ready[0]
            if not self._waiting[descriptor].go_on(events) or time.monotonic() >= end:
                return
