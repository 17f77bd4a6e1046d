"""One client of the load: what it asks for, what it takes, and when it owes an acknowledgement. No socket, no clock.

It receives as RFC 1350, 2347 and 7440 have it: each gap is answered once and at once with the last block in order (as
U-Boot does), that block with its ACK again if it comes again. Every octet is compared with what the file must hold, see
`bench.tftp_content`. A full block in order is the work of `bench.tftp_turn`, on the same state; everything else comes
to `Client.heard`, which would take those too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.tftp_content import BLOCK_SIZE, PERIOD
from bench.tftp_turn import State
from pxed.wire.tftp import Error, Opcode, OptionAck, ReadRequest, decode, encode


@dataclass(frozen=True, slots=True)
class Order:
    """What a load shall be."""

    server: str
    """IPv4 address"""
    file: str
    blocks: int
    """of the file, the last one included"""
    clients: int
    window: int
    seconds: float
    """after which clients that are not through give up"""
    first_client: str = "10.98.0.1"
    """IPv4 address; the others follow"""
    stop_after: int = 0
    """blocks after which a client stays silent and holds its transfer open until the end; 0: never"""
    port: int = 69
    block_size: int = BLOCK_SIZE
    """octets, of the file's blocks too"""
    pause: float = 0.0
    """seconds that a client takes for each block; it acknowledges a window when it is done with all of it"""
    tolerant: bool = False
    """blocks with wrong octets are counted and taken, as a client takes them that cannot know"""
    neighbours: int = 0
    """clients beside those that are measured: they read the file again and again until those are through"""
    neighbours_window: int = 1
    neighbours_pause: float = 0.0
    away: float = 0.0
    """seconds between the requests and the first look at what has come; the load begins then"""


@dataclass(slots=True)
class Outcome:
    """What a load was; neighbours count in `neighbour_blocks` and nowhere else."""

    seconds: float = 0.0
    """from the first request to the last block, or until the time was over"""
    blocks: int = 0
    """received in order, each with the right octets"""
    complete: int = 0
    """clients that have the whole file"""
    repeated: int = 0
    """blocks that came although the client had them"""
    ahead: int = 0
    """blocks that came after a gap and were dropped"""
    timeouts: int = 0
    """times that a client repeated its latest packet after silence"""
    wrong: int = 0
    """blocks with other octets than the file's"""
    mixed: int = 0
    """clients that have a whole file with wrong octets in it"""
    window: int = 1
    """the window that was agreed on"""
    median_time: float = 0.0
    """of the clients that completed, from the first request of all"""
    slowest_time: float = 0.0
    waiting: float = 0.0
    """datagrams that were there at a look that found any, on average: as many as can be under way if the load is what
    is slow, few if the server is"""
    cpu_seconds: float = 0.0
    """of the load itself, which never sleeps"""
    neighbour_blocks: int = 0
    neighbours_window: int = 1
    """the one that was agreed on with them"""
    errors: list[str] = field(default_factory=list)
    """what servers said, each text once"""

    def note(self, text: str) -> None:
        """Something that a server said."""
        if text not in self.errors:
            self.errors.append(text)


class Client:
    """One client's side of one transfer."""

    __slots__ = (
        "_blocks",
        "_payloads",
        "_size",
        "_tolerant",
        "gap",
        "mixed",
        "moved",
        "outcome",
        "pause",
        "request",
        "seen",
        "state",
    )

    def __init__(
        self, state: State, order: Order, window: int, pause: float, payloads: Sequence[bytes], outcome: Outcome
    ) -> None:
        self.state = state
        self.pause = pause
        self.request = encode(ReadRequest(order.file.encode(), "octet", _options(order.block_size, window)))
        self._blocks = order.blocks
        self._size = order.block_size
        self._tolerant = order.tolerant
        self._payloads = payloads
        self.outcome = outcome
        self.restart()

    def restart(self) -> None:
        """As before the first request."""
        state = self.state
        state.next = state.window = state.left = 1
        state.tid = state.done = 0
        state.pauses = self.pause > 0
        self.gap = 0
        """the missing block that the server has been told of"""
        self.mixed = False
        self.seen = -1
        """`state.next` at the last look for clients that wait"""
        self.moved = 0.0
        """when that look was"""

    def end(self) -> None:
        """Takes nothing any more."""
        self.state.done = 1

    def latest(self) -> bytes:
        """What the client said last, to be said again: the request, or the ACK of the last block in order."""
        self.state.left, self.gap = self.state.window, 0
        return self.acknowledgement() if self.state.tid else self.request

    def acknowledgement(self) -> bytes:
        """The ACK of the last block in order."""
        return struct.pack("!HH", Opcode.ACK, (self.state.next - 1) & 0xFFFF)

    def heard(self, port: int, datagram: bytes) -> bool:
        """Anything but a full and right block in order; whether the last block in order is to be acknowledged now."""
        state = self.state
        opcode, number = struct.unpack_from("!HH", datagram.ljust(4, b"\0"))
        if opcode == Opcode.DATA:
            return self._data(port, number, datagram)
        if opcode == Opcode.OACK:
            if state.tid and (state.tid != port or state.next > 1):
                return False
            self._agree(decode(datagram))
            state.tid = port
            return True
        if opcode == Opcode.ERROR and not state.done and state.tid in {0, port}:
            text = decode(datagram)
            self.outcome.note(f"error {text.code}: {text.text}" if isinstance(text, Error) else "error")
            self.end()
        return False

    def _data(self, port: int, number: int, datagram: bytes) -> bool:
        state = self.state
        if not state.tid:  # no OACK: the server knows no options
            state.tid = port
        if port != state.tid:
            return False
        behind = (state.next - 1 - number) & 0xFFFF
        if behind < 0x8000:
            self.outcome.repeated += 1
            return not behind  # its ACK was lost
        if behind != 0xFFFF:
            self.outcome.ahead += 1
            state.left = state.window
            told, self.gap = self.gap, state.next
            return told != state.next
        return not state.done and self._take(datagram[4:])

    def _take(self, payload: bytes) -> bool:
        """The block that comes next: the short last one, or one that is not right."""
        state = self.state
        last = state.next == self._blocks
        if (len(payload) < self._size) != last:
            if state.next == 1 and len(payload) == 512 != self._size:
                self.outcome.note("no block size but 512")
                self.end()
            return False
        if payload != self._payloads[state.next % PERIOD][: len(payload)]:
            self.outcome.wrong += 1
            if not self._tolerant:
                return False
            self.mixed = True
        state.next += 1
        state.left -= 1
        if last:
            self.end()
        if state.left and not last:
            return False
        state.left = state.window
        return True

    def _agree(self, packet: object) -> None:
        options = dict(packet.options) if isinstance(packet, OptionAck) else {}
        if options.get("blksize") != str(self._size):
            self.outcome.note(f"block size {options.get('blksize', '512')}")
        self.state.window = self.state.left = self.outcome.window = int(options.get("windowsize", "1"))


def _options(block_size: int, window: int) -> tuple[tuple[str, str], ...]:
    size = (("blksize", str(block_size)),)
    return (*size, ("windowsize", str(window))) if window > 1 else size
