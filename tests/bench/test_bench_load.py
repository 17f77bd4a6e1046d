"""The load generator against a server that misbehaves on purpose: what it must notice, it notices."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bench.tftp_client import Order, Outcome
from bench.tftp_content import BLOCK_SIZE, PAYLOADS, PERIOD
from bench.tftp_load import Load

Reply = Callable[[int], list[bytes]]
"""from an acknowledged block (0: the OACK) to the datagrams that follow"""
BLOCKS = 5
OVER = b"\0\5\0\0over\0"
"""an ERROR that ends a transfer which would not end by itself"""


def payload(block: int) -> bytes:
    """What the file holds there; the last block is short."""
    return PAYLOADS[block % PERIOD] if block < BLOCKS else PAYLOADS[block % PERIOD][:100]


def data(block: int, octets: bytes | None = None) -> bytes:
    """A DATA packet."""
    return struct.pack("!HH", 3, block) + (payload(block) if octets is None else octets)


@contextmanager
def server(oack: bytes, reply: Reply, heard: list[int]) -> Iterator[int]:
    """Answers each request with `oack` and each ACK with `reply` of it; its port. `heard` gets every ACK's number."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])

        def serve() -> None:
            while True:
                datagram, peer = sock.recvfrom(2048)
                if datagram == b"stop":
                    return
                if datagram[1] == 1:
                    sock.sendto(oack, peer)
                elif datagram[1] == 4:
                    heard.append(int.from_bytes(datagram[2:4], "big"))
                    for answer in reply(heard[-1]):
                        sock.sendto(answer, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            sock.sendto(b"stop", ("127.0.0.1", port))
            thread.join()


def fetch(
    reply: Reply,
    *,
    window: int = 1,
    clients: int = 1,
    neighbours: int = 0,
    pause: float = 0.0,
    tolerant: bool = False,
    away: float = 0.0,
) -> tuple[Outcome, list[int]]:
    """The outcome of a load on such a server, and the ACKs that the server heard."""
    heard: list[int] = []
    oack = b"\0\6blksize\0%d\0" % BLOCK_SIZE + (b"windowsize\0%d\0" % window if window > 1 else b"")
    with server(oack, reply, heard) as port:
        order = Order("127.0.0.1", "file", BLOCKS, clients, window, 30.0, first_client="127.0.0.1", port=port)
        load = Load(replace(order, neighbours=neighbours, pause=pause, tolerant=tolerant, away=away))
        outcome = load.run()
        load.hang_up()
    return outcome, heard


def following(block: int) -> list[bytes]:
    """Lock step, without a fault."""
    return [data(block + 1)] if block < BLOCKS else []


@pytest.mark.parametrize("clients", [1, 40])
def test_all_clients_get_the_whole_file(clients: int) -> None:
    outcome, heard = fetch(following, clients=clients)
    assert (outcome.complete, outcome.blocks) == (clients, clients * BLOCKS)
    assert (outcome.repeated, outcome.ahead, outcome.wrong) == (0, 0, 0)
    assert sorted(set(heard)) == [0, 1, 2, 3, 4, 5]


def test_wrong_octets_are_counted_and_never_acknowledged() -> None:
    def damaged(block: int) -> list[bytes]:
        return [data(2, payload(2)[:-1] + b"\0"), OVER] if block == 1 else following(block)

    outcome, heard = fetch(damaged)
    assert outcome.wrong == 1
    assert outcome.complete == 0
    assert max(heard) == 1


def test_another_blocks_octets_are_wrong() -> None:
    outcome, _ = fetch(lambda block: [data(2, payload(3)), OVER] if block == 1 else following(block))
    assert outcome.wrong == 1
    assert outcome.blocks == 1


def test_wrong_octets_in_the_short_last_block_are_counted() -> None:
    last = payload(BLOCKS)[:-1] + b"\0"
    outcome, _ = fetch(lambda block: [data(BLOCKS, last), OVER] if block == BLOCKS - 1 else following(block))
    assert outcome.wrong == 1
    assert outcome.complete == 0


def test_a_file_that_ends_too_early_is_not_complete() -> None:
    outcome, _ = fetch(lambda block: [data(2, payload(2)[:50]), OVER] if block == 1 else following(block))
    assert outcome.complete == 0


def test_blocks_sent_twice_are_counted() -> None:
    fresh = {1, 2}

    def twice(block: int) -> list[bytes]:
        if block in fresh:
            fresh.remove(block)
            return [data(block + 1), data(block + 1)]
        return following(block)

    outcome, _ = fetch(twice)
    assert outcome.complete == 1
    assert outcome.repeated >= 2


def test_a_gap_in_a_window_is_answered_with_the_last_block_in_order() -> None:
    lost = {2}

    def window(block: int) -> list[bytes]:
        blocks = [number for number in range(block + 1, min(block + 4, BLOCKS) + 1) if number not in lost]
        lost.clear()
        return [data(number) for number in blocks]

    outcome, heard = fetch(window, window=4)
    assert outcome.complete == 1
    assert outcome.window == 4
    assert outcome.ahead == 2
    assert heard == [0, 1, 5]


def test_a_second_gap_in_the_same_window_is_answered_too() -> None:
    lost = [{2}, {4}]

    def window(block: int) -> list[bytes]:
        gone = lost.pop(0) if lost else set()
        return [data(number) for number in range(block + 1, min(block + 4, BLOCKS) + 1) if number not in gone]

    outcome, heard = fetch(window, window=4)
    assert outcome.complete == 1
    assert outcome.timeouts == 0
    assert heard[:3] == [0, 1, 3]


def test_silence_is_answered_with_the_latest_packet_again() -> None:
    silent = {3}

    def deaf_once(block: int) -> list[bytes]:
        if block in silent:
            silent.clear()
            return []
        return following(block)

    outcome, heard = fetch(deaf_once)
    assert outcome.complete == 1
    assert outcome.timeouts == 1
    assert heard.count(3) == 2


def test_an_error_of_the_server_is_kept_for_the_reader() -> None:
    outcome, _ = fetch(lambda _: [b"\0\5\0\0too many\0"])
    assert outcome.complete == 0
    assert outcome.errors == ["error 0: too many"]


def test_neighbours_read_again_and_again_and_count_apart() -> None:
    outcome, _ = fetch(following, clients=2, neighbours=3, pause=0.05)
    assert (outcome.complete, outcome.blocks) == (2, 2 * BLOCKS)
    assert outcome.neighbour_blocks > 3 * BLOCKS


def test_a_client_that_takes_its_time_acknowledges_late() -> None:
    outcome, heard = fetch(following, pause=0.02)
    assert outcome.complete == 1
    assert outcome.timeouts == 0
    assert heard == [0, 1, 2, 3, 4, 5]


def test_a_load_that_was_away_takes_all_that_has_come() -> None:
    def at_once(block: int) -> list[bytes]:
        return [data(number) for number in range(1, BLOCKS + 1)] if block == 0 else []

    outcome, heard = fetch(at_once, clients=3, away=0.1)
    assert (outcome.complete, outcome.blocks, outcome.timeouts) == (3, 3 * BLOCKS, 0)
    assert sorted(heard) == sorted(3 * [0, 1, 2, 3, 4, 5])


def test_a_tolerant_client_takes_a_mixture_and_it_is_counted() -> None:
    def mixed(block: int) -> list[bytes]:
        return [data(2, payload(3))] if block == 1 else following(block)

    outcome, _ = fetch(mixed, tolerant=True)
    assert (outcome.complete, outcome.mixed, outcome.wrong) == (1, 1, 1)
    outcome, _ = fetch(following, tolerant=True)
    assert (outcome.complete, outcome.mixed, outcome.wrong) == (1, 0, 0)
