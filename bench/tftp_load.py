"""The load of TFTP: many clients in one process, faster than the servers it measures.

`python -m bench.tftp_load JSON` with the fields of `Order`; it fetches the one-block file until the server answers,
writes "ready", waits for a line, runs the load and writes an `Outcome` as JSON.

All clients (`bench.tftp_client`) share one socket. Each has an address of its own (the namespace takes a whole network
as local), which IP_PKTINFO tells of every datagram and sets on every answer, so that recvmmsg(2) takes the blocks of
many clients in one call and sendmmsg(2) sends their ACKs in one. A client that hears nothing new for a second says its
latest packet again.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import socket
import struct
import sys
import time
from dataclasses import asdict
from statistics import median

from bench.tftp_client import DATA, Client, Order, Outcome
from bench.tftp_content import PAYLOADS, PERIOD, PROBE
from pxed import mmsg
from pxed.wire.tftp import Error, ErrorCode, Opcode, ReadRequest, encode

_BATCH = 128
"""datagrams a call"""
_STRIDE = 2048
"""octets from one received record to the next: sender, control data, datagram"""
_HEAD = 48
"""octets of a record before the datagram"""
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
_message = struct.Struct("LI4xLLLLi4xI4x")
_outgoing = struct.Struct("LI4xLLLL")
_iovec = struct.Struct("LL")
_length = struct.Struct("56xI4x")
_record = struct.Struct(f"!2xH12x24xI4xI{_STRIDE - _HEAD - 4}x")  # server's port, client's address, opcode and block


class Way:
    """A client and how its packets go out: the server's address, its own as the source."""

    __slots__ = ("client", "control", "control_buffer", "name", "name_buffer")

    def __init__(self, client: Client, server: tuple[str, int]) -> None:
        self.client = client
        self.name_buffer = bytearray(
            _sockaddr.pack(socket.AF_INET, server[1].to_bytes(2, "big"), socket.inet_aton(server[0]))
        )
        self.name = mmsg.pointer_to(self.name_buffer)
        self.control_buffer = bytearray(_pktinfo.pack(28, socket.IPPROTO_IP, _IP_PKTINFO, 0, client.address, bytes(4)))
        self.control = mmsg.pointer_to(self.control_buffer)

    def turn_to(self, port: int) -> None:
        """From now on to that port of the server."""
        self.name_buffer[2:4] = port.to_bytes(2, "big")


