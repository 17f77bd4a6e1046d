"""The DATA packets of a file, prepared as sendmsg(2) takes them: two iovecs a block, its header and its payload.

The iovecs of consecutive blocks lie one after the other, so that a message of any number of blocks is nothing but the
place of its first one: sending needs no work per block. They are made in pieces, when the first client comes to them,
and live as long as some client is there: clients that read the same file in step share them.
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import MutableMapping
from typing import Protocol

from pxed.wire.tftp import Opcode

HEADER = 4
"""octets before the payload"""
PAIR_SHIFT = 5
"""Binary logarithm of the octets of two iovecs"""
_PIECE = 1024
"""blocks; 32 KiB of iovecs, made in a tenth of a millisecond"""
_NUMBERS = 0x10000


class Memory(Protocol):
    """A part of a file in memory: the octets from `origin` on."""

    @property
    def view(self) -> memoryview: ...
    @property
    def address(self) -> int: ...
    @property
    def origin(self) -> int: ...
    @property
    def size(self) -> int:
        """octets of the whole file"""

    @property
    def pieces(self) -> MutableMapping[tuple[int, int], Piece]:
        """(block size, number of the piece) -> those in use"""


class Piece:
    """The iovecs of blocks `first` to `beyond - 1`; those of block n are at `zero + (n << PAIR_SHIFT)`."""

    __slots__ = ("__weakref__", "_iovecs", "beyond", "first", "zero")

    def __init__(self, memory: Memory, block_size: int, first: int, beyond: int) -> None:
        self.first, self.beyond = first, beyond
        count = beyond - first
        offset = (first - 1) * block_size
        payload = memory.address - memory.origin + offset
        numbers = (_HEADERS_AT + HEADER * (block % _NUMBERS) for block in range(first, beyond))
        iovecs = array("Q", bytes(count << PAIR_SHIFT))
        iovecs[0::4] = array("Q", numbers)
        iovecs[1::4] = array("Q", [HEADER]) * count
        iovecs[2::4] = array("Q", range(payload, payload + count * block_size, block_size))
        iovecs[3::4] = array("Q", [block_size]) * count
        iovecs[-1] = min(block_size, memory.size - offset - (count - 1) * block_size)
        self._iovecs = iovecs
        self.zero = iovecs.buffer_info()[0] - (first << PAIR_SHIFT)


def piece_with(memory: Memory, block_size: int, block: int) -> Piece:
    """The piece that holds `block`, from 1 on."""
    number = (block - 1) // _PIECE
    piece = memory.pieces.get((block_size, number))
    if piece is None:
        first = max(number * _PIECE, memory.origin // block_size) + 1
        beyond = min((number + 1) * _PIECE, memory.size // block_size + 1) + 1
        piece = memory.pieces[block_size, number] = Piece(memory, block_size, first, beyond)
    return piece


_HEADERS = bytearray(b"".join(struct.pack("!HH", Opcode.DATA, block) for block in range(_NUMBERS)))
"""The header of every DATA packet that there can be"""
_HEADERS_AT = ctypes.addressof(ctypes.c_char.from_buffer(_HEADERS))
