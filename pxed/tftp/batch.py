"""Datagrams in batches: one system call receives many ACKs, one sends the blocks of many transfers.

A `Batch` wraps one UDP socket. `receive` yields what came; `add` queues a range of blocks on a `Lane` (where to, what
from); `flush` sends all that was queued. Nothing above knows how it is done:

* `SystemBatch` keeps the arrays of recvmmsg(2) and sendmmsg(2) prepared. All blocks of a range that fit in one datagram
  of 64 KiB are one message, which the kernel or the network card cuts up (UDP_SEGMENT, udp(7)); what is in it was
  prepared once for all clients (`blocks`), so that sending a window costs as little as sending a block.
  Where the compiled part is (`_acks.c`), it receives, and answers the ACKs that transfers wait for.
* `PlainBatch` does the same with the socket module, one datagram a call, where the C library lacks those calls.

The socket is a blocking one: receiving never waits (MSG_DONTWAIT), sending waits for room in the send buffer as long as
SO_SNDTIMEO says, so that a full link slows the sender down instead of losing packets.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from pxed import mmsg
from pxed.tftp import fields
from pxed.tftp.blocks import HEADER, PAIR_SHIFT, Memory, Piece, piece_with
from pxed.tftp.fields import DeliveryFields, LaneFields
from pxed.wire.tftp import Opcode

Peer = bytes
"""The first 8 octets of a sockaddr_in (family, port, IPv4 address): names a client's socket."""
Packet = tuple[Peer, int, int]
"""(sender, opcode, block number or error code); the opcode is NO_OPCODE if the datagram is too short for both"""

NO_OPCODE = 0

RECEIVED = 64
"""datagrams a call"""
HEAD = 64
"""octets of a datagram that are kept; an ACK has 4, an ERROR a text of which this much is enough"""
_QUEUED = 128
"""messages a call"""
_SEGMENTS = 64
"""blocks a message: UDP_MAX_SEGMENTS of the kernels that have least"""
_MAX_DATAGRAM = 65507
_SOCKADDR = 16
_UDP_SEGMENT = 103
"""linux/udp.h"""

_peer_head = struct.Struct("=H")
_port = struct.Struct("!H")
# Addresses as L and not as Q, which takes the struct module twice as long.
_mmsghdr = struct.Struct("LI4xLLLLi4xI4x")  # name, its length, iovecs, their number, control, its length, flags, length
_msghdr = struct.Struct("LI4xLLLL")
_iovec = struct.Struct("LL")
_segment_size = struct.Struct("QiiH6x")  # cmsghdr of 18 octets with UDP_SEGMENT, padded
_CONTROL = _segment_size.size
_record = struct.Struct(f">8s8xHH{HEAD - 4}x")  # sockaddr_in, then the datagram's head
_LENGTH_AT = 56 if sys.byteorder == "little" else 59
"""Octet of an mmsghdr that tells the length of a datagram of at most 255 octets"""
_pack_message = _msghdr.pack_into