class Load:
    """The clients of one order, and the socket that they share."""

    def __init__(self, order: Order) -> None:
        self._order = order
        size = order.block_size
        self._payloads = tuple(payload[:size] for payload in PAYLOADS)
        self._full = size + 4
        self.outcome = Outcome()
        self._beside = Outcome()
        first = int.from_bytes(socket.inet_aton(order.first_client), "big")
        self._ways = {first + n: self._way(first + n, n) for n in range(order.clients + order.neighbours)}
        ways = list(self._ways.values())
        self._measured, self._neighbours = ways[: order.clients], ways[order.clients :]
        self._left = order.clients
        self._times: list[float] = []
        self._began = 0.0
        self._later: list[tuple[float, int, Way]] = []
        """a heap of the ACKs that clients still think about: when they are due"""
        self._socket = _open()
        self._fd = self._socket.fileno()
        self._out = bytearray(2 * _BATCH * _message.size)
        self._out_at = mmsg.pointer_to(self._out)
        self._records = bytearray(_BATCH * _STRIDE)
        self._in = bytearray(_BATCH * _message.size)
        self._in_at = mmsg.pointer_to(self._in)
        self._iovecs = bytearray(_BATCH * _iovec.size)
        self._prepare_receiving()

    def _way(self, address: int, number: int) -> Way:
        order, raw = self._order, address.to_bytes(4, "big")
        if number < order.clients:
            client = Client(raw, order, order.window, order.pause, self._payloads, self.outcome)
        else:
            window, pause = order.neighbours_window, order.neighbours_pause
            client = Client(raw, order, window, pause, self._payloads, self._beside)
        return Way(client, (order.server, order.port))

    def _prepare_receiving(self) -> None:
        records, iovecs = mmsg.pointer_to(self._records), mmsg.pointer_to(self._iovecs)
        for index in range(_BATCH):
            record, iovec = records + index * _STRIDE, index * _iovec.size
            _iovec.pack_into(self._iovecs, iovec, record + _HEAD, _STRIDE - _HEAD)
            message = (record, 16, iovecs + iovec, 1, record + 16, 32, 0, 0)
            _message.pack_into(self._in, index * _message.size, *message)

    def run(self) -> Outcome:
        """All clients ask at once; returns when the last one is through, or the time is over."""
        outcome = self.outcome
        spent = time.process_time()
        began = now = scanned = self._began = time.monotonic()
        taken = turns = 0
        for way in self._ways.values():
            way.client.moved = now
            self._send(way, way.client.request)
        while self._left and now - began < self._order.seconds:
            count = self._turn()
            now = time.monotonic()
            if count:
                taken, turns = taken + count, turns + 1
            while self._later and self._later[0][0] <= now:
                *_, way = heapq.heappop(self._later)
                self._send(way, struct.pack("!HH", Opcode.ACK, (way.client.next - 1) & 0xFFFF))
            if now - scanned >= _SCAN:
                scanned = now
                self._look(now)
        outcome.seconds = time.monotonic() - began
        outcome.cpu_seconds = time.process_time() - spent
        outcome.waiting = taken / max(turns, 1)
        outcome.blocks = sum(way.client.next - 1 for way in self._measured)
        outcome.complete = len(self._times)
        outcome.neighbours_window = self._beside.window
        outcome.neighbour_blocks = self._beside.blocks + sum(way.client.next - 1 for way in self._neighbours)
        if self._times:
            outcome.median_time, outcome.slowest_time = median(self._times), max(self._times)
        return outcome

    def hang_up(self) -> None:
        """Tells the server of every transfer that is not through that it is over."""
        goodbye = encode(Error(ErrorCode.UNDEFINED, "the measurement is over"))
        for way in self._ways.values():
            if way.client.next <= self._order.blocks and way.client.tid:
                self._send(way, goodbye)
        self._socket.close()

    def _turn(self) -> int:
        """Takes what has come and acknowledges it: so many datagrams. Never sleeps, so that no server's time is spent
        on waking it up."""
        count = int(mmsg.recvmmsg(self._fd, self._in_at, _BATCH, socket.MSG_DONTWAIT, None))
        if count <= 0:
            return 0
        ways, records, payloads, full = self._ways, self._records, self._payloads, self._full
        out, pack, acks = self._out, _outgoing.pack_into, _ACKS_AT
        at = _HEAD + 4
        queued = 0
        lengths = _length.iter_unpack(memoryview(self._in)[: count * _message.size])
        for (port, address, head), (length,) in zip(
            _record.iter_unpack(memoryview(records)[: count * _STRIDE]), lengths, strict=True
        ):
            way = ways.get(address)
            if way is None:
                at += _STRIDE
                continue  # of an earlier load
            client = way.client
            block = client.next
            if (
                head == client.want
                and length == full
                and port == client.tid
                and records.startswith(payloads[block % PERIOD], at)
            ):
                client.next = block + 1
                client.want = DATA | ((block + 1) & 0xFFFF)
                client.left -= 1
                owed = not client.left
                if owed:
                    client.left = client.window
            else:
                owed = self._heard(way, port, bytes(records[at - 4 : at - 4 + length]))
                block = client.next - 1
            if owed:
                if client.pause and not client.done:
                    heapq.heappush(self._later, (time.monotonic() + client.pause * client.window, at, way))
                else:
                    pack(out, queued << 6, way.name, 16, acks + ((block & 0xFFFF) << 4), 1, way.control, 32)
                    queued += 1
            at += _STRIDE
        done = 0
        while done < queued:
            sent = mmsg.sendmmsg(self._fd, self._out_at + done * _message.size, queued - done, 0)
            done += sent if sent > 0 else 1
        return count

    def _heard(self, way: Way, port: int, datagram: bytes) -> bool:
        """What the client makes of anything but a right block in order; whether it owes an ACK."""
        client = way.client
        tid, done = client.tid, client.done
        owed = client.heard(port, datagram)
        if client.tid != tid:
            way.turn_to(client.tid)
        if not client.done or done:
            return owed
        if client.outcome is self._beside:
            if owed:
                self._begin_again(way)
            return False
        self._left -= 1
        if owed:
            self._times.append(time.monotonic() - self._began)
            self.outcome.mixed += client.mixed
        return owed

    def _begin_again(self, way: Way) -> None:
        """A neighbour has the whole file and asks for it anew."""
        client = way.client
        self._beside.blocks += self._order.blocks
        self._send(way, struct.pack("!HH", Opcode.ACK, self._order.blocks & 0xFFFF))
        client.restart()
        client.moved = time.monotonic()
        way.turn_to(self._order.port)
        self._send(way, client.request)

    def _look(self, now: float) -> None:
        """Clients that have heard nothing new for too long say again what they said last."""
        stop_after = self._order.stop_after
        for way in self._ways.values():
            client = way.client
            if client.next != client.seen:
                client.seen, client.moved = client.next, now
                if stop_after and client.next > stop_after and not client.done:
                    client.end()
                    self._left -= 1
            elif not client.done and now - client.moved >= _SILENCE + client.pause * client.window:
                client.moved = now
                client.outcome.timeouts += 1
                self._send(way, client.latest())

    def _send(self, way: Way, datagram: bytes) -> None:
        to = (socket.inet_ntoa(way.name_buffer[4:8]), int.from_bytes(way.name_buffer[2:4], "big"))
        control = [(socket.IPPROTO_IP, _IP_PKTINFO, bytes(way.control_buffer[16:28]))]
        with contextlib.suppress(PermissionError):  # so the kernel says that its filter has lost it
            self._socket.sendmsg([datagram], control, 0, to)


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


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER)
    sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    sock.bind(("", 0))
    return sock


_ACK_PACKETS = bytearray(b"".join(struct.pack("!HH", Opcode.ACK, block) for block in range(0x10000)))
_ACK_IOVECS = bytearray(0x10000 * _iovec.size)
for _block in range(0x10000):
    _iovec.pack_into(_ACK_IOVECS, _block * _iovec.size, mmsg.pointer_to(_ACK_PACKETS) + 4 * _block, 4)
_ACKS_AT = mmsg.pointer_to(_ACK_IOVECS)
"""an iovec for each ACK that there can be"""


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
