"""What a transfer teaches about the next one of the same client.

Block size and window are agreed once for a transfer (RFC 2347), so a client whose network card or link turns out to be
too small for them can be helped with its next request only: it is granted less than it asks for. Boot loaders fetch
several files, and firmware that failed tries again. A lesson is forgotten after a while, since the cause may be gone.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace

from pxed.tftp.negotiation import DEFAULT_BLOCK_SIZE, Limits, Terms
from pxed.tftp.session import Outcome, Session

_REMEMBERED = 4096
"""Clients, so that forged senders cannot fill the memory; the oldest go first."""
_KEPT_SECONDS = 600.0
_HEAVY = 4
"""With a repetition for so many blocks or fewer, a transfer has lost heavily."""
_TELLING = 16
"""Repetitions below which a short transfer tells nothing."""


@dataclass(frozen=True, slots=True)
class _Lesson:
    max_block_size: int
    max_window: int
    until: float


_NOTHING = _Lesson(0xFFFF, 0xFFFF, math.inf)


class Lessons:
    """What is known of clients, by address (4 octets); times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._lessons: OrderedDict[bytes, _Lesson] = OrderedDict()

    def limits(self, client: bytes, limits: Limits, now: float) -> Limits:
        """`limits`, or narrower ones for a client that has lost too much with those."""
        lesson = self._known(client, now)
        return replace(
            limits,
            max_block_size=min(limits.max_block_size, lesson.max_block_size),
            max_window=min(limits.max_window, lesson.max_window),
        )

    def learn(self, client: bytes, terms: Terms, session: Session, now: float) -> None:
        """The transfer of `session` under `terms` is over."""
        block_size, window = _fitting_block_size(terms, session), _fitting_window(terms, session)
        if block_size is None and window is None:
            return
        earlier = self._known(client, now)
        self._lessons[client] = _Lesson(
            min(block_size or earlier.max_block_size, earlier.max_block_size),
            min(window or earlier.max_window, earlier.max_window),
            now + _KEPT_SECONDS,
        )
        self._lessons.move_to_end(client)
        if len(self._lessons) > _REMEMBERED:
            self._lessons.popitem(last=False)

    def _known(self, client: bytes, now: float) -> _Lesson:
        lesson = self._lessons.get(client, _NOTHING)
        return lesson if lesson.until >= now else _NOTHING


def _fitting_block_size(terms: Terms, session: Session) -> int | None:
    """A client that acknowledges the OACK and never a block gets none: large datagrams are lost on the way to it, as in
    a tunnel whose MTU is smaller than both ends believe. None if blocks arrived."""
    nothing_arrived = terms.accepted and session.outcome is Outcome.TIMED_OUT and session.acked == 0
    return DEFAULT_BLOCK_SIZE if nothing_arrived and terms.block_size > DEFAULT_BLOCK_SIZE else None


def _fitting_window(terms: Terms, session: Session) -> int | None:
    """What the client took at once; half of the window, if it got its file and much of that twice; None if all went
    well."""
    lost = session.retransmitted
    heavily = lost >= _TELLING and lost * _HEAVY >= session.acked and session.outcome is not Outcome.TIMED_OUT
    fitting = max(1, min(session.fits, terms.window // 2 if heavily else terms.window))
    return fitting if fitting < terms.window else None
