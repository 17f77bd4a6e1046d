"""The compiled part of the data path, a datagram at a time: which it answers, with what, and which it leaves alone."""

from __future__ import annotations

import ctypes
import gc
import socket
import struct
import sys
import weakref
from dataclasses import dataclass

import pytest

from pxed import mmsg
from pxed.tftp import fields
from pxed.tftp.fields import DeliveryFields, LaneFields, SessionFields

KEPT: list[object] = []
"""what arrays refer to"""


def awaiting(session: object, lane: object) -> DeliveryFields:
    """A transfer for `fields.exchange`."""
    delivery = DeliveryFields()
    delivery.session, delivery.lane = session, lane  # type: ignore[assignment]
    return delivery


@dataclass
class Moment:
    """A transfer of 4 blocks a window, of which 8 are sent, and the datagram that comes then."""

    opcode: int = 4
    number: int = 8
    length: int = 4
    awaited: int = 8
    sent: int = 8
    window: int = 4
    last: int = 100
    segments: int = 64
    first: int = 1
    beyond: int = 100
    longest: int = 64

    def pass_by(self) -> tuple[bool, SessionFields, tuple[int, ...]]:
        """Whether the datagram was answered, the session afterwards, and the message as sendmmsg(2) takes it."""
        session, lane = SessionFields(), LaneFields()
        session.acked, session.sent, session.awaited = 4, self.sent, self.awaited
        session.window, session.last, session.wait = self.window, self.last, 0.5
        lane.name, lane.control, lane.iovecs = 0x1000, 0x2000, 0x3000
        lane.segments, lane.first, lane.beyond = self.segments, self.first, self.beyond
        datagram = struct.pack("!HH", self.opcode, self.number)[: self.length]
        count, left, queued, sent, message = exchanged(awaiting(session, lane), datagram, longest=self.longest)
        assert (count, left, queued, sent) in [(1, [0], 0, 0), (1, [], 1, 0)]
        return not left, session, struct.unpack("LI4xLLLLi4xI4x", message)


def exchanged(
    delivery: object, *datagrams: bytes, longest: int = 64, places: tuple[int, int, int] = (1, 1, 1)
) -> tuple[int, list[int], int, int, bytes]:
    """What `exchange` says of datagrams of a nameless sender, whose transfer is `delivery`, and the messages that it
    makes, which cannot be sent. The arrays have so many places for datagrams, what is kept of them, and messages.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        for datagram in datagrams:
            theirs.send(datagram)
        received, records, messages = (bytearray(size * many) for size, many in zip((64, 80, 64), places, strict=True))
        for place in range(min(places)):
            iovec = ctypes.create_string_buffer(struct.pack("LL", mmsg.pointer_to(records) + 80 * place + 16, 64), 16)
            KEPT.append(iovec)
            struct.pack_into("LI4xLL", received, 64 * place, 0, 0, ctypes.addressof(iovec), 1)
        found = fields.exchange(ours.fileno(), {bytes(8): delivery}, received, records, messages, 7.0, longest)  # type: ignore[dict-item]
        return *found, bytes(messages)


def test_an_awaited_ack_is_answered_with_the_next_window() -> None:
    done, session, message = Moment().pass_by()
    assert done
    assert (session.acked, session.sent, session.awaited) == (8, 12, 12)
    assert (session.sent_at, session.deadline) == (7.0, 7.5)
    assert message == (0x1000, 16, 0x3000 + 9 * 32, 8, 0x2000, 24, 0, 0)


def test_one_block_is_not_to_be_cut_up() -> None:
    done, _, message = Moment(window=1).pass_by()
    assert done
    assert message == (0x1000, 16, 0x3000 + 9 * 32, 2, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "moment",
    [
        Moment(length=3, number=0x0800, awaited=0x0800),
        Moment(length=0),
        Moment(opcode=3),
        Moment(opcode=0x0400),
        Moment(number=7),
        Moment(number=0x0800),
        Moment(number=0xFFFF, awaited=-1),
        Moment(window=0),
        Moment(longest=3),
        Moment(segments=3),
        Moment(first=10),
        Moment(beyond=12),
    ],
    ids=str,
)
def test_everything_else_is_left_as_it_was(moment: Moment) -> None:
    done, session, message = moment.pass_by()
    assert not done
    assert (session.acked, session.sent, session.awaited) == (4, moment.sent, moment.awaited)
    assert not any(message)


@pytest.mark.parametrize("moment", [Moment(longest=4), Moment(segments=4), Moment(first=9), Moment(beyond=13)], ids=str)
def test_what_just_fits_is_answered(moment: Moment) -> None:
    assert moment.pass_by()[0]


@pytest.mark.parametrize(("last", "awaited"), [(17, 12), (16, -1), (13, -1)])
def test_the_window_with_the_last_block_is_not_awaited(last: int, awaited: int) -> None:
    done, session, _ = Moment(last=last).pass_by()
    assert done
    assert session.awaited == awaited


def test_a_number_has_sixteen_bits() -> None:
    edge = 0x10000
    done, session, _ = Moment(number=0xFFFE, awaited=0xFFFE, sent=edge - 2, last=2 * edge, beyond=2 * edge).pass_by()
    assert done
    assert (session.acked, session.sent, session.awaited) == (edge - 2, edge + 2, 2)


@pytest.mark.parametrize("places", [(2, 3, 3), (3, 2, 3), (3, 3, 2)])
def test_no_more_is_received_than_all_arrays_hold(places: tuple[int, int, int]) -> None:
    session, lane = SessionFields(), LaneFields()
    session.awaited = -1
    assert exchanged(awaiting(session, lane), *[b"\0\4\0\0"] * 3, places=places)[:4] == (2, [0, 1], 0, 0)


def test_what_is_no_transfer_is_our_own_fault_and_loud() -> None:
    with pytest.raises(TypeError, match=r"not a pxed\.tftp\._acks\.DeliveryFields but object"):
        exchanged(object(), b"\0\4\0\0")
    with pytest.raises(TypeError, match=r"not a pxed\.tftp\._acks\.SessionFields but object"):
        exchanged(awaiting(object(), LaneFields()), b"\0\4\0\0")
    with pytest.raises(TypeError, match=r"not a pxed\.tftp\._acks\.LaneFields but object"):
        exchanged(awaiting(SessionFields(), object()), b"\0\4\0\0")
    with pytest.raises(TypeError, match=r"not a pxed\.tftp\._acks\.SessionFields but nothing"):
        exchanged(DeliveryFields(), b"\0\4\0\0")


class Circular(SessionFields):
    """A session that knows its transfer, as none of ours does."""

    delivery: DeliveryFields


def test_a_transfer_that_is_over_is_freed() -> None:
    session, lane = SessionFields(), LaneFields()
    before = sys.getrefcount(session), sys.getrefcount(lane)
    delivery = awaiting(session, lane)
    assert (sys.getrefcount(session), sys.getrefcount(lane)) == (before[0] + 1, before[1] + 1)
    assert {id(session), id(lane)} <= {id(referent) for referent in gc.get_referents(delivery)}
    del delivery
    assert (sys.getrefcount(session), sys.getrefcount(lane)) == before


def test_a_transfer_in_a_circle_is_freed() -> None:
    circular = Circular()
    circular.delivery = awaiting(circular, LaneFields())
    gone = weakref.ref(circular)
    del circular
    gc.collect()
    assert gone() is None


def test_nothing_comes_of_nothing() -> None:
    assert exchanged(object())[:4] == (0, [], 0, 0)
