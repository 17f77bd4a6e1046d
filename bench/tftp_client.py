"""One client of the load: what it asks for, what it takes, and when it owes an acknowledgement. No socket, no clock.

It receives as RFC 1350, 2347 and 7440 have it: each gap is answered once and at once with the last block in order (as
U-Boot does), that block with its ACK again if it comes again. Every octet is compared with what the file must hold, see
`bench.tftp_content`. A full block in order is the work of `bench.tftp_load`, on this state; everything else comes to
`Client.heard`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.tftp_content import BLOCK_SIZE, PERIOD
from pxed.wire.tftp import Error, Opcode, OptionAck, ReadRequest, decode, encode

DATA = Opcode.DATA << 16
"""the first four octets of a DATA packet as a number, less the block's"""


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
        "address",
        "done",
        "gap",
        "left",
        "mixed",
        "moved",
        "next",
        "outcome",
        "pause",
        "request",
        "seen",
        "tid",
        "want",
        "window",
    )

    def __init__(
        self, address: bytes, order: Order, window: int, pause: float, payloads: Sequence[bytes], outcome: Outcome
    ) -> None:
        self.address = address
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
        self.tid = 0
        """the server's port"""
        self.next = 1
        """block that comes next"""
        self.want = -1
        """opcode and number of that packet; -1 before the server has answered, and after the end"""
        self.window = self.left = 1
        """blocks that are still to come before the next ACK"""
        self.gap = 0
        """the missing block that the server has been told of"""
        self.done = False
        self.mixed = False
        self.seen = -1
        """`next` at the last look for clients that wait"""
        self.moved = 0.0
        """when that look was"""

    def end(self) -> None:
        """Takes nothing any more."""
        self.done = True
        self.want = -1

    def latest(self) -> bytes:
        """What the client said last, to be said again: the request, or the ACK of the last block in order."""
        self.left, self.gap = self.window, 0
        return struct.pack("!HH", Opcode.ACK, (self.next - 1) & 0xFFFF) if self.tid else self.request

    def heard(self, port: int, datagram: bytes) -> bool:
        """Anything but a full and right block in order; whether the last block in order is to be acknowledged now."""
        opcode, number = struct.unpack_from("!HH", datagram.ljust(4, b"\0"))
        if opcode == Opcode.DATA:
            return self._data(port, number, datagram)
        if opcode == Opcode.OACK:
            if self.tid and (self.tid != port or self.next > 1):
                return False
            self._agree(decode(datagram))
            self._answered(port)
            return True
        if opcode == Opcode.ERROR and not self.done and self.tid in {0, port}:
            text = decode(datagram)
            self.outcome.note(f"error {text.code}: {text.text}" if isinstance(text, Error) else "error")
            self.end()
        return False

    def _answered(self, port: int) -> None:
        self.tid = port
        self.want = DATA | 1

    def _data(self, port: int, number: int, datagram: bytes) -> bool:
        if not self.tid:  # no OACK: the server knows no options
            self._answered(port)
        if port != self.tid:
            return False
        behind = (self.next - 1 - number) & 0xFFFF
        if behind < 0x8000:
            self.outcome.repeated += 1
            return not behind  # its ACK was lost
        if behind != 0xFFFF:
            self.outcome.ahead += 1
            self.left = self.window
            told, self.gap = self.gap, self.next
            return told != self.next
        return not self.done and self._take(datagram[4:])

    def _take(self, payload: bytes) -> bool:
        """The block that comes next: the short last one, or one that is not right."""
        last = self.next == self._blocks
        if (len(payload) < self._size) != last:
            if self.next == 1 and len(payload) == 512 != self._size:
                self.outcome.note("no block size but 512")
                self.end()
            return False
        if payload != self._payloads[self.next % PERIOD][: len(payload)]:
            self.outcome.wrong += 1
            if not self._tolerant:
                return False
            self.mixed = True
        self.next += 1
        self.want = DATA | (self.next & 0xFFFF)
        self.left -= 1
        if last:
            self.end()
        if self.left and not last:
            return False
        self.left = self.window
        return True

    def _agree(self, packet: object) -> None:
        options = dict(packet.options) if isinstance(packet, OptionAck) else {}
        if options.get("blksize") != str(self._size):
            self.outcome.note(f"block size {options.get('blksize', '512')}")
        self.window = self.left = self.outcome.window = int(options.get("windowsize", "1"))


def _options(block_size: int, window: int) -> tuple[tuple[str, str], ...]:
    size = (("blksize", str(block_size)),)
    return (*size, ("windowsize", str(window))) if window > 1 else size
