"""One TFTP read as a state machine: no socket, no clock, no file.

A `Session` is told what the client said and when, and answers which blocks to send, as a range (first block, count) of
numbers that do not wrap; `NOTHING` is the empty range. Block 0 stands for the OACK, so that its repetition and its
acknowledgement need no rules of their own.

    first, count = session.start(now)                 the OACK, or block 1 if no option was accepted
    first, count = session.acknowledge(block, now)    for each ACK; `block` as on the wire
    session.fail(code, text)                          for an ERROR
    first, count = session.expire(now)                at `session.deadline`, which each of these may move
    session.outcome                                   None until it is over

`acknowledge` runs for every packet of the data path, so it works on slots and integers only.
"""

from __future__ import annotations

from enum import StrEnum

from pxed.tftp.negotiation import Terms
from pxed.wire.tftp import ErrorCode

_UNPROVEN_RETRIES = 2
"""Repetitions before the first ACK shows that the address is no forgery, which must not get more than it sent."""
_LONGEST_WAIT = 8.0
"""Seconds at which the exponential back-off ends, unless the client asked for a longer time-out."""
_SHORTEST_WAIT = 0.02
"""Seconds of silence beyond a round trip before anything is repeated (G of RFC 6298): a client may be busy for a
moment, however fast and steady the network is."""
_FIRST_VARIATION = 0.05
"""Seconds: the first answers come from an idle network and tell little about a full one, so the time-out begins at
four times this much more and comes down to what is measured within some round trips."""
_FIRST_SAMPLES = 16
"""Round trips that are all measured; afterwards one in a while is."""
_PROBE = 2.0
"""Round trips of silence after which a client that has a window before it is asked where it is."""
_HASTE = 2.0
"""Round trips between a sign of loss and the repetition that it causes."""
_MOST_PATIENCE = 16
"""Haste that came to nothing makes the next one twice as slow, or a way that has become longer would be filled with
repetitions that answer each other."""
_SHORTEST_HASTE = 0.002
"""Seconds; a round trip on a loopback or switch is far below the granularity of any timer."""
_PACE = 0.001
"""Seconds between two bursts to a client that loses what comes at once; timers are no finer."""
_LOSSES = 2
"""Windows in a row that a client loses a part of before bursts become smaller; one is an accident."""
_CLEAN = 32
"""Windows in a row without a loss after which bursts twice as large are tried."""
_NONE = -1
"""No block has this number"""

Range = tuple[int, int]
"""(first block, count)"""
NOTHING: Range = (0, 0)


class Outcome(StrEnum):
    """How a transfer ended."""

    COMPLETE = "complete"
    UNCONFIRMED = "unconfirmed"
    """all was sent and only the end was not acknowledged: the last ACK is often lost, since nobody repeats it"""
    SIZE_PROBE = "size probe"
    """the client wanted to know the size only"""
    ABORTED = "aborted by client"
    TIMED_OUT = "timed out"
    REFUSED = "refused"
    FAILED = "failed"
    """the file could not be read to its end, or changed meanwhile"""