class Lane(LaneFields):
    """One client and the file that goes to it, prepared for sending; holds what the kernel reads from."""

    __slots__ = ("block_size", "control_buffer", "earlier", "memory", "peer", "piece")

    def __init__(self, peer: Peer, memory: Memory, block_size: int) -> None:
        self.block_size = block_size
        self.segments = max(1, min(_SEGMENTS, _MAX_DATAGRAM // (block_size + HEADER)))
        self.peer = bytearray(peer + bytes(_SOCKADDR - len(peer)))
        self.name = mmsg.pointer_to(self.peer)
        self.control_buffer = bytearray(_segment_size.pack(18, socket.IPPROTO_UDP, _UDP_SEGMENT, block_size + HEADER))
        self.control = mmsg.pointer_to(self.control_buffer)
        self.piece: Piece | None = None
        self.read_from(memory)

    def read_from(self, memory: Memory) -> None:
        """Other memory with the same file; what is queued still refers to the old one."""
        self.earlier = self.piece
        self.memory = memory
        self.piece = None
        self.first = self.beyond = self.iovecs = 0

    def turn_to(self, block: int) -> None:
        """Takes the piece that holds `block`; what is queued still refers to the old one."""
        self.piece = piece = piece_with(self.memory, self.block_size, block)
        self.first, self.beyond, self.iovecs = piece.first, piece.beyond, piece.zero


class Batch(Protocol):
    """Batched datagram I/O on one socket."""

    count: int
    """how many datagrams the last `receive` took"""

    def receive(self, deliveries: Mapping[Peer, DeliveryFields], now: float, longest: int) -> list[Packet]:
        """What has come, up to RECEIVED datagrams. ACKs that one of `deliveries` awaits may be left out: then their
        windows, of up to `longest` blocks, are sent already, and their sessions know, at `now` (monotonic seconds).
        """

    def text(self, index: int) -> bytes:
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
    return SystemBatch(sock) if mmsg.BATCHED else PlainBatch(sock)


class PlainBatch:
    """Datagrams one by one."""

    def __init__(self, sock: socket.socket) -> None:
        self.count = 0
        self._socket = sock
        self._queue: list[tuple[Lane, int]] = []
        self._received: list[bytes] = []

    def receive(self, deliveries: Mapping[Peer, DeliveryFields], now: float, longest: int) -> list[Packet]:
        """As in `Batch`."""
        packets: list[Packet] = []
        self._received.clear()
        for _ in range(RECEIVED):
            try:
                head, address = self._socket.recvfrom(HEAD, socket.MSG_DONTWAIT)
            except OSError:
                break
            opcode, number = struct.unpack("!HH", head[:HEADER]) if len(head) >= HEADER else (NO_OPCODE, 0)
            packets.append((peer_of(*address), opcode, number))
            self._received.append(head)
        self.count = len(packets)
        return packets

    def text(self, index: int) -> bytes:
        """As in `Batch`."""
        return self._received[index][HEADER:]

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

    def __init__(self, sock: socket.socket, *, compiled: bool = fields.COMPILED) -> None:
        self.count = 0
        self._fd = sock.fileno()
        self._compiled = compiled
        self._shown: Sequence[int] = ()
        """at which places the datagrams lie that the last `receive` gave"""
        self._segmentation = True
        self._queued = 0
        """messages"""
        self._left: list[Piece | None] = []
        """pieces that lanes have turned away from and messages still refer to"""
        self._unreadable: list[Peer] = []
        self._messages = bytearray(_QUEUED * _mmsghdr.size)
        self._messages_at = mmsg.pointer_to(self._messages)
        self._records = bytearray(RECEIVED * _record.size)
        self._received = bytearray(RECEIVED * _mmsghdr.size)
        self._received_at = mmsg.pointer_to(self._received)
        self._received_iovecs = bytearray(RECEIVED * _iovec.size)
        self._prepare_receiving()
        self._heads_view = memoryview(self._records)

    def _prepare_receiving(self) -> None:
        records, iovecs = mmsg.pointer_to(self._records), mmsg.pointer_to(self._received_iovecs)
        for index in range(RECEIVED):
            record = records + index * _record.size
            iovec = index * _iovec.size
            _iovec.pack_into(self._received_iovecs, iovec, record + _SOCKADDR, HEAD)
            message = (record, _SOCKADDR, iovecs + iovec, 1, 0, 0, 0, 0)
            _mmsghdr.pack_into(self._received, index * _mmsghdr.size, *message)

    def receive(self, deliveries: Mapping[Peer, DeliveryFields], now: float, longest: int) -> list[Packet]:
        """As in `Batch`."""
        if self._compiled:
            self.count, self._shown = self._exchange(deliveries, now, longest)
            packets: list[Packet] = [_record.unpack_from(self._records, place * _record.size) for place in self._shown]
        else:
            self.count = max(mmsg.recvmmsg(self._fd, self._received_at, RECEIVED, socket.MSG_DONTWAIT, None), 0)
            self._shown = range(self.count)
            packets = list(_record.iter_unpack(self._heads_view[: self.count * _record.size]))
        if packets and min(lengths := self._lengths(self.count)) < HEADER:
            for index, place in enumerate(self._shown):
                if lengths[place] < HEADER:
                    packets[index] = packets[index][0], NO_OPCODE, 0
        return packets

    def _exchange(
        self, deliveries: Mapping[Peer, DeliveryFields], now: float, longest: int
    ) -> tuple[int, Sequence[int]]:
        """How many datagrams have come, and the places of those that are not answered."""
        if self._queued:
            self._send()
        most = longest if self._segmentation else min(longest, 1)
        count, shown, queued, sent = fields.exchange(
            self._fd, deliveries, self._received, self._records, self._messages, now, most
        )
        if sent < queued:
            self._queued = queued
            self._send(sent)
        return count, shown

    def _lengths(self, count: int) -> bytearray:
        return self._received[_LENGTH_AT : count * _mmsghdr.size : _mmsghdr.size]

    def text(self, index: int) -> bytes:
        """As in `Batch`."""
        place = self._shown[index]
        start = place * _record.size + _SOCKADDR
        return bytes(self._records[start + HEADER : start + min(self._lengths(RECEIVED)[place], HEAD)])

    def add(self, lane: Lane, first: int, count: int) -> None:
        """As in `Batch`."""
        if first < lane.first or first + count > lane.beyond:
            self._add_in_parts(lane, first, count)
            return
        index = self._queued
        iovecs = lane.iovecs + (first << PAIR_SHIFT)
        if count == 1:
            _pack_message(self._messages, index << 6, lane.name, _SOCKADDR, iovecs, 2, 0, 0)
        elif count <= lane.segments and self._segmentation:
            control = lane.control
            _pack_message(self._messages, index << 6, lane.name, _SOCKADDR, iovecs, count << 1, control, _CONTROL)
        else:
            self._add_in_parts(lane, first, count)
            return
        self._queued = index + 1
        if index == _QUEUED - 1:
            self._send()

    def _add_in_parts(self, lane: Lane, first: int, count: int) -> None:
        """Several messages, since one datagram or one piece does not hold all blocks."""
        beyond = first + count
        while first < beyond:
            if not lane.first <= first < lane.beyond:
                self._left.append(lane.piece)
                lane.turn_to(first)
            part = min(beyond - first, lane.beyond - first, lane.segments if self._segmentation else 1)
            self.add(lane, first, part)
            first += part

    def flush(self) -> list[Peer]:
        """As in `Batch`."""
        if self._queued:
            self._send()
        if not self._unreadable:
            return []
        unreadable, self._unreadable = self._unreadable, []
        return unreadable

    def _send(self, done: int = 0) -> None:
        """All that is queued but the first `done` messages."""
        while done < self._queued:
            sent = mmsg.sendmmsg(self._fd, self._messages_at + done * _mmsghdr.size, self._queued - done, 0)
            if sent > 0:
                done += sent
                continue
            # The message at `done` is the one that failed.
            number = ctypes.get_errno()
            if number == errno.EAGAIN:
                break  # no room for as long as SO_SNDTIMEO: time-outs repeat what is dropped here
            self._failed(done, number)
            done += 1
        self._queued = 0
        self._left.clear()

    def _failed(self, index: int, number: int) -> None:
        """What to do about the message at `index`, which the kernel refused with errno `number`."""
        message = list(_mmsghdr.unpack_from(self._messages, index * _mmsghdr.size))
        name, _, iovecs, parts, control, *_ = message
        if number == errno.EFAULT:
            self._unreadable.append(ctypes.string_at(name, 8))
        elif control:
            # A network card that computes no checksums cannot cut messages up (EIO), some routes not (EINVAL).
            self._segmentation = self._segmentation and number != errno.EIO
            for pair in range(iovecs, iovecs + parts * _iovec.size, 1 << PAIR_SHIFT):
                single = bytearray(_mmsghdr.pack(name, _SOCKADDR, pair, 2, 0, 0, 0, 0))
                mmsg.sendmmsg(self._fd, mmsg.pointer_to(single), 1, 0)
