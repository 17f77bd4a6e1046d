"""Batched datagram I/O: both kinds of batch do the same."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pxed.tftp.batch import (
    HEAD,
    NO_OPCODE,
    RECEIVED,
    Batch,
    Lane,
    Packet,
    PlainBatch,
    SystemBatch,
    address_of,
    batch_for,
    peer_of,
)
from pxed.tftp.source import Source, Sources
from pxed.wire.tftp import Data, decode


@dataclass
class Ends:
    """A batch and, on the other side, an ordinary socket."""

    batch: Batch
    ours: socket.socket
    theirs: socket.socket

    @property
    def peer(self) -> bytes:
        return peer_of(*self.theirs.getsockname())

    def received(self) -> list[Packet]:
        return self.batch.receive({}, 0.0, 64)

    def heard(self) -> Data:
        packet = decode(self.theirs.recv(65536))
        assert isinstance(packet, Data)
        return packet


@pytest.fixture(params=[PlainBatch, SystemBatch])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
    ):
        for sock in (ours, theirs):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.bind(("127.0.0.1", 0))
        theirs.settimeout(10)
        yield Ends(request.param(ours), ours, theirs)


@pytest.fixture
def content() -> bytes:
    return os.urandom(300_000)


@pytest.fixture
def source(content: bytes) -> Iterator[Source]:
    fd = os.memfd_create("file")
    os.write(fd, content)
    sources = Sources()
    taken = sources.take(fd, netascii=False)
    yield taken
    sources.give_back(taken)


def test_a_peer_is_its_address_and_port() -> None:
    assert address_of(peer_of("192.0.2.7", 2070)) == ("192.0.2.7", 2070)


def test_the_system_has_the_fast_kind() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert isinstance(batch_for(sock), SystemBatch)


def test_packets_come_with_sender_numbers_and_length(ends: Ends) -> None:
    for datagram in (b"\0\4\x12\x34", b"\0\5\0\x08no, thanks\0", b"\0\4\1", b"", b"\0\3\0\1" + bytes(500)):
        ends.theirs.sendto(datagram, ends.ours.getsockname())
    packets = ends.received()
    assert [peer for peer, *_ in packets] == [ends.peer] * 5
    assert [numbers for _, *numbers in packets] == [[4, 0x1234], [5, 8], [NO_OPCODE, 0], [NO_OPCODE, 0], [3, 1]]
    assert ends.batch.text(0) == b""
    assert ends.batch.text(1) == b"no, thanks\0"
    assert ends.batch.text(4) == bytes(HEAD - 4)
    assert ends.received() == []


def test_what_an_earlier_datagram_left_behind_is_not_read_again(ends: Ends) -> None:
    for datagram in (b"\0\4\0\7", b"\0\4"):
        ends.theirs.sendto(datagram, ends.ours.getsockname())
        packets = ends.received()
    assert packets == [(ends.peer, NO_OPCODE, 0)]


def test_a_call_takes_a_bounded_number(ends: Ends) -> None:
    for number in range(RECEIVED + 5):
        ends.theirs.sendto(b"\0\4" + number.to_bytes(2, "big"), ends.ours.getsockname())
    assert [number for *_, number in ends.received()] == list(range(RECEIVED))
    assert [number for *_, number in ends.received()] == list(range(RECEIVED, RECEIVED + 5))


@pytest.mark.parametrize("block_size", [8, 512, 1468, 65464])
def test_blocks_go_out_in_order_and_whole(ends: Ends, source: Source, content: bytes, block_size: int) -> None:
    lane = Lane(ends.peer, source, block_size)
    last = len(content) // block_size + 1
    for first, count in ((1, 1), (2, 2), (4, 64), (68, 150)):
        count = min(count, last - first + 1)  # noqa: PLW2901
        if count < 1:
            continue
        ends.batch.add(lane, first, count)
        assert ends.batch.flush() == []
        for block in range(first, first + count):
            assert ends.heard() == Data(block, content[(block - 1) * block_size : block * block_size])


def test_the_last_block_may_be_empty_and_numbers_wrap(ends: Ends) -> None:
    fd = os.memfd_create("file")
    os.ftruncate(fd, 8 * 65_537)
    sources = Sources()
    taken = sources.take(fd, netascii=False)
    lane = Lane(ends.peer, taken, 8)
    ends.batch.add(lane, 65_535, 4)
    ends.batch.flush()
    assert [ends.heard() for _ in range(4)] == [
        Data(65_535, bytes(8)),
        Data(0, bytes(8)),
        Data(1, bytes(8)),
        Data(2, b""),
    ]
    sources.give_back(taken)


def test_many_lanes_share_a_call(ends: Ends, source: Source, content: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        other.bind(("127.0.0.1", 0))
        other.settimeout(10)
        lanes = [Lane(ends.peer, source, 512), Lane(peer_of(*other.getsockname()), source, 1024)]
        for turn in range(150):  # more than one call takes
            ends.batch.add(lanes[turn % 2], turn + 1, 1)
        ends.batch.flush()
        for turn in range(0, 150, 2):
            assert ends.heard() == Data(turn + 1, content[turn * 512 : turn * 512 + 512])
            start = (turn + 1) * 1024
            assert decode(other.recv(2000)) == Data(turn + 2, content[start : start + 1024])


def test_an_unreachable_peer_does_not_keep_the_others_waiting(ends: Ends, source: Source) -> None:
    nowhere = Lane(peer_of("255.255.255.255", 9), source, 512)  # needs SO_BROADCAST: EACCES
    here = Lane(ends.peer, source, 512)
    for lane, count in ((nowhere, 1), (here, 1), (nowhere, 5), (here, 3)):
        ends.batch.add(lane, 1, count)
    assert ends.batch.flush() == []
    assert [ends.heard().block for _ in range(4)] == [1, 1, 2, 3]


def test_segments_that_the_route_does_not_take_are_sent_singly(ends: Ends, source: Source) -> None:
    """A card that computes no checksums refuses UDP_SEGMENT; so does the kernel when the socket wants none (udp(7))."""
    so_no_check = 11
    ends.ours.setsockopt(socket.SOL_SOCKET, so_no_check, 1)
    lane = Lane(ends.peer, source, 512)
    ends.batch.add(lane, 1, 10)
    assert ends.batch.flush() == []
    assert [ends.heard().block for _ in range(10)] == list(range(1, 11))
