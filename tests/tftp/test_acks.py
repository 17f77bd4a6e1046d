"""The compiled part of the data path: it does to a transfer what Python does, octet for octet, and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxed.tftp.batch import Lane, Peer, SystemBatch, peer_of
from pxed.tftp.outlet import Delivery, Outlet
from pxed.tftp.session import Session
from pxed.tftp.source import Sources

from .simulation import agreed

BLOCKS = 2600
"""of the file: the piece of prepared blocks changes on the way"""
STEADY = 20
"""windows that go through before a session waits for one ACK"""
STATE = (
    "acked",
    "sent",
    "last",
    "awaited",
    "window",
    "sent_at",
    "deadline",
    "wait",
    "retransmitted",
    "burst",
    "outcome",
)


class Scene:
    """An outlet, and clients on loopback whose windows are `windows`; blocks are of 8 octets."""

    def __init__(self, stack: ExitStack, windows: list[int], *, compiled: bool, blocks: int = BLOCKS) -> None:
        self.outlet = Outlet("", "127.0.0.1", Counter(), lambda _: None, lambda _: None, lambda: self._now)
        stack.callback(self.outlet.socket.close)
        self.outlet._batch = SystemBatch(self.outlet.socket, compiled=compiled)
        self._sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in windows]
        self.deliveries = [
            self._begin(sock, window, blocks) for sock, window in zip(self._sockets, windows, strict=True)
        ]
        self._now = 0.0
        for _ in range(STEADY):
            self.step(list(enumerate(map(ack, self.deliveries))))

    def _begin(self, sock: socket.socket, window: int, blocks: int) -> Delivery:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        file = os.memfd_create("file")
        os.write(file, b"".join(number.to_bytes(8, "big") for number in range(1, blocks)) + b"end")
        session = Session(agreed({"blksize": 8, "windowsize": window}), 8 * blocks - 5, retries=3, unproven_timeout=1.0)
        session.start(0.0)
        source = Sources().take(file, netascii=False)
        delivery = Delivery(self.outlet, peer_of(*sock.getsockname()), b"", session, session._terms, source, 0.0)
        self.outlet.take(delivery)
        return delivery

    def step(self, said: list[tuple[int, bytes]]) -> list[tuple[list[bytes], list[object]]]:
        """What each client hears, and how its transfer stands, once clients have said that."""
        for client, datagram in said:
            self._sockets[client].sendto(datagram, self.outlet.socket.getsockname())
        self._now += 0.001
        self.outlet.drain(self._now)
        return [
            (list(heard(sock)), [getattr(delivery.session, name) for name in STATE])
            for sock, delivery in zip(self._sockets, self.deliveries, strict=True)
        ]

    def expire(self, client: int) -> None:
        """The client was silent until its deadline."""
        delivery = self.deliveries[client]
        if delivery.session.outcome is None:
            self._now = max(self._now, delivery.session.deadline)
            self.outlet.transmit(delivery, delivery.session.expire(self._now))


def heard(sock: socket.socket) -> Iterator[bytes]:
    """What waits there."""
    while True:
        try:
            yield sock.recv(2048)
        except BlockingIOError:
            return


def ack(delivery: Delivery, less: int = 0) -> bytes:
    """The ACK of all that was sent but for the last `less` blocks."""
    return b"\0\4" + ((delivery.session.sent - less) & 0xFFFF).to_bytes(2, "big")


@contextmanager
def scene(windows: list[int], *, compiled: bool, blocks: int = BLOCKS) -> Iterator[Scene]:
    """A scene in which all transfers have gone well so far."""
    with ExitStack() as stack:
        yield Scene(stack, windows, compiled=compiled, blocks=blocks)


@dataclass(frozen=True)
class Said:
    """What a client says: an ACK of all but `less`, or `octets`, or nothing until its deadline."""

    less: int = 0
    octets: bytes | None = None
    silent: bool = False


well = st.just(Said())
said = st.one_of(
    well,
    well,
    well,
    st.builds(Said, less=st.integers(0, 70)),
    st.builds(Said, less=st.integers(-3, 0xFFFF)),
    st.builds(Said, octets=st.sampled_from([b"", b"\0", b"\0\4\1", b"\0\5\0\0stop\0", b"\0\3\0\1", b"\0\4\0\0more"])),
    st.just(Said(silent=True)),
)
stories = st.integers(1, 4).flatmap(
    lambda clients: st.tuples(
        st.lists(st.sampled_from([1, 2, 4, 16, 17, 64]), min_size=clients, max_size=clients),
        st.lists(st.tuples(*[st.one_of(st.none(), said)] * clients), max_size=60),
    )
)


@given(stories)
@settings(max_examples=60)
def test_clients_get_the_same_as_without_it(story: tuple[list[int], list[tuple[Said | None, ...]]]) -> None:
    windows, steps = story
    with scene(windows, compiled=True) as one, scene(windows, compiled=False) as other:
        for step in steps:
            seen = []
            for which in (one, other):
                datagrams = []
                for client, what in enumerate(step):
                    if what is None:
                        continue
                    if what.silent:
                        which.expire(client)
                    else:
                        delivery = which.deliveries[client]
                        datagrams.append((client, ack(delivery, what.less) if what.octets is None else what.octets))
                seen.append(which.step(datagrams))
            assert seen[0] == seen[1]
        assert one.outlet._counters == other.outlet._counters


@pytest.mark.parametrize("window", [1, 4, 16])
def test_what_is_awaited_never_comes_to_python(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with scene([window], compiled=True) as one:
        delivery = one.deliveries[0]
        sent = delivery.session.sent
        monkeypatch.setattr(delivery, "acknowledge", None)
        for turn in range(1, 11):
            ((blocks, _),) = one.step([(0, ack(delivery))])
            assert blocks == [
                b"\0\3" + number.to_bytes(2, "big") + number.to_bytes(8, "big")
                for number in range(sent + 1 + (turn - 1) * window, sent + 1 + turn * window)
            ]
        assert delivery.session.acked == sent + 9 * window


def test_numbers_wrap() -> None:
    with scene([16], compiled=True, blocks=70_000) as one:
        delivery, number = one.deliveries[0], 0
        while delivery.session.outcome is None:
            ((blocks, _),) = one.step([(0, ack(delivery))])
            for block in blocks:
                number = int.from_bytes(block[4:], "big") if len(block) == 12 else 70_000
                assert block[:4] == b"\0\3" + (number & 0xFFFF).to_bytes(2, "big")
        assert number == 70_000


def test_a_client_with_a_long_window_gets_it_in_parts_beside_one_with_a_short_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with scene([64, 1], compiled=True) as one:
        parts: list[int] = []
        batch = one.outlet._batch
        add = batch.add

        def count(lane: Lane, first: int, blocks: int) -> None:
            parts.append(blocks)
            add(lane, first, blocks)

        monkeypatch.setattr(batch, "add", count)
        (heard_by_long, _), _ = one.step([(0, ack(one.deliveries[0])), (1, ack(one.deliveries[1]))])
        assert len(heard_by_long) == 64
        assert parts == [8] * 8


def test_without_segmentation_blocks_go_out_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with scene([16], compiled=True) as one:
        batch = one.outlet._batch
        monkeypatch.setattr(batch, "_segmentation", False)
        delivery = one.deliveries[0]
        first = delivery.session.sent + 1
        ((blocks, _),) = one.step([(0, ack(delivery))])
        assert [int.from_bytes(block[4:], "big") for block in blocks] == list(range(first, first + 16))


def test_sixty_four_that_are_answered_and_as_many_that_are_not_fit_in_the_queue() -> None:
    with scene([1] * 64, compiled=True) as one:
        for _ in range(3):
            assert [len(blocks) for blocks, _ in one.step([(n, ack(one.deliveries[n])) for n in range(64)])] == [1] * 64
        for delivery in one.deliveries[::2]:
            delivery.session.measure()
        assert [len(blocks) for blocks, _ in one.step([(n, ack(one.deliveries[n])) for n in range(64)])] == [1] * 64


def test_what_the_kernel_refuses_is_pythons_business(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a file became shorter under its transfer, whose pages are gone."""
    with scene([4, 4, 4], compiled=True) as one:
        refused: list[Peer] = []
        monkeypatch.setattr(one.outlet, "_abort", lambda delivery, _reason, _over: refused.append(delivery.peer))
        broken = one.deliveries[1]
        iovecs = broken.lane.iovecs
        broken.lane.iovecs = 64
        heard = one.step([(client, ack(delivery)) for client, delivery in enumerate(one.deliveries)])
        broken.lane.iovecs = iovecs
        assert [len(blocks) for blocks, _ in heard] == [4, 0, 4]
        assert refused == [broken.peer]


def test_python_does_it_all_where_nothing_is_compiled() -> None:
    tests = [str(Path(__file__).with_name(f"test_{name}.py")) for name in ("batch", "outlet", "session_bursts")]
    program = (
        "import sys; sys.modules['pxed.tftp._acks'] = None\n"
        "from pxed.tftp import fields\n"
        "assert not fields.COMPILED\n"
        "import pytest; sys.exit(pytest.main(['-q', '-x', '-p', 'no:cacheprovider', *sys.argv[1:]]))"
    )
    done = subprocess.run([sys.executable, "-c", program, *tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
