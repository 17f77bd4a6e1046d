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

from pxed.tftp.fields import SessionFields
from pxed.tftp.negotiation import Terms
from pxed.tftp.waits import Waits
from pxed.wire.tftp import ErrorCode

_UNPROVEN_RETRIES = 2
"""Repetitions before the first ACK shows that the address is no forgery, which must not get more than it sent."""
_PACE = 0.001
"""Seconds between two bursts to a client that loses what comes at once; timers are no finer."""
_LOSSES = 2
"""Windows in a row that a client loses a part of, after which that is believed to be all that it takes at once."""
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


class Session(SessionFields):
    """The sender's side of one transfer of `size` octets under `terms`; times are seconds of one monotonic clock."""

    __slots__ = (
        "_asked",
        "_clean",
        "_doubted",
        "_end",
        "_fill",
        "_filled_at",
        "_first",
        "_hastened",
        "_hasty",
        "_losses",
        "_mended",
        "_next",
        "_probed",
        "_repeated",
        "_repetitions",
        "_retries",
        "_telling",
        "_terms",
        "_tries",
        "_waits",
        "burst",
        "fits",
        "outcome",
        "reason",
        "retransmitted",
        "size",
    )

    def __init__(self, terms: Terms, size: int, *, retries: int, unproven_timeout: float) -> None:
        self.size = size
        self.last = size // terms.block_size + 1  # shorter than the others, and maybe empty
        self._first = 0 if terms.accepted else 1
        self.acked = self._first - 1
        self.sent = self.acked
        self.outcome: Outcome | None = None
        self.reason = ""
        """more about the outcome, in words"""
        self.retransmitted = 0
        """blocks sent again"""
        self.deadline = 0.0
        """when to call `expire`"""
        self.burst = terms.window
        """blocks that are sent at once: a window, or less after a loss"""
        self.fits = terms.window
        """blocks that the client takes at once, as far as it has lost parts of windows again and again"""
        self._terms = terms
        self.window = terms.window
        self._waits = Waits(terms.timeout, unproven_timeout, probes=terms.window > 1)
        self._retries = retries
        self._tries = 0  # repetitions that came after no less than the agreed time-out
        self._repetitions = 0  # all of them since the client was last heard
        self.sent_at = self.wait = 0.0
        self._asked = False  # with one block, since the client was last heard or a window was sent
        self._mended = False  # the first block of the window was sent once more since all of it was
        self._hastened = False  # in this window
        self._hasty = False  # the deadline was brought forward
        self._repeated = _NONE  # the highest block that was sent more than once
        self._probed = _NONE  # the highest that was sent once more to ask where the client is
        self._telling = False  # an ACK that says nothing new can only be the answer to that
        self._doubted = 0  # blocks that were acknowledged where the client may have lost one, or got one twice
        self._fill = False  # blocks `_next` to `_end` are still to be sent by `expire`, since
        self._next = self._end = 0
        self._filled_at = 0.0
        self._losses = 0  # windows in a row
        self._clean = 0  # windows in a row, while bursts are smaller than they
        self.awaited = _NONE

    @property
    def proven(self) -> bool:
        """The client has answered, so that its address is no forgery."""
        return self.acked >= self._first

    @property
    def octets(self) -> int:
        """How much of the file the client is known to have."""
        return min(max(self.acked, 0) * self._terms.block_size, self.size)

    def start(self, now: float) -> Range:
        """The first packet: one, whatever the window, until the client answers."""
        self.sent = self._first
        self.sent_at = now
        self.deadline = now + self._waits.retransmission
        return self._first, 1

    def acknowledge(self, block: int, now: float) -> Range:
        """The client has all blocks up to `block` (16 bits, RFC 7440 section 4)."""
        sent = self.sent
        if block == self.awaited:  # nearly every ACK: for all that is in flight, so as much again is sent (`_acks.c`)
            window = self.window
            self.acked = sent
            self.sent = ahead = sent + window
            self.awaited = ahead & 0xFFFF if ahead + window < self.last else _NONE
            self.sent_at = now
            self.deadline = now + self.wait
            return sent + 1, window
        acked = self.acked
        ahead = (block - acked) & 0xFFFF
        if ahead > sent - acked:
            return NOTHING  # late, or of another transfer
        self.awaited = _NONE
        if not ahead:
            return self._acknowledge_again(now)
        self.acked = acked = acked + ahead
        probed = self._asked and self._probed == sent
        self._learn(now)
        last = self.last
        if acked == last:
            self.outcome = Outcome.COMPLETE
            return NOTHING
        if acked == sent:
            if probed:  # the last block was lost, or its ACK
                self._lost(ahead - 1)
            else:
                self._grow()
        elif acked <= self._repeated:
            # The client missed the next block. Or it got a block twice, which many answer with an ACK too (EDK2:
            # Mtftp4Rrq.c), and will take what is under way: to start the window again would send that twice, and so
            # on for ever. If nothing else comes within two round trips, it is asked.
            self._doubted = ahead
            return self._look_at(now + self._waits.haste)
        else:  # it missed the next block and drops those after it: the window starts again there
            self._lost(ahead)
        if self.burst < self.window:
            return self._begin_window(now)
        end = acked + self.window
        if self._waits.steady and acked > self._repeated and end + self.window < last:
            self.awaited = end & 0xFFFF
            self.wait = self._waits.first
        return self._send(acked + 1, min(end, last), now)

    def _begin_window(self, now: float) -> Range:
        """The next window follows in bursts, by `expire`, of which the first is due at once."""
        self._fill = True
        self._next, self._end = self.acked + 1, min(self.acked + self.window, self.last)
        self._filled_at = self.deadline = now
        return NOTHING

    def _acknowledge_again(self, now: float) -> Range:
        """An ACK that says nothing new.

        With one block in flight it is never answered, or every later block would go out twice (RFC 1123 section
        4.2.3.1). In a window it may be a client that missed its first block, or just a duplicate.
        """
        if self.window == 1 or not self.proven:
            return NOTHING
        if self._telling and self._asked and not self._fill:  # the answer to a probe
            self._hasty = True
            self.deadline = now
        elif self.acked == self._probed:
            self._probed = _NONE  # a block that went out twice is acknowledged twice
        elif self._hastened or self.acked <= max(self._repeated, self._probed):
            pass  # one sign a window is enough; and see above
        elif not self._fill:
            self._asked = True  # it has just been asked, as it were
            return self._look_at(min(self.deadline, now + self._waits.haste))
        elif now - self._filled_at >= self._waits.rtt:  # what is still to be sent of the window would be dropped
            self._hastened = True
            self._begin_window(now)
        return NOTHING

    def _look_at(self, when: float) -> Range:
        """What is to be done after a silence is done sooner: two round trips after a sign of loss, before which a
        client that misses nothing is heard of again."""
        self._hastened = self._hasty = True
        self.deadline = when
        return NOTHING

    def measure(self) -> None:
        """To be called now and then: the next round trip is measured."""
        self.awaited = _NONE

    def _learn(self, now: float) -> None:
        """Something new was acknowledged: the address is proven and, unless the block was sent twice (Karn's rule), the
        round trip is known."""
        waits, acked = self._waits, self.acked
        if acked < self.sent and (self._asked or acked > self._repeated):
            waits.haste_was_right()
        # Of a window in bursts only the last one's answer tells when it was sent.
        in_time = acked == self.sent or self.burst == self.window
        if in_time and acked > self._repeated and not self._asked and not self._repetitions:
            waits.measured(now - self.sent_at)
        waits.answered()
        self._asked = self._mended = self._hastened = self._hasty = self._fill = self._telling = False
        self._doubted = 0
        self._tries = self._repetitions = 0

    def _lost(self, taken: int) -> None:
        """The client took `taken` blocks of its window and lost one after them: the next windows follow in bursts, so
        that less is lost with the next block that is.

        If that happens again and again, its buffer or a switch on the way does not hold a window, and every window
        sent at once would go out several times. What it takes at once is what it is given at once.
        """
        self._losses += 1
        self._clean = 0
        if self._losses >= _LOSSES:
            self.burst = self.fits = max(min(self.burst, taken), 1)
        else:
            self.burst = min(self.burst, max(taken, self.burst // 2, 1))

    def _grow(self) -> None:
        """A window went through without a loss; larger bursts are tried after a while."""
        self._losses = 0
        self.fits = max(self.fits, self.burst)
        if self.burst < self.window:
            self._clean += 1
            if self._clean > _CLEAN:
                self._clean = 0
                self.burst = min(2 * self.burst, self.window)

    def expire(self, now: float) -> Range:
        """`deadline` may have come: the next burst is due, or what was not acknowledged is sent again.

        First the last block alone, soon and without doubling the wait (the tail loss probe of RFC 8985 section 7). A
        client that lives acknowledges what it has when it gets that, again or behind a gap, which tells where to go on:
        behind a lost end of the window, or behind all of it if only the ACK was lost. One that does not answer gets
        all of the window. Then its first block, since one that tells of a gap once says nothing before that is closed;
        the probe again; and half as much as before, down to one block. So a silence costs little more than two windows.
        """
        if now < self.deadline:
            return NOTHING
        self.awaited = _NONE
        waits = self._waits
        if self._fill:
            return self._send(self._next, self._end, now)
        if self.window > 1 and not self._asked and self.proven:
            if self._repetitions and not self._mended:
                self._mended = True
                self.retransmitted += 1
                self.deadline = now + waits.first
                return self.acked + 1, 1
            self._asked = True
            self._telling = self.acked > max(self._repeated, self._probed)
            self._probed = self.sent
            self.retransmitted += 1
            waits.hurry()
            self.deadline = now + (waits.haste if self._hasty else waits.retransmission)
            return self.sent, 1
        # Repetitions that come sooner than was agreed do not make the server give up sooner.
        self._tries += waits.at_agreed and not self._hasty
        if self._tries > (self._retries if self.proven else min(self._retries, _UNPROVEN_RETRIES)):
            at_end = self.proven and self.sent == self.last
            self.outcome = Outcome.UNCONFIRMED if at_end else Outcome.TIMED_OUT
            return NOTHING
        if self._hasty:
            self._hasty = False
            waits.hurry()
            if self._doubted:
                self._lost(self._doubted)
        else:
            waits.back_off()
        self._asked = self._mended = self._telling = False
        count = max((self.sent - self.acked) >> self._repetitions, 1)
        self._repetitions += 1
        return self._send(self.acked + 1, self.acked + count, now)

    def _send(self, first: int, end: int, now: float) -> Range:
        """Blocks `first` to `end`: a burst of them now, the others by `expire`."""
        self._fill = end - first >= self.burst
        if self._fill:
            self._next, self._end = first + self.burst, end
            end = self._next - 1
            self.deadline = now + _PACE
        else:
            self.deadline = now + (self._waits.first if self.proven else self._waits.retransmission)
        again = min(end, self.sent)
        if again >= first:
            self.retransmitted += again + 1 - first
            self._repeated = max(self._repeated, again)
        self.sent = max(self.sent, end)
        self.sent_at = now
        return first, end + 1 - first

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
