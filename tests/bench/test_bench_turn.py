"""What the load takes in C, it takes as its Python would: the same packets, one after the other, to both."""

import ctypes
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict

import pytest

from bench.tftp_client import Client, Order
from bench.tftp_content import BLOCK_SIZE, PAYLOADS, PERIOD
from bench.tftp_load import Load
from bench.tftp_turn import BATCH, State, Turns

CLIENTS = 3
FIRST = "127.0.0.2"
MOST_TOGETHER = 40
"""datagrams of a block each: less than 64 KiB"""
AHEAD = 40
"""blocks between the start and the end of a file"""
Script = list[tuple[int, int, bytes]]
"""datagrams: to which client, from which of the server's sockets, what"""


@pytest.fixture
def server() -> Iterator[list[socket.socket]]:
    """Two sockets of a server; the transfers are the first one's."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        yield sockets


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def data(number: int, payload: bytes) -> bytes:
    return struct.pack("!HH", 3, number & 0xFFFF) + payload


def payload(block: int) -> bytes:
    return PAYLOADS[block % PERIOD]


def began(order: Order, start: int, sockets: list[socket.socket], *, all_given: bool) -> Load:
    """A load whose clients wait for block `start`."""
    load = Load(order, all_given=all_given)
    for client in load.clients:
        state = client.state
        state.next, state.tid, state.window, state.left = start, port_of(sockets[0]), order.window, order.window
    return load


def said(sock: socket.socket) -> list[tuple[bytes, str]]:
    """What has come to a socket of the server, and from which client."""
    found: list[tuple[bytes, str]] = []
    while True:
        try:
            datagram, peer = sock.recvfrom(100)
        except BlockingIOError:
            return found
        found.append((datagram, peer[0]))


def messages(script: Script, *, together: bool) -> Iterator[tuple[int, int, list[bytes]]]:
    """The datagrams of a script; `together` as many in one message as may be: of one length, the last maybe shorter."""
    message: list[bytes] = []
    for place, (client, sender, datagram) in enumerate(script):
        message.append(datagram)
        following = script[place + 1] if place + 1 < len(script) else (-1, -1, b"")
        same = following[:2] == (client, sender) and len(datagram) == len(message[0]) >= len(following[2]) > 0
        if not (together and same and len(message) < MOST_TOGETHER):
            yield client, sender, message
            message = []


def outcome(
    script: Script,
    order: Order,
    start: int,
    sockets: list[socket.socket],
    *,
    all_given: bool = False,
    together: bool = False,
) -> tuple[object, ...]:
    """Everything that can be seen of a load that has got these datagrams."""
    load = began(order, start, sockets, all_given=all_given)
    port = port_of(load.socket)
    for client, sender, message in messages(script, together=together):
        cut = [(socket.IPPROTO_UDP, 103, struct.pack("H", len(message[0])))] if len(message) > 1 else []
        sockets[sender].sendmsg(message, cut, 0, (f"127.0.0.{2 + client}", port))
    while load.turn():
        pass
    states = [[getattr(client.state, name) for name, _ in State._fields_] for client in load.clients]
    others = [(client.gap, client.mixed) for client in load.clients]
    heard = [said(sock) for sock in sockets]
    load.hang_up()
    for sock in sockets:
        said(sock)  # farewells, in any order
    return asdict(load.outcome), states, others, heard


def a_script(seed: int, start: int, end: int) -> Script:
    """Blocks of three transfers, most of them in order, among whatever else can come."""
    dice = random.Random(seed)  # noqa: S311 - the same octets in every run, nothing secret
    following = [start] * CLIENTS
    script: Script = []
    for _ in range(2 * BATCH + 40):
        client = dice.randrange(CLIENTS)
        block = following[client]
        last = block == end
        right = payload(block)[:700] if last else payload(block)
        strange: tuple[tuple[int, bytes], ...] = (
            (0, data(block - 1, payload(block - 1))),  # again
            (0, data(block - 5, payload(block - 5))),
            (0, data(block + 1, payload(block + 1))),  # a gap
            (0, data(block, right[:-1] + bytes([right[-1] ^ 1]))),
            (0, data(block, bytes([right[0] ^ 1]) + right[1:])),
            (0, data(block, payload(block + 1))),  # the octets of another
            (0, data(block, right[:-7])),  # too short
            (0, data(block, right + b"\0")),
            (0, data(block, payload(block))),  # full, which is wrong for the last one
            (1, data(block, right)),  # from another port
            (0, struct.pack("!HH", 4, block & 0xFFFF) + right),  # no DATA
            (0, b"\0\6blksize\0%d\0" % BLOCK_SIZE),
            (1, b"\0\5\0\5unknown transfer\0"),
            (0, b"\0"),
        )
        if dice.random() < 0.8:
            script.append((client, 0, data(block, right)))
            following[client] = block if last else block + 1
        else:
            sender, datagram = dice.choice(strange)
            script.append((client, sender, datagram))
            following[client] += datagram == data(block, payload(block)) and sender == 0 and not last
    return script


@pytest.mark.parametrize("start", [7, 65530, 4090], ids=["", "numbers wrap", "payloads wrap"])
@pytest.mark.parametrize("window", [1, 4, 16])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("tolerant", [False, True])
def test_c_and_python_agree(server: list[socket.socket], start: int, window: int, seed: int, *, tolerant: bool) -> None:
    end = start + AHEAD
    order = Order("127.0.0.1", "file", end, CLIENTS, window, 1.0, first_client=FIRST, tolerant=tolerant)
    script = a_script(seed, start, end)
    quick = outcome(script, order, start, server, all_given=False)
    assert quick == outcome(script, order, start, server, all_given=True)


@pytest.mark.parametrize("all_given", [False, True], ids=["C", "Python"])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_comes_together_is_taken_apart(server: list[socket.socket], seed: int, *, all_given: bool) -> None:
    order = Order("127.0.0.1", "file", 7 + AHEAD, CLIENTS, 16, 1.0, first_client=FIRST)
    script = sorted(a_script(seed, 7, 7 + AHEAD), key=lambda said: said[0])  # each client's, one after the other
    assert max(len(message) for *_, message in messages(script, together=True)) > 8
    counts, states, others, heard = outcome(script, order, 7, server, all_given=all_given)
    same = outcome(script, order, 7, server, all_given=all_given, together=True)
    assert same[:3] == (counts, states, others)
    # Which of a client's acknowledgements is sent before it has more is all that differs: turns end elsewhere.
    assert isinstance(heard, list)
    assert isinstance(same[3], list)
    assert [set(each) for each in same[3]] == [set(each) for each in heard]


def test_agreement_is_not_for_lack_of_anything_to_agree_on(server: list[socket.socket]) -> None:
    order = Order("127.0.0.1", "file", 7 + AHEAD, CLIENTS, 4, 1.0, first_client=FIRST)
    counts, states, _, heard = outcome(a_script(1, 7, 7 + AHEAD), order, 7, server, all_given=False)
    assert isinstance(counts, dict)
    assert min(counts["repeated"], counts["ahead"], counts["wrong"]) > 0
    assert states == [[8 + AHEAD, 4, 4, port_of(server[0]), 1, 0]] * CLIENTS
    assert isinstance(heard, list)
    assert len(heard[0]) > CLIENTS * AHEAD / 4
    assert not heard[1]


def test_right_blocks_are_none_of_pythons_business(
    server: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Client, "heard")
    order = Order("127.0.0.1", "file", 70_000, CLIENTS, 4, 1.0, first_client=FIRST)
    script = [(client, 0, data(block, payload(block))) for block in range(65533, 65541) for client in range(CLIENTS)]
    _, states, _, heard = outcome(script, order, 65533, server, all_given=False)
    assert states == [[65541, 4, 4, port_of(server[0]), 0, 0]] * CLIENTS
    acks = [struct.pack("!HH", 4, number) for number in (0, 4)]
    assert heard == [[(ack, f"127.0.0.{2 + client}") for ack in acks for client in range(CLIENTS)], []]


def test_a_client_that_thinks_gives_the_end_of_a_window_up(server: list[socket.socket]) -> None:
    order = Order("127.0.0.1", "file", 100, CLIENTS, 4, 1.0, first_client=FIRST, pause=0.01)
    script = [(0, 0, data(block, payload(block))) for block in range(7, 11)]
    quick = outcome(script, order, 7, server, all_given=False)
    assert quick == outcome(script, order, 7, server, all_given=True)
    assert quick[3] == [[], []]  # its ACK is not due yet


def test_an_acknowledgement_that_cannot_be_sent_holds_up_no_other(server: list[socket.socket]) -> None:
    states = (State * 4)()
    for number, state in enumerate(states):
        state.next = 2
        state.tid = port_of(server[0]) if number % 2 else 0  # nothing can be sent to that port
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.setsockopt(socket.IPPROTO_IP, 8, 1)
        sock.bind(("", 0))
        turns = Turns(sock, states, FIRST, "127.0.0.1", 9, BLOCK_SIZE, lambda *_: True)
        for client in range(4):
            server[0].sendto(b"\0\3\0\1", (f"127.0.0.{2 + client}", port_of(sock)))
        assert turns.turn() == 4
        turns.close()
    assert said(server[0]) == [(b"\0\4\0\1", "127.0.0.3"), (b"\0\4\0\1", "127.0.0.5")]


def test_datagrams_for_no_client_of_this_load_are_counted_and_dropped(server: list[socket.socket]) -> None:
    order = Order("127.0.0.1", "file", 100, CLIENTS, 1, 1.0, first_client=FIRST)
    load = began(order, 7, server, all_given=False)
    before = ctypes.string_at(ctypes.addressof(load.clients[0].state), CLIENTS * ctypes.sizeof(State))
    for address in ("127.0.0.1", f"127.0.0.{2 + CLIENTS}"):
        server[0].sendto(data(7, payload(7)), (address, port_of(load.socket)))
    assert load.turn() == 2
    assert ctypes.string_at(ctypes.addressof(load.clients[0].state), len(before)) == before
    load.hang_up()
