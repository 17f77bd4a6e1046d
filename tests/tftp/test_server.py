"""The worker and its pool over loopback: the protocol, packet by packet."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pxed.boot.token import Grant, seal
from pxed.site.boot_image import Cpu
from pxed.tftp.messages import Endpoint
from pxed.tftp.session import Outcome
from pxed.tftp.source import COPIED
from pxed.wire.tftp import Ack, Data, Error, ErrorCode, OptionAck, ReadRequest, WriteRequest, encode

from .serving import KEY, Refused, Serve, Server

GRANT = Grant(record_id=7, try_number=2, image_id=42, cpu=Cpu.AMD64, expires=2**32 - 1)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024, 100_000])
@pytest.mark.parametrize("options", [{}, {"blksize": 1468}, {"blksize": 512, "windowsize": 7}, {"windowsize": 64}])
async def test_files_of_every_size_arrive(server: Server, size: int, options: dict[str, int]) -> None:
    content = server.put("file", os.urandom(size))
    with server.client() as client:
        assert client.get("file", **options) == content
        transfer = await server.ended()
        assert (transfer.outcome, transfer.sent, transfer.size) == (Outcome.COMPLETE, size, size)
        assert (transfer.peer, transfer.local) == (f"127.0.0.1:{client.port}", "127.0.0.1")
        assert (transfer.name, transfer.grant, transfer.retransmissions) == ("file", None, 0)
        assert (transfer.block_size, transfer.window) == (options.get("blksize", 512), options.get("windowsize", 1))


@pytest.mark.parametrize(
    ("size", "options"),
    [(40_000_000, {}), (150_000_000, {"blksize": 1468, "windowsize": 16})],
    ids=["40 MB at 512", "150 MB at 1468"],
)
async def test_block_numbers_roll_over(server: Server, size: int, options: dict[str, int]) -> None:
    content = server.put("large", os.urandom(1_000_000) * (size // 1_000_000))
    with server.client() as client:
        assert client.get("large", **options) == content


async def test_a_boot_image_is_read_with_its_grant(server: Server) -> None:
    directory = server.images / "42" / "amd64"
    directory.mkdir(parents=True)
    (directory / "vmlinuz").write_bytes(b"kernel")
    name = f"/b/{seal(GRANT, KEY)}/vmlinuz"
    with server.client() as client:
        assert client.get(name) == b"kernel"
        transfer = await server.ended()
        assert transfer.grant == GRANT
        assert transfer.name == name[1:]
        with pytest.raises(Refused) as refused:
            client.get(f"b/{seal(GRANT, bytes(32))}/vmlinuz")
        assert refused.value.error.code == ErrorCode.ACCESS_VIOLATION


async def test_netascii_is_converted(server: Server) -> None:
    server.put("text", b"one\ntwo\rthree")
    with server.client() as client:
        assert client.get("text", "NetASCII", tsize=0, blksize=8) == b"one\r\ntwo\r\0three"
        assert client.request("text", "netascii", tsize=0, blksize=8) == OptionAck((("blksize", "8"),))


@pytest.fixture
def trap(server: Server) -> Server:
    """A directory with everything that is not to be read."""
    server.put("file", b"public")
    (server.public.parent / "key").write_bytes(b"secret")
    (server.public / "directory").mkdir()
    (server.public / "out").symlink_to("../key")
    os.mkfifo(server.public / "fifo")
    os.mknod(server.public / "device", 0o20666, os.makedev(1, 5))
    return server


def _read(name: bytes, mode: str = "octet", *options: tuple[str, str]) -> bytes:
    return encode(ReadRequest(name, mode, options))


@pytest.mark.parametrize(
    ("datagram", "code"),
    [
        (_read(b"../key"), ErrorCode.ACCESS_VIOLATION),
        (_read(b"directory/../../key"), ErrorCode.ACCESS_VIOLATION),
        (_read(b"..\\key"), ErrorCode.ACCESS_VIOLATION),
        (_read(b"/etc/passwd"), ErrorCode.NOT_FOUND),
        (_read(b"nothing"), ErrorCode.NOT_FOUND),
        (_read(b""), ErrorCode.NOT_FOUND),
        (_read(b"out"), ErrorCode.ACCESS_VIOLATION),
        (_read(b"directory"), ErrorCode.ACCESS_VIOLATION),
        (_read(b"fifo"), ErrorCode.ACCESS_VIOLATION),
        (_read(b"device"), ErrorCode.ACCESS_VIOLATION),
        (_read(b"fi\x01le"), ErrorCode.ACCESS_VIOLATION),
        (b"\0\1fi\0le\0octet\0", ErrorCode.ILLEGAL_OPERATION),
        (b"\0\1" + b"x" * 10_240 + b"\0octet\0", ErrorCode.ILLEGAL_OPERATION),
        (_read(b"file", "mail"), ErrorCode.ILLEGAL_OPERATION),
        (_read(b"file", "nonsense"), ErrorCode.ILLEGAL_OPERATION),
        (b"\0\1file\0octet\0blksize\0", ErrorCode.ILLEGAL_OPERATION),
        (b"\0\1file\0octet\0blksize\x001468", ErrorCode.ILLEGAL_OPERATION),
        (b"\0\1file", ErrorCode.ILLEGAL_OPERATION),
        *[(_read(b"file", "octet", ("blksize", v)), ErrorCode.OPTION_REFUSED) for v in ("0", "7", "65465", "\xff")],
        *[(_read(b"file", "octet", ("windowsize", v)), ErrorCode.OPTION_REFUSED) for v in ("0", "65536")],
        (encode(WriteRequest(b"new", "octet")), ErrorCode.ACCESS_VIOLATION),
    ],
    ids=lambda value: value.name if isinstance(value, ErrorCode) else repr(value[:24]),
)
async def test_what_is_refused_gets_its_error(trap: Server, datagram: bytes, code: ErrorCode) -> None:
    with trap.client() as client:
        answer = client.raw(datagram)
        assert isinstance(answer, Error)
        assert answer.code == code
        assert client.peer[1] != trap.port, "an answer comes from a transfer's own port"
        transfer = await trap.ended()
        assert (transfer.outcome, transfer.error) == (Outcome.REFUSED, code)
        assert transfer.reason
        assert client.get("file") == b"public"
    assert not (trap.public / "new").exists()


@pytest.mark.parametrize(
    "datagram", [b"", b"\0", b"\0\3\0\1data", b"\0\4\0\1", b"\0\5\0\0x\0", b"\0\6", b"\xff" * 2000]
)
async def test_what_is_no_request_gets_no_answer(server: Server, datagram: bytes) -> None:
    server.put("file", b"x")
    with server.client() as client, server.client() as other:
        client.socket.sendto(datagram, ("127.0.0.1", server.port))
        assert other.get("file") == b"x", "and everybody else is served"
        client.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.socket.recv(10)
    assert (await server.pool.counters())["malformed"] == 1


async def test_the_size_probe_of_edk2_is_no_error(server: Server) -> None:
    server.put("file", bytes(5000))
    with server.client() as client:
        assert client.request("file", tsize=0, blksize=1468, windowsize=4) == OptionAck(
            (("tsize", "5000"), ("blksize", "1468"), ("windowsize", "4"))
        )
        client.say(Error(8, "User aborted the transfer"))
        transfer = await server.ended()
        assert (transfer.outcome, transfer.sent) == (Outcome.SIZE_PROBE, 0)
        assert transfer.reason == "error 8: User aborted the transfer"
        assert client.get("file", blksize=1468, windowsize=4) == bytes(5000), "the same port, at once"


async def test_a_client_that_hangs_up_is_reported(server: Server) -> None:
    server.put("file", bytes(5000))
    with server.client() as client:
        assert client.request("file") == Data(1, bytes(512))
        client.say(Ack(1))
        assert client.hear() == Data(2, bytes(512))
        client.say(Error(0, "no \x1b[31m memory"))
        transfer = await server.ended()
        assert (transfer.outcome, transfer.sent) == (Outcome.ABORTED, 512)
        assert transfer.reason == "error 0: no \\x1b[31m memory"


async def test_a_lost_packet_is_repeated_and_a_silent_client_given_up(serve: Serve) -> None:
    server = await serve(timeout_seconds=0.1, retries=2)
    server.put("file", bytes(1000))
    with server.client() as client:
        first = client.request("file", blksize=512)
        assert client.hear() == first == OptionAck((("blksize", "512"),))
        client.say(Ack(0))
        for _ in range(3):
            assert client.hear() == Data(1, bytes(512))
        transfer = await server.ended()
        assert (transfer.outcome, transfer.retransmissions) == (Outcome.TIMED_OUT, 3)


async def test_a_client_that_no_large_block_reaches_gets_small_ones_when_it_asks_again(serve: Serve) -> None:
    server = await serve(timeout_seconds=0.1, retries=1)
    content = server.put("file", os.urandom(3000))
    with server.client() as client:
        assert client.request("file", blksize=1024) == OptionAck((("blksize", "1024"),))
        client.say(Ack(0))
        assert (await server.ended()).outcome is Outcome.TIMED_OUT
    with server.client() as client:
        assert client.request("file", blksize=1024) == OptionAck((("blksize", "512"),))
        client.say(Ack(0))
        assert client.hear() == Data(1, content[:512])


async def test_a_repeated_request_is_answered_by_the_same_transfer(server: Server) -> None:
    content = server.put("file", os.urandom(700))
    with server.client() as client:
        first = client.request("file", blksize=512)
        port = client.peer
        assert client.request("file", blksize=512) == first
        assert client.peer == port
        assert client.finish(first) == content
        assert (await server.ended()).retransmissions == 1
        assert (await server.pool.counters())["complete"] == 1


async def test_a_new_request_from_the_port_of_a_running_transfer_disturbs_neither(server: Server) -> None:
    """Boot ROMs with a fixed source port; a shared data socket alone could not tell their transfers apart."""
    old = server.put("old", os.urandom(2000))
    new = server.put("new", os.urandom(2000))
    with server.client() as client:
        assert client.request("old") == Data(1, old[:512])
        first = client.peer
        client.say(Ack(1))
        assert client.hear() == Data(2, old[512:1024])
        assert client.request("new") == Data(1, new[:512])
        second = client.peer
        assert first != second
        client.peer = first
        client.say(Ack(2))
        assert client.hear() == Data(3, old[1024:1536])
        client.peer = second
        assert client.finish(Data(1, new[:512])) == new
        assert (await server.ended()).name == "new"
        client.peer = first
        client.say(Ack(3))
        assert client.hear() == Data(4, old[1536:])
        client.say(Ack(4))
        assert (await server.ended()).name == "old"


async def test_late_packets_of_an_earlier_transfer_disturb_nothing_and_get_no_answer(server: Server) -> None:
    content = server.put("file", os.urandom(3000))
    with server.client() as client:
        assert client.get("file") == content
        earlier = client.peer
        first = client.request("file")
        for block in range(7):
            client.socket.sendto(encode(Ack(block)), earlier)
        client.socket.sendto(encode(Error(0, "old")), earlier)
        assert client.finish(first) == content
        assert (await server.pool.counters())["late"] == 8


async def test_a_stranger_on_the_data_port_is_told_and_disturbs_nothing(server: Server) -> None:
    content = server.put("file", os.urandom(3000))
    with server.client() as client, server.client() as stranger:
        first = client.request("file")
        stranger.peer = client.peer
        stranger.say(Ack(1))
        assert stranger.hear() == Error(ErrorCode.UNKNOWN_TID, "unknown transfer ID")
        assert stranger.peer == client.peer
        stranger.say(Error(0, "go away"))
        assert client.finish(first) == content
        stranger.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.socket.recv(100)


async def test_strangers_get_a_bounded_number_of_errors(server: Server) -> None:
    server.put("file", bytes(3000))
    with server.client() as client, server.client() as stranger:
        first = client.request("file")
        stranger.peer = client.peer
        for _ in range(200):
            stranger.say(Ack(9))
        assert client.finish(first) == bytes(3000)
        assert (await server.pool.counters())["strangers"] == 200
        answers = 0
        stranger.socket.setblocking(False)
        try:
            while True:
                stranger.socket.recv(100)
                answers += 1
        except BlockingIOError:
            pass
        assert 20 <= answers < 100


async def test_one_client_has_a_bounded_number_of_transfers(serve: Serve) -> None:
    server = await serve(max_transfers_per_client=2)
    server.put("file", bytes(3000))
    with server.client() as one, server.client() as two, server.client() as three:
        first, second = one.request("file"), two.request("file")
        refused = three.request("file")
        assert refused == Error(0, "too many transfers of this client; try again later")
        assert (await server.ended()).outcome is Outcome.REFUSED
        assert one.finish(first) == two.finish(second) == bytes(3000)
        assert three.get("file") == bytes(3000)


async def test_all_clients_together_have_a_bounded_number_of_transfers(serve: Serve) -> None:
    server = await serve(max_transfers=1)
    server.put("file", bytes(3000))
    with server.client() as one, server.client() as two:
        first = one.request("file")
        assert two.request("file") == Error(0, "too many transfers; try again later")
        assert one.finish(first) == bytes(3000)
        assert two.get("file") == bytes(3000)


async def test_requests_from_ports_that_answer_by_themselves_are_ignored(server: Server) -> None:
    server.put("file", b"x")
    with server.client(port=19) as chargen, server.client() as client:
        chargen.socket.sendto(_read(b"file"), ("127.0.0.1", server.port))
        assert client.get("file") == b"x"
        assert (await server.pool.counters())["ignored"] == 1
        chargen.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            chargen.socket.recv(100)


@pytest.mark.parametrize("size", [3000, COPIED + 3000], ids=["copied", "mapped"])
async def test_a_file_that_is_replaced_is_sent_to_its_old_end(server: Server, size: int) -> None:
    old = server.put("file", os.urandom(size))
    with server.client() as client:
        first = client.request("file", blksize=65464)
        (server.public / "new").write_bytes(b"new")
        (server.public / "new").rename(server.public / "file")
        assert client.finish(first) == old
        assert client.get("file") == b"new"


async def test_a_small_file_that_is_overwritten_is_sent_to_its_old_end(server: Server) -> None:
    old = server.put("file", os.urandom(3000))
    with server.client() as client:
        first = client.request("file")
        server.put("file", b"new")
        assert client.finish(first) == old
        assert client.get("file") == b"new"


@pytest.mark.parametrize("change", ["overwritten", "cut off", "grown"])
async def test_a_large_file_that_changes_ends_in_an_error_and_never_in_a_mixture(server: Server, change: str) -> None:
    server.put("file", bytes(COPIED + 100_000))
    path: Path = server.public / "file"
    with server.client() as client:
        first = client.request("file", blksize=65464, windowsize=4)
        match change:
            case "overwritten":
                server.put("file", b"\1" * (COPIED + 100_000))
            case "cut off":
                os.truncate(path, 1000)
            case "grown":
                with path.open("ab") as file:
                    file.write(b"more")
        with pytest.raises(Refused) as refused:
            client.finish(first)
        assert refused.value.error.code == ErrorCode.UNDEFINED
        assert (await server.ended()).outcome is Outcome.FAILED
        server.put("other", b"served on")
        assert client.get("other") == b"served on"


async def test_the_answer_comes_from_the_address_that_was_asked(serve: Serve) -> None:
    server = await serve(endpoints=(Endpoint("", 65536, "0.0.0.0"),))
    server.put("file", b"x")
    for address in ("127.0.0.1", "127.3.2.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            sock.sendto(_read(b"file"), (address, server.port))
            assert sock.recvfrom(600)[1][0] == address


async def test_the_end_of_a_mapped_file_is_repeated_from_where_the_client_is(serve: Serve) -> None:
    """The end is copied when the last block is first sent, which may be after blocks that are not acknowledged yet."""
    server = await serve()
    size, block_size, last = COPIED + 10_000, 65464, 65
    content = server.put("file", os.urandom(size))

    def block(number: int) -> Data:
        return Data(number, content[(number - 1) * block_size : number * block_size])

    with server.client() as client:
        client.request("file", blksize=block_size, windowsize=4)
        client.say(Ack(0))
        for number in range(1, last - 4):
            assert client.hear() == block(number)
            if number % 4 == 0:
                client.say(Ack(number))
        expected = [*range(last - 4, last), last - 1]  # after a silence the last one asks where the client is
        assert [client.hear() for _ in expected] == [block(number) for number in expected]
        client.say(Ack(last - 4))
        assert [client.hear() for _ in range(4)] == [block(number) for number in range(last - 3, last + 1)]
        client.say(Ack(last))
        assert (await server.ended()).outcome is Outcome.COMPLETE
