"""The load of TFTP: many clients in one process, faster than the servers it measures.

`python -m bench.tftp_load JSON` with the fields of `Order`; it fetches the one-block file until the server answers,
writes "ready", waits for a line, runs the load and writes an `Outcome` as JSON.

All clients share one socket. Each has an address of its own (the namespace takes a whole network as local), which
IP_PKTINFO tells of every datagram and sets on every answer, so that recvmmsg(2) takes the blocks of many clients in one
call and sendmmsg(2) sends their ACKs in one. Every octet is compared with what the file must hold, see `bench.content`.
The clients receive as RFC 1350, 2347 and 7440 have it: a gap is answered at once with the last block in order, a block
that comes again with its ACK again, and silence of a second with the latest packet again.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass, field
from statistics import median

from bench.content import BLOCK_SIZE, PAYLOADS, PERIOD, PROBE
from pxed.wire.tftp import Error, ErrorCode, Opcode, OptionAck, ReadRequest, decode, encode

_BATCH = 128
"""datagrams a call"""
_STRIDE = 2048
"""octets from one received record to the next: sender, control data, datagram"""
_HEAD = 48
"""octets of a record before the datagram"""
_FULL = BLOCK_SIZE + 4
_DATA = Opcode.DATA << 16
_SILENCE = 1.0
"""seconds without progress before a client sends its latest packet again"""
_SCAN = 0.02
"""seconds between two looks for such clients"""
_READY = 15.0
"""seconds that a server has to begin to answer"""
_BUFFER = 256 << 20
_IP_PKTINFO = 8
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32

_sockaddr = struct.Struct("=H2s4s8x")
_pktinfo = struct.Struct("=QiiI4s4s4x")  # cmsghdr, then in_pktinfo: interface, source, destination
_message = struct.Struct("QI4xQQQQi4xI4x")
_outgoing = struct.Struct("QI4xQQQQ")
_iovec = struct.Struct("QQ")
_length = struct.Struct("56xI4x")
_record = struct.Struct(f"!2xH12x24xI4xI{_STRIDE - _HEAD - 4}x")  # server's port, client's address, opcode and block


@dataclass(frozen=True, slots=True)
class Order:
    """What a load shall be."""

    server: str
    """IPv4 address"""
    file: str
    blocks: int
    """of the file, the last one included"""
    clients: int
    window: int
    seconds: float
    """after which clients that are not through give up"""
    first_client: str = "10.98.0.1"
    """IPv4 address; the others follow"""
    stop_after: int = 0
    """blocks after which a client stays silent and holds its transfer open until the end; 0: never"""
    port: int = 69


@dataclass(slots=True)
class Outcome:
    """What a load was."""

    seconds: float = 0.0
    """from the first request to the last block, or until the time was over"""
    blocks: int = 0
    """received in order, each with the right octets"""
    complete: int = 0
    """clients that have the whole file"""
    repeated: int = 0
    """blocks that came although the client had them"""
    ahead: int = 0
    """blocks that came after a gap and were dropped"""
    timeouts: int = 0
    """times that a client repeated its latest packet after silence"""
    wrong: int = 0
    """blocks with other octets than the file's"""
    window: int = 1
    """the window that was agreed on"""
    median_time: float = 0.0
    """of the clients that completed, from the first request of all"""
    slowest_time: float = 0.0
    idle: float = 0.0
    """share of the looks that found nothing to do: near 0, the load itself may be what is slow"""
    errors: list[str] = field(default_factory=list)
    """what servers said, each text once"""


class Client:
    """One client's side of one transfer."""

    __slots__ = (
        "address",
        "control",
        "control_buffer",
        "done",
        "gap",
        "latest",
        "left",
        "moved",
        "name",
        "name_buffer",
        "next",
        "seen",
        "tid",
        "want",
        "window",
    )

    def __init__(self, address: bytes, server: tuple[str, int]) -> None:
        self.address = address
        self.name_buffer = bytearray(_sockaddr.pack(socket.AF_INET, server[1].to_bytes(2, "big"), inet(server[0])))
        self.name = _address_of(self.name_buffer)
        self.control_buffer = bytearray(_pktinfo.pack(28, socket.IPPROTO_IP, _IP_PKTINFO, 0, address, bytes(4)))
        self.control = _address_of(self.control_buffer)
        self.restart()

    def restart(self) -> None:
        """As before the first request."""
        self.tid = 0
        self.next = 1
        """block that comes next"""
        self.want = -1
        """opcode and number of that packet; -1 before the server has answered, and after the end"""
        self.window = self.left = 1
        """blocks that are still to come before the next ACK"""
        self.gap = False
        self.done = False
        self.seen = -1
        self.moved = 0.0

    def answered(self, port: int) -> None:
        """The server has chosen its port."""
        self.tid = port
        self.name_buffer[2:4] = port.to_bytes(2, "big")
        self.want = _DATA | 1


