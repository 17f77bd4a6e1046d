"""The load of TFTP: many clients in one process, faster than the servers it measures.

`python -m bench.tftp_load JSON` with the fields of `Order`; it fetches the one-block file until the server answers,
writes "ready", waits for a line, runs the load and writes an `Outcome` as JSON.

All clients (`bench.tftp_client`) share one socket. Each has an address of its own (the namespace takes a whole network
as local), which IP_PKTINFO tells of every datagram and sets on every answer, so that recvmmsg(2) takes the blocks of
many clients in one call and sendmmsg(2) sends their ACKs in one. Blocks that are as they should be are taken in C
(`bench.tftp_turn`). A client that hears nothing new for a second says its latest packet again.
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

from bench.tftp_client import Client, Order, Outcome
from bench.tftp_content import PAYLOADS, PROBE
from bench.tftp_turn import State, Turns, number_of
from pxed.wire.tftp import Error, ErrorCode, ReadRequest, encode

_SILENCE = 1.0
"""seconds without progress before a client sends its latest packet again"""
_SCAN = 0.02
"""seconds between two looks for such clients"""
_READY = 15.0
"""seconds that a server has to begin to answer"""
_BUFFER = 256 << 20
_IP_PKTINFO = 8
_UDP_GRO = 104
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32

_pktinfo = struct.Struct("=4x4s4x")  # in_pktinfo: interface, source, destination


class Load:
    """The clients of one order, and the socket that they share; `all_given` as `Turns` has it."""

    def __init__(self, order: Order, *, all_given: bool = False) -> None:
        self._order = order
        self._payloads = tuple(payload[: order.block_size] for payload in PAYLOADS)
        self.outcome = Outcome()
        self._beside = Outcome()
        states = (State * (order.clients + order.neighbours))()
        self.clients = [self._client(states[number], number) for number in range(len(states))]
        self._measured, self._neighbours = self.clients[: order.clients], self.clients[order.clients :]
        self._first = number_of(order.first_client)
        self._left = order.clients
        self._times: list[float] = []
        self._began = 0.0
        self._later: list[tuple[float, int]] = []
        """a heap of the ACKs that clients still think about: when they are due, and whose they are"""
        self.socket = _open()
        self._turns = Turns(
            self.socket,
            states,
            order.first_client,
            order.server,
            order.blocks,
            order.block_size,
            self._heard,
            all_given=all_given,
        )

    def _client(self, state: State, number: int) -> Client:
        order = self._order
        if number < order.clients:
            return Client(state, order, order.window, order.pause, self._payloads, self.outcome)
        window, pause = order.neighbours_window, order.neighbours_pause
        return Client(state, order, window, pause, self._payloads, self._beside)

    def run(self) -> Outcome:
        """All clients ask at once; returns when the last one is through, or the time is over."""
        outcome = self.outcome
        spent = time.process_time()
        began = now = scanned = self._began = time.monotonic() + self._order.away
        taken = turns = 0
        for number, client in enumerate(self.clients):
            client.moved = now
            self._send(number, client.request)
        time.sleep(self._order.away)
        while self._left and now - began < self._order.seconds:
            count = self.turn()
            now = time.monotonic()
            if count:
                taken, turns = taken + count, turns + 1
            while self._later and self._later[0][0] <= now:
                _, number = heapq.heappop(self._later)
                self._send(number, self.clients[number].acknowledgement())
            if now - scanned >= _SCAN:
                scanned = now
                self._look(now)
        outcome.seconds = time.monotonic() - began
        outcome.cpu_seconds = time.process_time() - spent
        outcome.waiting = taken / max(turns, 1)
        outcome.blocks = sum(client.state.next - 1 for client in self._measured)
        outcome.complete = len(self._times)
        outcome.neighbours_window = self._beside.window
        outcome.neighbour_blocks = self._beside.blocks + sum(client.state.next - 1 for client in self._neighbours)
        if self._times:
            outcome.median_time, outcome.slowest_time = median(self._times), max(self._times)
        return outcome

    def turn(self) -> int:
        """Takes what has come and acknowledges it: so many datagrams."""
        return self._turns.turn()

    def hang_up(self) -> None:
        """Tells the server of every transfer that is not through that it is over."""
        goodbye = encode(Error(ErrorCode.UNDEFINED, "the measurement is over"))
        for number, client in enumerate(self.clients):
            if client.state.next <= self._order.blocks and client.state.tid:
                self._send(number, goodbye)
        self._turns.close()
        self.socket.close()

    def _heard(self, number: int, port: int, datagram: bytes) -> bool:
        """What the client makes of anything but a right block in order; whether an ACK is owed at once."""
        client = self.clients[number]
        done = client.state.done
        owed = client.heard(port, datagram)
        if client.state.done and not done:
            if client.outcome is self._beside:
                if owed:
                    self._begin_again(number, client)
                return False
            self._left -= 1
            if owed:
                self._times.append(time.monotonic() - self._began)
                self.outcome.mixed += client.mixed
        elif owed and client.pause and not done:
            heapq.heappush(self._later, (time.monotonic() + client.pause * client.state.window, number))
            return False
        return owed

    def _begin_again(self, number: int, client: Client) -> None:
        """A neighbour has the whole file and asks for it anew."""
        self._beside.blocks += self._order.blocks
        self._send(number, client.acknowledgement())
        client.restart()
        client.moved = time.monotonic()
        self._send(number, client.request)

    def _look(self, now: float) -> None:
        """Clients that have heard nothing new for too long say again what they said last."""
        stop_after = self._order.stop_after
        for number, client in enumerate(self.clients):
            following = client.state.next
            if following != client.seen:
                client.seen, client.moved = following, now
                if stop_after and following > stop_after and not client.state.done:
                    client.end()
                    self._left -= 1
            elif not client.state.done and now - client.moved >= _SILENCE + client.pause * client.state.window:
                client.moved = now
                client.outcome.timeouts += 1
                self._send(number, client.latest())

    def _send(self, number: int, datagram: bytes) -> None:
        """To the port that the client's packets go to, from its address."""
        to = (self._order.server, self.clients[number].state.tid or self._order.port)
        source = (self._first + number).to_bytes(4, "big")
        control = [(socket.IPPROTO_IP, _IP_PKTINFO, _pktinfo.pack(source))]
        with contextlib.suppress(PermissionError):  # so the kernel says that its filter has lost it
            self.socket.sendmsg([datagram], control, 0, to)


def wait_ready(order: Order) -> bool:
    """Whether the server gives the one-block file within its time; asks again every tenth of a second."""
    request = encode(ReadRequest(PROBE.encode(), "octet"))
    end = time.monotonic() + _READY
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        while time.monotonic() < end:
            sock.sendto(request, (order.server, order.port))
            try:
                datagram, peer = sock.recvfrom(2048)
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
    sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    sock.bind(("", 0))
    return sock


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
