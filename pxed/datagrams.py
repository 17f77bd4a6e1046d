"""Whole datagrams in batches: one system call receives many, one sends many.

A `Datagrams` wraps one non-blocking UDP socket. `SystemDatagrams` keeps the arrays of recvmmsg(2) and sendmmsg(2)
prepared; `PlainDatagrams` does the same with the socket module, one datagram a call, where the C library lacks those.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from pxed import mmsg

Address = tuple[str, int]
Received = tuple[bytes, Address]
"""A datagram and where it came from."""

BATCH = 64
"""datagrams a call"""
LARGEST = 4096
"""octets; of a longer datagram this much is received, and one octet more so that it is noticed"""

_SLOT = LARGEST + 8
_SOCKADDR = 16
_sockaddr = struct.Struct("=HH4s8x")  # sockaddr_in; port and address stay in network order
_mmsghdr = struct.Struct("QI4xQQQQi4xI4x")  # name, its length, iovecs, their number, control, its length, flags, length
_iovec = struct.Struct("QQ")
_LENGTH_AT = 56
"""octet of an mmsghdr at which the length of the datagram is"""
_PART_AT = 8
"""octet of an iovec at which its length is"""
_number = struct.Struct("=I")
_size = struct.Struct("=Q")


class Datagrams(Protocol):
    """Batched datagram I/O on one socket."""

    def receive(self) -> Sequence[Received]:
        """What has come, up to BATCH datagrams; empty if there is nothing."""

    def send(self, datagrams: Sequence[Received]) -> int:
        """Sends each to its address; how many the kernel did not take."""


def datagrams_on(sock: socket.socket) -> Datagrams:
    """The fastest way that this system has for `sock`."""
    return SystemDatagrams(sock) if mmsg.BATCHED else PlainDatagrams(sock)


class PlainDatagrams:
    """Datagrams one by one."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def receive(self) -> Sequence[Received]:
        """As in `Datagrams`."""
        received: list[Received] = []
        for _ in range(BATCH):
            try:
                received.append(self._socket.recvfrom(LARGEST + 1))
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error for an earlier datagram: that client's trouble
        return received

    def send(self, datagrams: Sequence[Received]) -> int:
        """As in `Datagrams`."""
        unsent = 0
        for data, address in datagrams:
            try:
                self._socket.sendto(data, address)
            except OSError:
                unsent += 1
        return unsent


class SystemDatagrams:
    """Datagrams by recvmmsg(2) and sendmmsg(2)."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._receiving = _Slots()
        self._sending = _Slots()

    def receive(self) -> Sequence[Received]:
        """As in `Datagrams`."""
        slots = self._receiving
        for _ in range(BATCH):
            count: int = mmsg.recvmmsg(self._socket.fileno(), slots.messages_at, BATCH, socket.MSG_DONTWAIT, None)
            if count > 0:
                return [slots.taken(index) for index in range(count)]
            if ctypes.get_errno() == errno.EAGAIN:
                break
            # an ICMP error for an earlier datagram: that client's trouble
        return ()

    def send(self, datagrams: Sequence[Received]) -> int:
        """As in `Datagrams`."""
        unsent = 0
        slots = self._sending
        for start in range(0, len(datagrams), BATCH):
            part = datagrams[start : start + BATCH]
            for index, (data, address) in enumerate(part):
                slots.put(index, data, address)
            done = 0
            while done < len(part):
                sent: int = mmsg.sendmmsg(
                    self._socket.fileno(), slots.messages_at + done * _mmsghdr.size, len(part) - done, 0
                )
                if sent > 0:
                    done += sent
                else:  # full buffer or no route for the one at `done`
                    unsent += 1
                    done += 1
        return unsent


class _Slots:
    """BATCH messages, each with room for an address and a datagram."""

    def __init__(self) -> None:
        self._messages = bytearray(BATCH * _mmsghdr.size)
        self._parts = bytearray(BATCH * _iovec.size)
        self._names = bytearray(BATCH * _SOCKADDR)
        self._data = bytearray(BATCH * _SLOT)
        self._view = memoryview(self._data)
        self.messages_at = mmsg.pointer_to(self._messages)
        parts, names, data = map(mmsg.pointer_to, (self._parts, self._names, self._data))
        for index in range(BATCH):
            part = index * _iovec.size
            _iovec.pack_into(self._parts, part, data + index * _SLOT, LARGEST + 1)
            message = names + index * _SOCKADDR, _SOCKADDR, parts + part, 1, 0, 0, 0, 0
            _mmsghdr.pack_into(self._messages, index * _mmsghdr.size, *message)

    def taken(self, index: int) -> Received:
        """The datagram that was received into a slot."""
        (length,) = _number.unpack_from(self._messages, index * _mmsghdr.size + _LENGTH_AT)
        data, name = index * _SLOT, index * _SOCKADDR
        return bytes(self._view[data : data + length]), _read_name(bytes(self._names[name : name + 8]))

    def put(self, index: int, data: bytes, address: Address) -> None:
        """Fills a slot for sending."""
        at, name = index * _SLOT, index * _SOCKADDR
        self._view[at : at + len(data)] = data
        self._names[name : name + _SOCKADDR] = _name_of(address)
        _size.pack_into(self._parts, index * _iovec.size + _PART_AT, len(data))


@lru_cache(maxsize=1024)
def _name_of(address: Address) -> bytes:
    return _sockaddr.pack(socket.AF_INET, socket.htons(address[1]), socket.inet_aton(address[0]))


@lru_cache(maxsize=1024)
def _read_name(name: bytes) -> Address:
    return socket.inet_ntoa(name[4:8]), int.from_bytes(name[2:4])