class Load:
    """The clients of one order, and the socket that they share."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._request = encode(ReadRequest(order.file.encode(), "octet", _options(order.window)))
        first = int.from_bytes(inet(order.first_client), "big")
        server = (order.server, order.port)
        self._clients = {first + n: Client((first + n).to_bytes(4, "big"), server) for n in range(order.clients)}
        self._left = order.clients
        self._times: list[float] = []
        self._began = 0.0
        self.outcome = Outcome()
        self._socket = _open()
        self._fd = self._socket.fileno()
        self._turns = self._empty = 0
        self._out = bytearray(2 * _BATCH * _message.size)
        self._out_at = _address_of(self._out)
        self._records = bytearray(_BATCH * _STRIDE)
        self._in = bytearray(_BATCH * _message.size)
        self._in_at = _address_of(self._in)
        self._iovecs = bytearray(_BATCH * _iovec.size)
        self._prepare_receiving()

    def _prepare_receiving(self) -> None:
        records, iovecs = _address_of(self._records), _address_of(self._iovecs)
        for index in range(_BATCH):
            record, iovec = records + index * _STRIDE, index * _iovec.size
            _iovec.pack_into(self._iovecs, iovec, record + _HEAD, _STRIDE - _HEAD)
            message = (record, 16, iovecs + iovec, 1, record + 16, 32, 0, 0)
            _message.pack_into(self._in, index * _message.size, *message)

    def run(self) -> Outcome:
        """All clients ask at once; returns when the last one is through, or the time is over."""
        outcome = self.outcome
        began = now = scanned = self._began = time.monotonic()
        for client in self._clients.values():
            client.moved = now
            self._ask(client)
        while self._left and now - began < self._order.seconds:
            self._turn()
            now = time.monotonic()
            if now - scanned >= _SCAN:
                scanned = now
                self._repeat(now)
        outcome.seconds = time.monotonic() - began
        outcome.idle = self._empty / max(self._turns, 1)
        outcome.blocks = sum(client.next - 1 for client in self._clients.values())
        outcome.complete = len(self._times)
        if self._times:
            outcome.median_time, outcome.slowest_time = median(self._times), max(self._times)
        return outcome

    def hang_up(self) -> None:
        """Tells the server of every transfer that is not through that it is over."""
        goodbye = encode(Error(ErrorCode.UNDEFINED, "the measurement is over"))
        for client in self._clients.values():
            if not client.done and client.tid:
                self._send(client, goodbye)
        self._socket.close()

    def _turn(self) -> None:
        """Takes what has come and acknowledges it. Never sleeps, so that no server's time is spent on waking it up."""
        count = _recvmmsg(self._fd, self._in_at, _BATCH, socket.MSG_DONTWAIT, None)
        self._turns += 1
        if count <= 0:
            self._empty += 1
            return
        clients, records, out, acks, payloads = self._clients, self._records, self._out, _ACKS_AT, PAYLOADS
        pack = _outgoing.pack_into
        at = _HEAD + 4
        queued = 0
        lengths = _length.iter_unpack(memoryview(self._in)[: count * _message.size])
        for (port, address, head), (length,) in zip(
            _record.iter_unpack(memoryview(records)[: count * _STRIDE]), lengths, strict=True
        ):
            client = clients.get(address)
            if client is None:
                pass  # of an earlier load
            elif head == client.want and length == _FULL and port == client.tid:
                block = client.next
                if records.startswith(payloads[block % PERIOD], at):
                    client.next = block + 1
                    client.want = _DATA | ((block + 1) & 0xFFFF)
                    client.left -= 1
                    if not client.left:
                        client.left = client.window
                        client.gap = False
                        pack(out, queued << 6, client.name, 16, acks + ((block & 0xFFFF) << 4), 1, client.control, 32)
                        queued += 1
                else:
                    self.outcome.wrong += 1
            elif self._other(client, port, head, bytes(records[at - 4 : at - 4 + length])):
                block = client.next - 1
                pack(out, queued << 6, client.name, 16, acks + ((block & 0xFFFF) << 4), 1, client.control, 32)
                queued += 1
            at += _STRIDE
        done = 0
        while done < queued:
            sent = _sendmmsg(self._fd, self._out_at + done * _message.size, queued - done, 0)
            done += sent if sent > 0 else 1

    def _other(self, client: Client, port: int, head: int, datagram: bytes) -> bool:
        """Anything but a full block in order; whether the last block in order is to be acknowledged now."""
        opcode = head >> 16
        if opcode == Opcode.DATA:
            return self._data(client, port, head & 0xFFFF, datagram)
        if opcode == Opcode.OACK:
            if client.tid and (client.tid != port or client.next > 1):
                return False
            self._agree(client, decode(datagram))
            client.answered(port)
            return True
        if opcode == Opcode.ERROR and not client.done and client.tid in {0, port}:
            text = decode(datagram)
            self._note(f"error {text.code}: {text.text}" if isinstance(text, Error) else "error")
            self._give_up(client)
        return False

    def _data(self, client: Client, port: int, number: int, datagram: bytes) -> bool:
        if not client.tid:  # no OACK: the server knows no options
            client.answered(port)
        if port != client.tid:
            return False
        behind = (client.next - 1 - number) & 0xFFFF
        if behind < 0x8000:
            self.outcome.repeated += 1
            return not behind  # its ACK was lost
        if behind != 0xFFFF:
            self.outcome.ahead += 1
            client.left = client.window
            first, client.gap = not client.gap, True
            return first
        return self._short(client, datagram[4:])

    def _short(self, client: Client, payload: bytes) -> bool:
        """The block that comes next, and is no full one."""
        if client.next != self._order.blocks or len(payload) >= BLOCK_SIZE:
            if client.next == 1 and len(payload) == 512:
                self._note("no block size but 512")
                self._give_up(client)
            return False
        if payload != PAYLOADS[client.next % PERIOD][: len(payload)]:
            self.outcome.wrong += 1
            return False
        client.next += 1
        self._times.append(time.monotonic() - self._began)
        client.done = True
        client.want = -1
        self._left -= 1
        return True

    def _agree(self, client: Client, packet: object) -> None:
        options = dict(packet.options) if isinstance(packet, OptionAck) else {}
        if options.get("blksize") != str(BLOCK_SIZE):
            self._note(f"block size {options.get('blksize', '512')}")
        client.window = client.left = self.outcome.window = int(options.get("windowsize", "1"))

    def _repeat(self, now: float) -> None:
        """Clients that have heard nothing new for too long say again what they said last."""
        for client in self._clients.values():
            if client.next != client.seen:
                client.seen, client.moved = client.next, now
                if self._order.stop_after and client.next > self._order.stop_after and not client.done:
                    client.want = -1
                    client.done = True
                    self._left -= 1
            elif not client.done and now - client.moved >= _SILENCE:
                client.moved = now
                client.left, client.gap = client.window, False
                self.outcome.timeouts += 1
                if client.tid:
                    self._send(client, struct.pack("!HH", Opcode.ACK, (client.next - 1) & 0xFFFF))
                else:
                    self._ask(client)

    def _ask(self, client: Client) -> None:
        self._send(client, self._request)

    def _send(self, client: Client, datagram: bytes) -> None:
        to = (socket.inet_ntoa(client.name_buffer[4:8]), int.from_bytes(client.name_buffer[2:4], "big"))
        control = [(socket.IPPROTO_IP, _IP_PKTINFO, bytes(client.control_buffer[16:28]))]
        with contextlib.suppress(PermissionError):  # so the kernel says that its filter has lost it
            self._socket.sendmsg([datagram], control, 0, to)

    def _give_up(self, client: Client) -> None:
        client.done = True
        client.want = -1
        self._left -= 1

    def _note(self, text: str) -> None:
        if text not in self.outcome.errors:
            self.outcome.errors.append(text)


