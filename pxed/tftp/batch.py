"""Datagrams in batches: one system call receives many ACKs, one sends the blocks of many transfers.

A `Batch` wraps one UDP socket. `receive` yields what came; `add` queues a range of blocks on a `Lane` (where to, what
from); `flush` sends all that was queued. Nothing here knows what a transfer is, and nothing above knows how it is done:

* `SystemBatch` keeps the arrays of recvmmsg(2) and sendmmsg(2) prepared and fills in numbers with `struct.pack_into`.
  Headers come from a table, payload straight from the file's memory. All blocks of a range that fit in one datagram of
  64 KiB are one message, which the kernel or the network card cuts up (UDP_SEGMENT, udp(7)).
* `PlainBatch` does the same with the socket module, one datagram a call, where the C library lacks those calls.

The socket is a blocking one: receiving never waits (MSG_DONTWAIT), sending waits for room in the send buffer as long as
SO_SNDTIMEO says, so that a full link slows the sender down instead of losing packets.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterable
from typing import Protocol

from pxed.wire.tftp import Opcode

Peer = bytes
"""The first 8 octets of a sockaddr_in (family, port, IPv4 address): names a client's socket."""
Packet = tuple[tuple[Peer, int, int], tuple[int]]
"""((sender, opcode, block number or error code), (length,)); with a length below 4 the numbers are void"""

RECEIVED = 64
"""datagrams a call"""
HEAD = 64
"""octets of a datagram that are kept; an ACK has 4, an ERROR a text of which this much is enough"""
_QUEUED = 128
"""messages a call"""
_SEGMENTS = 64
"""blocks a message: UDP_MAX_SEGMENTS of the kernels that have least"""
_MAX_DATAGRAM = 65507
_HEADER = 4
_SOCKADDR = 16
_UDP_SEGMENT = 103
"""linux/udp.h"""

_peer_head = struct.Struct("=H")
_port = struct.Struct("!H")
_mmsghdr = struct.Struct("QI4xQQQQi4xI4x")  # name, its length, iovecs, their number, control, its length, flags, length
_msghdr = struct.Struct("QI4xQQQQ")
_iovec = struct.Struct("QQ")
_iovec_pair = struct.Struct("QQQQ")
_segment_size = struct.Struct("QiiH6x")  # cmsghdr of 18 octets with UDP_SEGMENT, padded
_record = struct.Struct(f">8s8xHH{HEAD - 4}x")  # sockaddr_in, then the datagram's head
_length = struct.Struct("56xI4x")  # of an mmsghdr
_pack_message, _pack_pair = _msghdr.pack_into, _iovec_pair.pack_into
_PAIR = _iovec_pair.size  # header and payload of one block
_FULL = 2048 * _PAIR
"""octets of iovecs after which a call is made, for some hundred messages or some dozens of large ones"""


class Memory(Protocol):
    """A piece of a file in memory: the octets from `origin` on."""

    @property
    def view(self) -> memoryview: ...
    @property
    def address(self) -> int: ...
    @property
    def origin(self) -> int: ...
    @property
    def size(self) -> int:
        """octets of the whole file"""