class Session:
    """The sender's side of one transfer of `size` octets under `terms`; times are seconds of one monotonic clock."""

    __slots__ = (
        "_awaited",
        "_clean",
        "_fill",
        "_first",
        "_first_wait",
        "_hastened",
        "_hasty",
        "_losses",
        "_next",
        "_patience",
        "_repeated",
        "_repetitions",
        "_retries",
        "_round_trip",
        "_samples",
        "_sent_at",
        "_terms",
        "_timeout",
        "_tries",
        "_variation",
        "_wait",
        "_window",
        "acked",
        "burst",
        "deadline",
        "last",
        "outcome",
        "reason",
        "retransmitted",
        "sent",
        "size",
    )

    def __init__(self, terms: Terms, size: int, *, retries: int, unproven_timeout: float) -> None:
        self.size = size
        self.last = size // terms.block_size + 1
        """number of the last block, which is shorter than the others and may be empty"""
        self._first = 0 if terms.accepted else 1
        self.acked = self._first - 1
        """the highest block that the client has"""
        self.sent = self.acked
        """the highest block that was sent"""
        self.outcome: Outcome | None = None
        self.reason = ""
        """more about the outcome, in words"""
        self.retransmitted = 0
        """blocks sent again"""
        self.deadline = 0.0
        """when to call `expire`"""
        self.burst = terms.window
        """blocks that are sent at once: a window, or less if the client has lost parts of windows"""
        self._terms = terms
        self._window = terms.window
        # A client may ask for minutes; a request that nobody stands behind shall not hold a place that long.
        self._timeout = min(terms.timeout, unproven_timeout)
        self._wait = self._timeout  # for the next answer: the retransmission time-out of RFC 6298
        self._patience = 1  # factor of both kinds of haste, until a round trip is measured again
        self._first_wait = self._timeout  # before the probe of RFC 8985
        self._retries = retries
        self._tries = 0  # repetitions that came after no less than the agreed time-out
        self._repetitions = 0  # all of them since the client was last heard
        self._sent_at = 0.0
        self._round_trip = 0.0
        self._variation = _FIRST_VARIATION
        self._samples = 0
        self._hastened = False  # in this window
        self._hasty = False  # the deadline was brought forward
        self._repeated = -1  # the highest block that was sent more than once
        self._fill = False  # the window is still to be sent, from `_next` on, by `expire`
        self._next = 0
        self._losses = 0  # windows in a row
        self._clean = 0  # windows in a row, while bursts are smaller than they
        self._awaited = _NONE  # the ACK after which the next full window follows, while all goes well

    @property
    def proven(self) -> bool:
        """The client has answered, so that its address is no forgery."""
        return self.acked >= self._first

    @property
    def _haste(self) -> float:
        """Seconds within which a client that misses nothing is heard of again."""
        return min(self._patience * max(_HASTE * self._round_trip, _SHORTEST_HASTE), self._timeout)

    @property
    def octets(self) -> int:
        """How much of the file the client is known to have."""
        return min(max(self.acked, 0) * self._terms.block_size, self.size)

    def start(self, now: float) -> Range:
        """The first packet: one, whatever the window, until the client answers."""
        self.sent = self._first
        self._sent_at = now
        self.deadline = now + self._timeout
        return self._first, 1

    def acknowledge(self, block: int, now: float) -> Range:
        """The client has all blocks up to `block` (16 bits, RFC 7440 section 4)."""
        sent = self.sent
        if block == self._awaited:  # nearly every ACK: for all that is in flight, so as much again is sent
            window = self._window
            self.acked = sent
            self.sent = ahead = sent + window
            self._awaited = ahead & 0xFFFF if ahead + window <= self.last else _NONE
            self._sent_at = now
            self.deadline = now + self._first_wait
            return sent + 1, window
        acked = self.acked
        ahead = (block - acked) & 0xFFFF
        if ahead > sent - acked:
            return NOTHING  # late, or of another transfer
        self._awaited = _NONE
        if not ahead:
            return self._acknowledge_again(now)
        self.acked = acked = acked + ahead
        self._learn(now)
        last = self.last
        if acked == last:
            self.outcome = Outcome.COMPLETE
            return NOTHING
        if acked < sent:
            self._lost(ahead)
            if self._is_doubtful(now):
                return NOTHING
        else:
            self._losses = 0
        if self.burst < self._window:
            return self._send_in_bursts(now)
        sent = acked + self._window
        if acked > self._repeated and self._samples >= _FIRST_SAMPLES and sent + self._window <= last:
            self._awaited = sent & 0xFFFF
        self.sent = sent = min(sent, last)
        self._sent_at = now
        self.deadline = now + self._first_wait
        return acked + 1, sent - acked

    def _is_doubtful(self, now: float) -> bool:
        """What an ACK inside the window means.

        The client missed the next block and drops those after it: the window starts again there (RFC 7440 section 4).
        Or it got a block twice, which many answer with an ACK too (EDK2: Mtftp4Rrq.c), and will take what is under way:
        to start the window again would send that twice, and so on for ever. So if some of it was sent twice before,
        the window is only filled up, by `expire` at once, and repeated if that brings no ACK within two round trips.
        """
        if self.acked <= self._repeated:
            self._fill = self._hasty = True
            self._next = self.sent + 1
            self.deadline = now
            return True
        self.retransmitted += self.sent - self.acked
        self._repeated = self.sent
        return False

    def _lost(self, taken: int) -> None:
        """The client took `taken` blocks of its window and lost one after them.

        If that happens again and again, its buffer or a switch on the way does not hold a window, and every window
        sent at once would go out several times. What it takes at once is what it is given at once.
        """
        self._losses += 1
        self._clean = 0
        if self._losses >= _LOSSES:
            self.burst = min(self.burst, taken)

    def _send_in_bursts(self, now: float) -> Range:
        """The next window follows in parts, by `expire`, of which the first is due at once."""
        self._clean += 1
        if self._clean > _CLEAN:
            self._clean = 0
            self.burst = min(2 * self.burst, self._window)
        self._fill = True
        self._next = self.acked + 1
        self._sent_at = self.deadline = now
        return NOTHING

    def _acknowledge_again(self, now: float) -> Range:
        """An ACK that says nothing new.

        With one block in flight it is never answered, or every later block would go out twice (RFC 1123 section
        4.2.3.1). In a window it may be a client that missed its first block, or just a duplicate: the repetition is
        brought forward to two round trips from now, which a client that missed nothing answers before. Once a window.
        """
        if self._window > 1 and not self._hastened and self.acked >= self._first:
            self._hastened = self._hasty = True
            self.deadline = min(self.deadline, now + self._haste)
        return NOTHING

    def measure(self) -> None:
        """To be called now and then: the next round trip is measured."""
        self._awaited = _NONE

    def _learn(self, now: float) -> None:
        """Something new was acknowledged: the address is proven and, unless the block was sent twice (Karn's rule), the
        round trip is known, from which the next time-out follows (RFC 6298 sections 2 and 3). What the client asked for
        or the configuration says is its upper bound. After a repetition the longer wait stays until a measurement."""
        self._timeout = self._terms.timeout
        self._hastened = self._hasty = self._fill = False
        unambiguous = self.acked > self._repeated and not self._repetitions
        self._tries = self._repetitions = 0
        if unambiguous:
            self._patience = 1
            sample = now - self._sent_at
            if self._samples:
                self._variation += (abs(sample - self._round_trip) - self._variation) / 4
                # One that has grown is believed at once: too short a time would cause repetitions, which hide it.
                self._round_trip = max(sample, self._round_trip + (sample - self._round_trip) / 8)
            else:
                self._round_trip = sample
            self._samples += 1
            self._wait = self._round_trip + max(4 * self._variation, _SHORTEST_WAIT)
        self._wait = min(self._wait, self._timeout)
        self._first_wait = self._wait
        if self._window > 1:  # a probe costs a part of a window only, and may come sooner
            soon = self._patience * max(_PROBE * self._round_trip, _SHORTEST_WAIT)
            self._first_wait = min(soon, self._wait)

    def expire(self, now: float) -> Range:
        """`deadline` may have come: what was not acknowledged is sent again, each time after twice the wait.

        First a single block, soon and without doubling the wait (the tail loss probe of RFC 8985 section 7). A client
        that lives acknowledges what it has when a block comes again (EDK2: Mtftp4Rrq.c), which tells where to go on:
        behind a lost end of the window, or behind all of it if only the ACK was lost. A client that has nothing of the
        window, or is of another kind, gets all of it after the next silence, and then half as much each time, down to
        one block. So a silence costs two windows at most.
        """
        if now < self.deadline:
            return NOTHING
        self._awaited = _NONE
        if self._fill:
            return self._continue_window(now)
        # Repetitions that come sooner than was agreed do not make the server give up sooner.
        self._tries += self._wait >= self._timeout and not self._hasty
        if self._tries > (self._retries if self.proven else min(self._retries, _UNPROVEN_RETRIES)):
            at_end = self.proven and self.sent == self.last
            self.outcome = Outcome.UNCONFIRMED if at_end else Outcome.TIMED_OUT
            return NOTHING
        probing = self._first_wait < self._wait and not self._repetitions and not self._hasty
        if self._hasty or probing:
            self._patience = min(2 * self._patience, _MOST_PATIENCE)
        else:
            self._wait = min(2 * self._wait, max(self._timeout, _LONGEST_WAIT))
        hasty, self._hasty = self._hasty, False
        self.deadline = now + self._wait
        outstanding = self.sent - self.acked
        if self._repetitions or hasty:
            count = max(outstanding >> max(self._repetitions - 1, 0), 1)
            self._repetitions = max(self._repetitions, 1) + 1
        else:
            count = self._repetitions = 1
        self.retransmitted += count
        self._repeated = max(self._repeated, self.acked + count)
        if count > self.burst:
            self._fill = True
            self._next = self.acked + 1
            return self._continue_window(now)
        return self.acked + 1, count

    def _continue_window(self, now: float) -> Range:
        """The next burst of the window. Whether a client takes a window that it was believed to have in part is known
        two round trips after the last one."""
        first = self._next
        end = min(self.acked + self._window, self.last)
        burst_end = min(first + self.burst - 1, end)
        self._next = burst_end + 1
        self.sent = max(self.sent, burst_end)
        if burst_end < end:
            self.deadline = now + _PACE
        else:
            self._fill = False
            self.deadline = now + (self._haste if self._hasty else self._first_wait)
        return (first, burst_end + 1 - first) if burst_end >= first else NOTHING

    def repeat_request(self) -> Range:
        """The same request came again: the client did not hear the first packet."""
        if self.proven:
            return NOTHING
        self.retransmitted += 1
        self._repeated = self._first
        return self._first, 1

    def fail(self, code: int, text: str) -> None:
        """The client sent an ERROR."""
        self.reason = f"error {code}" + (f": {text}" if text else "")
        if not self.proven and self._terms.tells_size:
            # EDK2 and boot ROMs ask for the size, read the OACK and hang up (codes 8 and 0; Mtftp4Option.c).
            self.outcome = Outcome.SIZE_PROBE
        elif code == ErrorCode.UNKNOWN_TID and self.proven and self.sent == self.last:
            # The client has closed its port after the last block, and its last ACK was lost.
            self.outcome = Outcome.UNCONFIRMED
        else:
            self.outcome = Outcome.ABORTED
