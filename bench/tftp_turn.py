"""What the load of TFTP does for every block, in C (`tftp_turn.c`): a server is faster than Python can look at blocks.

The state of the clients is one array that both read and write. A turn takes what has come, and gives back what is not
simply the next block.
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path

from bench.compiled import compiled
from bench.tftp_content import BLOCK_SIZE, PAYLOADS, PERIOD

BATCH = 128
"""datagrams that a turn takes at most"""


class State(ctypes.Structure):
    """Where a client is in its transfer."""

    _fields_ = (
        ("next", ctypes.c_uint32),
        ("window", ctypes.c_uint32),
        ("left", ctypes.c_uint32),
        ("tid", ctypes.c_uint16),
        ("done", ctypes.c_uint8),
        ("pauses", ctypes.c_uint8),
    )
    next: int
    """block that comes next, from 1, and on beyond the 65535 of its number in a packet"""
    window: int
    """blocks that are acknowledged together"""
    left: int
    """blocks that are still to come before the next ACK"""
    tid: int
    """the server's port; 0 before it has answered"""
    done: int
    """whether nothing is taken any more"""
    pauses: int
    """whether an ACK waits until the client is done with the window"""


class Passed(ctypes.Structure):
    """A datagram that is not simply the next block."""

    _fields_ = (
        ("datagram", ctypes.c_void_p),
        ("length", ctypes.c_uint32),
        ("client", ctypes.c_uint32),
        ("port", ctypes.c_uint16),
    )
    datagram: int
    """where it lies until the turn goes on"""
    length: int
    client: int
    """whose it is, as an index"""
    port: int
    """it came from"""


class _Setting(ctypes.Structure):
    _fields_ = (
        ("clients", ctypes.POINTER(State)),
        ("payloads", ctypes.c_char_p),
        ("count", ctypes.c_uint32),  # of clients, the first of which has the address
        ("first", ctypes.c_uint32),
        ("server", ctypes.c_uint32),
        ("blocks", ctypes.c_uint32),  # of the file, each of so many octets
        ("size", ctypes.c_uint32),
        ("stride", ctypes.c_uint32),  # from one payload to the next, and how many there are
        ("period", ctypes.c_uint32),
        ("batch", ctypes.c_uint32),
        ("fd", ctypes.c_int32),
        ("all", ctypes.c_int32),
    )


class Turns:
    """The turns of a load on its socket; `close` when there are no more.

    `first_client` and `server` are IPv4 addresses; client n of `states` has the address n after the first. `given` is
    called with each datagram that is no full block in order with the right octets, and says whether the last block in
    order is to be acknowledged; with `all_given`, so that C and Python can be compared, it is called with every one.
    """

    def __init__(
        self,
        sock: socket.socket,
        states: ctypes.Array[State],
        first_client: str,
        server: str,
        blocks: int,
        block_size: int,
        given: Callable[[int, int, bytes], bool],
        *,
        all_given: bool = False,
    ) -> None:
        self._library = library()
        self._payloads = b"".join(PAYLOADS)  # kept, as the states are: C only knows where they lie
        self._states = states
        self._given = given
        self._passed = Passed()
        setting = _Setting(
            states,
            self._payloads,
            len(states),
            number_of(first_client),
            number_of(server),
            blocks,
            block_size,
            BLOCK_SIZE,
            PERIOD,
            BATCH,
            sock.fileno(),
            all_given,
        )
        self._load = self._library.load_new(ctypes.byref(setting))
        if not self._load:
            raise MemoryError

    def turn(self) -> int:
        """Takes what has come and acknowledges it: so many datagrams. Never sleeps, so that no server's time is spent
        on waking it up."""
        turn, load, passed = self._library.load_turn, self._load, self._passed
        while (count := int(turn(load, passed))) < 0:
            number = passed.client
            if self._given(number, passed.port, ctypes.string_at(passed.datagram, passed.length)):
                self._library.load_acknowledge(load, number)
        return count

    def close(self) -> None:
        """Frees what C holds."""
        self._library.load_free(self._load)


def number_of(address: str) -> int:
    """An IPv4 address as a number."""
    return int.from_bytes(socket.inet_aton(address), "big")


@cache
def library() -> ctypes.CDLL:
    """The compiled part; RuntimeError with the compiler's words if there is none."""
    found = compiled(Path(__file__).with_suffix(".c"))
    for name, structure in (("client_size", State), ("passed_size", Passed), ("setting_size", _Setting)):
        assert ctypes.c_size_t.in_dll(found, name).value == ctypes.sizeof(structure)  # noqa: S101 - one layout for both
    found.load_new.restype = ctypes.c_void_p
    found.load_turn.argtypes = (ctypes.c_void_p, ctypes.POINTER(Passed))
    found.load_turn.restype = ctypes.c_int32
    found.load_acknowledge.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    found.load_acknowledge.restype = None
    found.load_free.argtypes = (ctypes.c_void_p,)
    found.load_free.restype = None
    return found