class Lane:
    """One client and the file that goes to it, prepared for sending; holds what the kernel reads from."""

    __slots__ = ("base", "block_size", "control", "control_buffer", "memory", "name", "peer", "segments", "size")

    def __init__(self, peer: Peer, memory: Memory, block_size: int) -> None:
        self.read_from(memory)
        self.size = memory.size
        self.block_size = block_size
        self.segments = max(1, min(_SEGMENTS, _MAX_DATAGRAM // (block_size + _HEADER)))
        self.peer = bytearray(peer + bytes(_SOCKADDR - len(peer)))
        self.name = _address_of_buffer(self.peer)
        self.control_buffer = bytearray(_segment_size.pack(18, socket.IPPROTO_UDP, _UDP_SEGMENT, block_size + _HEADER))
        self.control = _address_of_buffer(self.control_buffer)

    def read_from(self, memory: Memory) -> None:
        """Other memory with the same file; what is queued still refers to the old one."""
        self.memory = memory
        self.base = memory.address - memory.origin


class Batch(Protocol):
    """Batched datagram I/O on one socket."""

    def receive(self) -> Iterable[Packet]:
        """What has come, up to RECEIVED datagrams; to be used up before the next call."""

    def text(self, index: int, length: int) -> bytes:
        """What follows the two numbers of packet `index` of the last `receive`, up to HEAD octets of a datagram."""

    def add(self, lane: Lane, first: int, count: int) -> None:
        """Queues DATA packets `first` to `first + count - 1` (block numbers that do not wrap, from 1).

        Only addresses are queued: the caller keeps `lane` and its memory until `flush`.
        """

    def flush(self) -> list[Peer]:
        """Sends what is queued. Packets that cannot be sent are dropped, as a network does; returns the peers whose
        file is not readable any more (it was shortened)."""


def peer_of(address: str, port: int) -> Peer:
    """The name of a client's socket."""
    return _peer_head.pack(socket.AF_INET) + _port.pack(port) + socket.inet_aton(address)


def address_of(peer: Peer) -> tuple[str, int]:
    """The reverse of `peer_of`."""
    return socket.inet_ntoa(peer[4:8]), int(_port.unpack_from(peer, 2)[0])


def batch_for(sock: socket.socket) -> Batch:
    """The fastest batch that this system has for `sock`."""
    return SystemBatch(sock) if BATCHED else PlainBatch(sock)


class PlainBatch:
    """Datagrams one by one."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._queue: list[tuple[Lane, int]] = []
        self._received: list[bytes] = []

    def receive(self) -> Iterable[Packet]:
        """As in `Batch`."""
        packets: list[Packet] = []
        self._received.clear()
        for _ in range(RECEIVED):
            try:
                head, address = self._socket.recvfrom(HEAD, socket.MSG_DONTWAIT)
            except OSError:
                break
            opcode, number = struct.unpack("!HH", head[:_HEADER].ljust(_HEADER, b"\0"))
            packets.append(((peer_of(*address), opcode, number), (len(head),)))
            self._received.append(head)
        return packets

    def text(self, index: int, length: int) -> bytes:
        """As in `Batch`."""
        return self._received[index][_HEADER:length]

    def add(self, lane: Lane, first: int, count: int) -> None:
        """As in `Batch`."""
        self._queue += [(lane, block) for block in range(first, first + count)]

    def flush(self) -> list[Peer]:
        """As in `Batch`."""
        unreadable: list[Peer] = []
        for lane, block in self._queue:
            start = (block - 1) * lane.block_size - lane.memory.origin
            payload = lane.memory.view[start : start + lane.block_size]
            header = struct.pack("!HH", Opcode.DATA, block & 0xFFFF)
            peer = bytes(lane.peer[:8])
            try:
                self._socket.sendmsg([header, payload], [], 0, address_of(peer))
            except OSError as error:
                if error.errno == errno.EFAULT:
                    unreadable.append(peer)
        self._queue.clear()
        return unreadable


class SystemBatch:
    """Datagrams by recvmmsg(2) and sendmmsg(2)."""

    def __init__(self, sock: socket.socket) -> None:
        self._fd = sock.fileno()
        self._segmentation = True
        self._queued = 0
        """messages"""
        self._filled = 0
        """octets of `_iovecs`"""
        self._unreadable: list[Peer] = []
        self._iovecs = bytearray(_FULL + _SEGMENTS * _PAIR)
        self._iovecs_at = _address_of_buffer(self._iovecs)
        self._messages = bytearray(_QUEUED * _mmsghdr.size)
        self._messages_at = _address_of_buffer(self._messages)
        self._records = bytearray(RECEIVED * _record.size)
        self._received = bytearray(RECEIVED * _mmsghdr.size)
        self._received_at = _address_of_buffer(self._received)
        self._received_iovecs = bytearray(RECEIVED * _iovec.size)
        self._prepare_receiving()
        self._heads_view, self._received_view = memoryview(self._records), memoryview(self._received)

    def _prepare_receiving(self) -> None:
        records, iovecs = _address_of_buffer(self._records), _address_of_buffer(self._received_iovecs)
        for index in range(RECEIVED):
            record = records + index * _record.size
            iovec = index * _iovec.size
            _iovec.pack_into(self._received_iovecs, iovec, record + _SOCKADDR, HEAD)
            message = (record, _SOCKADDR, iovecs + iovec, 1, 0, 0, 0, 0)
            _mmsghdr.pack_into(self._received, index * _mmsghdr.size, *message)

    def receive(self) -> Iterable[Packet]:
        """As in `Batch`."""
        count = _recvmmsg(self._fd, self._received_at, RECEIVED, socket.MSG_DONTWAIT, None)
        if count <= 0:
            return ()
        heads = _record.iter_unpack(self._heads_view[: count * _record.size])
        return zip(heads, _length.iter_unpack(self._received_view[: count * _mmsghdr.size]), strict=True)

    def text(self, index: int, length: int) -> bytes:
        """As in `Batch`."""
        start = index * _record.size + _SOCKADDR
        return bytes(self._records[start + _HEADER : start + min(length, HEAD)])

    def add(self, lane: Lane, first: int, count: int) -> None:
        """As in `Batch`."""
        block_size = lane.block_size
        offset = (first - 1) * block_size
        left = lane.size - offset
        at = lane.base + offset
        if count == 1:  # lock step, which is most of all traffic: the loop below would cost half as much again
            pair = self._filled
            header = _HEADERS_AT + ((first & 0xFFFF) << 2)
            _pack_pair(self._iovecs, pair, header, _HEADER, at, block_size if left > block_size else left)
            index = self._queued
            _pack_message(self._messages, index << 6, lane.name, _SOCKADDR, self._iovecs_at + pair, 2, 0, 0)
            self._filled = pair + _PAIR
            self._queued = index + 1
            if index == _QUEUED - 1:
                self._send()
            return
        while count:
            start = self._filled
            segments = min(count, lane.segments) if self._segmentation else 1
            for pair in range(start, start + segments * _PAIR, _PAIR):
                header = _HEADERS_AT + ((first & 0xFFFF) << 2)
                _pack_pair(self._iovecs, pair, header, _HEADER, at, block_size if left > block_size else left)
                first += 1
                at += block_size
                left -= block_size
            index = self._queued
            control = (lane.control, _segment_size.size) if segments > 1 else (0, 0)
            parts = segments << 1
            _pack_message(self._messages, index << 6, lane.name, _SOCKADDR, self._iovecs_at + start, parts, *control)
            count -= segments
            self._filled = start + segments * _PAIR
            self._queued = index + 1
            if index == _QUEUED - 1 or self._filled > _FULL:
                self._send()

    def flush(self) -> list[Peer]:
        """As in `Batch`."""
        if self._queued:
            self._send()
        if not self._unreadable:
            return []
        unreadable, self._unreadable = self._unreadable, []
        return unreadable

    def _send(self) -> None:
        done = 0
        while done < self._queued:
            sent = _sendmmsg(self._fd, self._messages_at + done * _mmsghdr.size, self._queued - done, 0)
            if sent > 0:
                done += sent
                continue
            # The message at `done` is the one that failed.
            number = ctypes.get_errno()
            if number == errno.EAGAIN:
                break  # no room for as long as SO_SNDTIMEO: time-outs repeat what is dropped here
            self._failed(done, number)
            done += 1
        self._queued = self._filled = 0

    def _failed(self, index: int, number: int) -> None:
        """What to do about the message at `index`, which the kernel refused with errno `number`."""
        message = list(_mmsghdr.unpack_from(self._messages, index * _mmsghdr.size))
        name, _, iovecs, parts, control, *_ = message
        if number == errno.EFAULT:
            self._unreadable.append(ctypes.string_at(name, 8))
        elif control:
            # A network card that computes no checksums cannot cut messages up (EIO), some routes not (EINVAL).
            self._segmentation = self._segmentation and number != errno.EIO
            for pair in range(iovecs, iovecs + parts * _iovec.size, _PAIR):
                single = bytearray(_mmsghdr.pack(name, _SOCKADDR, pair, 2, 0, 0, 0, 0))
                _sendmmsg(self._fd, _address_of_buffer(single), 1, 0)


def _address_of_buffer(buffer: bytearray) -> int:
    """Where `buffer` lies; it stays there as long as its length does not change."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


_HEADERS = bytearray(b"".join(struct.pack("!HH", Opcode.DATA, block) for block in range(0x10000)))
"""The header of every DATA packet that there can be"""
_HEADERS_AT = _address_of_buffer(_HEADERS)

_libc = ctypes.CDLL(None, use_errno=True)
BATCHED = hasattr(_libc, "recvmmsg") and hasattr(_libc, "sendmmsg")
if BATCHED:
    _recvmmsg, _sendmmsg = _libc.recvmmsg, _libc.sendmmsg
    _recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
    _sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
