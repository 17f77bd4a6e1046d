"""Whole datagrams in batches: both ways do the same."""

import socket
from collections.abc import Iterator

import pytest

from pxed.datagrams import BATCH, LARGEST, Datagrams, PlainDatagrams, SystemDatagrams, datagrams_on


@pytest.fixture
def ours() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def theirs() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        yield sock


@pytest.fixture(params=[PlainDatagrams, SystemDatagrams])
def datagrams(request: pytest.FixtureRequest, ours: socket.socket) -> Datagrams:
    made: Datagrams = request.param(ours)
    return made


def test_datagrams_come_with_their_address_in_batches(
    datagrams: Datagrams, ours: socket.socket, theirs: socket.socket
) -> None:
    sent = [bytes((number,)) * (1 + number * 20) for number in range(BATCH + 5)]
    for data in sent:
        theirs.sendto(data, ours.getsockname())
    first, second = datagrams.receive(), datagrams.receive()
    assert (len(first), len(second)) == (BATCH, 5)
    assert [*first, *second] == [(data, theirs.getsockname()) for data in sent]
    assert not datagrams.receive()


def test_a_datagram_that_is_too_long_is_seen_to_be(
    datagrams: Datagrams, ours: socket.socket, theirs: socket.socket
) -> None:
    for size in (LARGEST, LARGEST + 1, LARGEST + 100, 0):
        theirs.sendto(bytes(size), ours.getsockname())
    assert [len(data) for data, _ in datagrams.receive()] == [LARGEST, LARGEST + 1, LARGEST + 1, 0]


def test_every_datagram_goes_to_its_own_address(datagrams: Datagrams, theirs: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(10)
        sent = [(b"%d" % number, (theirs if number % 2 else other).getsockname()) for number in range(BATCH + 6)]
        assert datagrams.send(sent) == 0
        for one, parity in ((theirs, 1), (other, 0)):
            assert [one.recv(100) for _ in range((BATCH + 6) // 2)] == [
                b"%d" % number for number in range(BATCH + 6) if number % 2 == parity
            ]


def test_one_that_cannot_be_sent_is_counted_and_the_others_go(datagrams: Datagrams, theirs: socket.socket) -> None:
    # broadcasts need SO_BROADCAST
    sent = [(b"first", theirs.getsockname()), (b"lost", ("255.255.255.255", 9)), (b"last", theirs.getsockname())]
    assert datagrams.send(sent) == 1
    assert [theirs.recv(100), theirs.recv(100)] == [b"first", b"last"]


def test_an_error_of_an_earlier_datagram_hides_none_that_came(
    datagrams: Datagrams, ours: socket.socket, theirs: socket.socket
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        nowhere = gone.getsockname()
    ours.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: ICMP errors are reported on sockets without a peer as well
    datagrams.send([(b"lost", nowhere)])
    theirs.sendto(b"came", ours.getsockname())
    assert list(datagrams.receive()) == [(b"came", theirs.getsockname())]


def test_the_fastest_way_is_chosen(ours: socket.socket) -> None:
    assert isinstance(datagrams_on(ours), SystemDatagrams)
