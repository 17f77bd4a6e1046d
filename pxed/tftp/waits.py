"""How long to wait for a client before something is sent again: RFC 6298, and RFC 8985's probe before it.

`Waits` knows the round trip as far as it was measured, and has three answers. All are bounded by the time-out that was
agreed with the client or configured; all times are seconds.

    retransmission   the silence after which a part of the window is repeated; twice as long each time
    first            the silence after which one block asks a client that has a window where it is
    haste            how soon to ask, or to repeat, after a sign that something was lost
"""

from __future__ import annotations

_LONGEST = 8.0
"""Seconds at which the exponential back-off ends, unless the client asked for a longer time-out."""
_SHORTEST = 0.02
"""Seconds of silence beyond a round trip before anything is repeated (G of RFC 6298): a client may be busy for a
moment, however fast and steady the network is."""
_FIRST_VARIATION = 0.05
"""Seconds: the first answers come from an idle network and tell little about a full one, so the time-out begins at
four times this much more and comes down to what is measured within some round trips."""
_FIRST_SAMPLES = 8
"""Round trips that are all measured; afterwards one in a while is. On a steady way eight bring four times the first
variation down to _SHORTEST."""
_FAR = 8.0
"""A round trip so many times shorter than those before shows that they were none: a client that repeats its own ACK
after a while looks like a long way."""
_PROBE = 2.0
"""Round trips of silence after which a client that has a window before it is asked where it is."""
_HASTE = 2.0
"""Round trips between a sign of loss and what it causes."""
_SHORTEST_HASTE = 0.002
"""Seconds; a round trip on a loopback or switch is far below the granularity of any timer."""
_MOST_PATIENCE = 16
"""Haste that came to nothing makes the next one twice as slow, or a way that has become longer would be filled with
repetitions that answer each other."""


class Waits:
    """What is known of the way to one client under an agreed time-out; until it has answered, `unproven` bounds it:
    a client may ask for minutes, and a request that nobody stands behind shall not hold a place that long."""

    __slots__ = (
        "_agreed",
        "_patience",
        "_probes",
        "_samples",
        "_timeout",
        "_variation",
        "first",
        "retransmission",
        "rtt",
    )

    def __init__(self, agreed: float, unproven: float, *, probes: bool) -> None:
        self._agreed = agreed
        self._timeout = min(agreed, unproven)
        self._probes = probes
        self._patience = 1  # factor of `first` and `haste`
        self._variation = _FIRST_VARIATION
        self._samples = 0
        self.rtt = 0.0
        """the smoothed round trip; 0 before the first measurement"""
        self.retransmission = self.first = self._timeout

    @property
    def at_agreed(self) -> bool:
        """The next repetition comes after no less than the agreed time-out."""
        return self.retransmission >= self._timeout

    @property
    def haste(self) -> float:
        """Within so long a client that misses nothing is heard of again."""
        return min(self._patience * max(_HASTE * self.rtt, _SHORTEST_HASTE), self._timeout)

    @property
    def steady(self) -> bool:
        """Enough was measured for a look now and then to do."""
        return self._samples >= _FIRST_SAMPLES

    def measured(self, sample: float) -> None:
        """A round trip, of something that was sent once (Karn's rule); the longer wait after a repetition ends."""
        self._patience = 1
        if sample < self.rtt / _FAR:
            self.rtt = sample
            self._variation = min(self._variation, _FIRST_VARIATION)
        elif self._samples:
            self._variation += (abs(sample - self.rtt) - self._variation) / 4
            # One that has grown is believed at once: too short a time would cause repetitions, which hide it.
            self.rtt = max(sample, self.rtt + (sample - self.rtt) / 8)
        else:
            self.rtt = sample
        self._samples += 1
        self.retransmission = self.rtt + max(4 * self._variation, _SHORTEST)

    def answered(self) -> None:
        """The client has acknowledged something new, so that its address is proven."""
        self._timeout = self._agreed
        self.first = self.retransmission = min(self.retransmission, self._timeout)
        if self._probes:  # a probe costs a part of a window only, and may come sooner
            self.first = min(self._patience * max(_PROBE * self.rtt, _SHORTEST), self._timeout)

    def haste_was_right(self) -> None:
        """Something was lost and not just late."""
        self._patience = 1

    def hurry(self) -> None:
        """Something is sent before its time."""
        self._patience = min(2 * self._patience, _MOST_PATIENCE)

    def back_off(self) -> None:
        """Something is repeated when its time has come."""
        self.retransmission = min(2 * self.retransmission, max(self._timeout, _LONGEST))
        if not self._probes:
            self.first = self.retransmission