def inet(address: str) -> bytes:
    """Four octets."""
    return socket.inet_aton(address)


def wait_ready(order: Order) -> bool:
    """Whether the server gives the one-block file within its time; asks again every tenth of a second."""
    request = encode(ReadRequest(PROBE.encode(), "octet"))
    end = time.monotonic() + _READY
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        while time.monotonic() < end:
            sock.sendto(request, (order.server, order.port))
            try:
                datagram, peer = sock.recvfrom(_STRIDE)
            except TimeoutError:
                continue
            if datagram.startswith(b"\0\3\0\1"):
                sock.sendto(b"\0\4\0\1", peer)
                return True
    return False


def _options(window: int) -> tuple[tuple[str, str], ...]:
    size = (("blksize", str(BLOCK_SIZE)),)
    return (*size, ("windowsize", str(window))) if window > 1 else size


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER)
    sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    sock.bind(("", 0))
    return sock


def _address_of(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


_ACK_PACKETS = bytearray(b"".join(struct.pack("!HH", Opcode.ACK, block) for block in range(0x10000)))
_ACK_IOVECS = bytearray(0x10000 * _iovec.size)
for _block in range(0x10000):
    _iovec.pack_into(_ACK_IOVECS, _block * _iovec.size, _address_of(_ACK_PACKETS) + 4 * _block, 4)
_ACKS_AT = _address_of(_ACK_IOVECS)
"""an iovec for each ACK that there can be"""

_libc = ctypes.CDLL(None, use_errno=True)
_recvmmsg, _sendmmsg = _libc.recvmmsg, _libc.sendmmsg
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


def main() -> None:
    """The process."""
    order = Order(**json.loads(sys.argv[1]))
    if not wait_ready(order):
        print("silent", flush=True)
        return
    load = Load(order)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(load.run())), flush=True)
    sys.stdin.readline()  # a load that is held open is looked at now
    load.hang_up()


if __name__ == "__main__":
    main()
