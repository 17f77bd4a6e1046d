"""A data socket that many transfers share: a transfer is known by its client's address and port.

`Outlet.drain` is the data path, ACKs in, blocks out; most ACKs are answered by then where the compiled part is
(`Batch.receive`). Everything that is not an acknowledgement of a running transfer is left to `_interrupted` and
`_strange`. A client that starts anew from the same port gets another outlet, so that late packets of its earlier
transfer, which carry the same port, arrive where they disturb nothing.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable

from pxed.boot.token import Grant
from pxed.bucket import Bucket
from pxed.tftp.admission import can_be_answered
from pxed.tftp.batch import NO_OPCODE, Batch, Lane, Packet, Peer, address_of, batch_for
from pxed.tftp.fields import DeliveryFields
from pxed.tftp.negotiation import Terms
from pxed.tftp.session import Outcome, Range, Session
from pxed.tftp.source import Source, SourceError
from pxed.wire.tftp import Error, ErrorCode, Opcode, encode

_BATCHES_A_TURN = 8
"""Then the other sockets and the timers have their turn."""
_MANY = 16
"""Datagrams; when so many are answered, others have come."""
_ANY, _LONG, _PART = 0xFFFF, 16, 8
"""Blocks: while clients with shorter windows are served too, one of more than _LONG is sent in parts of _PART."""
_REMEMBERED = 4096
"""Clients whose late packets are known for what they are."""
_STRANGERS_A_SECOND = 20.0
"""ERROR packets to senders that no transfer belongs to: an answer to anything would make us a reflector."""
_PRINTED = 200
"""characters of a stranger's text in a report"""
_BUFFER = 16 << 20
"""octets asked for; one window of each of some hundred clients"""
_SEND_PATIENCE = struct.pack("ll", 0, 100_000)
"""struct timeval, 0.1 s: how long one full link may keep the others waiting"""
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT = 10, 0


class Delivery(DeliveryFields):
    """A transfer under way."""

    __slots__ = (
        "acknowledge",
        "began",
        "first_packet",
        "grant",
        "last",
        "measure_at",
        "name",
        "outlet",
        "peer",
        "request",
        "source",
        "tail",
        "terms",
        "wake",
    )
    session: Session
    lane: Lane

    def __init__(
        self, outlet: Outlet, peer: Peer, request: bytes, session: Session, terms: Terms, source: Source, began: float
    ) -> None:
        self.outlet = outlet
        self.peer = peer
        self.request = request
        """the datagram, to know its repetition"""
        self.session = session
        self.acknowledge: Callable[[int, float], Range] = session.acknowledge
        self.terms = terms
        self.source = source
        self.tail: Source | None = None
        self.lane = Lane(peer, source, terms.block_size)
        self.last = session.last if source.is_mapped else session.last + 1
        """block before which the end of the file must be made safe; beyond the last one if it need not"""
        self.began = began
        self.wake = 0.0
        """when its timer is due"""
        self.measure_at = began
        """when to measure the round trip again, while all goes well"""
        self.first_packet = b""
        """the OACK; empty if block 1 is the first packet"""
        self.name = ""
        self.grant: Grant | None = None


class Outlet:
    """A socket bound to `address` (and `interface`, unless empty); `ended` is told of every transfer that is over, and
    `moved` of those whose deadline came nearer."""

    def __init__(
        self,
        interface: str,
        address: str,
        counters: Counter[str],
        ended: Callable[[Delivery], None],
        moved: Callable[[Delivery], None],
        clock: Callable[[], float],
    ) -> None:
        self.interface = interface
        self.address = address
        self.deliveries: dict[Peer, Delivery] = {}
        self.socket = _open(interface, address)
        self._batch: Batch = batch_for(self.socket)
        self._counters = counters
        self._ended = ended
        self._moved = moved
        self._clock = clock
        self._short = 0
        """transfers whose windows are no longer than _LONG"""
        self._past: OrderedDict[Peer, None] = OrderedDict()
        self._strangers = Bucket(_STRANGERS_A_SECOND, _STRANGERS_A_SECOND)

    def knows(self, peer: Peer) -> bool:
        """Packets of an earlier transfer of `peer` may still arrive here."""
        return peer in self.deliveries or peer in self._past

    def take(self, delivery: Delivery) -> None:
        """A new transfer."""
        self.deliveries[delivery.peer] = delivery
        self._short += delivery.terms.window <= _LONG

    def drain(self, now: float, awake: float = 0.0) -> float:
        """Reads what has come and sends what follows from it. Stays for `awake` seconds after that, in case that more
        comes; returns when the last packet came.

        A client with a long window does not keep those waiting that answer every few blocks: between the parts of its
        window comes what they have said meanwhile.
        """
        deliveries, batch = self.deliveries, self._batch
        find, add = deliveries.get, batch.add
        over: list[Delivery] = []
        rest: dict[Delivery, Range] = {}
        longest = _LONG if 0 < self._short < len(deliveries) else _ANY
        heard = now
        turns = 0
        while True:
            packets: list[Packet] = []
            came = 0
            if turns < _BATCHES_A_TURN:
                packets = batch.receive(deliveries, now, longest)
                came = batch.count
            if came:
                turns += 1
                heard = now
            for packet in packets:
                peer, opcode, block = packet
                delivery = find(peer)
                if delivery is None or opcode != 4:
                    if opcode == NO_OPCODE:
                        self._counters["malformed"] += 1
                    elif delivery is not None:
                        self._interrupted(delivery, opcode, block, batch.text(packets.index(packet)), over)
                    else:
                        self._strange(peer, opcode, now)
                    continue
                first, count = delivery.acknowledge(block, now)
                if rest:
                    rest.pop(delivery, None)  # it has not seen that yet, so it has lost something
                if not count:
                    self._settle(delivery, over)
                elif first + count > delivery.last:
                    self._finish(delivery, first, count, over)
                elif count > longest:
                    rest[delivery] = first, count
                else:
                    add(delivery.lane, first, count)
            if rest:
                self._add_parts(rest)
            for peer in batch.flush():
                self._abort(deliveries.get(peer), "the file became shorter while it was sent", over)
            if over:
                self._forget(over)
            if not rest and (turns >= _BATCHES_A_TURN or (came < _MANY and now - heard >= awake)):
                return heard
            now = self._clock()

    def _add_parts(self, rest: dict[Delivery, Range]) -> None:
        """Queues one part of what is left of each long window."""
        for delivery, (first, count) in list(rest.items()):
            if delivery.session.outcome is not None:
                del rest[delivery]
                continue
            self._batch.add(delivery.lane, first, min(count, _PART))
            if count > _PART:
                rest[delivery] = first + _PART, count - _PART
            else:
                del rest[delivery]

    def transmit(self, delivery: Delivery, blocks: Range) -> None:
        """Sends `blocks` of a transfer whose session has just been told of something else than an ACK."""
        first, count = blocks
        over: list[Delivery] = []
        if not count:
            self._settle(delivery, over)
        elif first == 0:
            self.send(delivery.peer, delivery.first_packet)
        else:
            self._finish(delivery, first, count, over)
            for _ in self._batch.flush():
                self._abort(delivery, "the file became shorter while it was sent", over)
        self._forget(over)

    def abort(self, delivery: Delivery, reason: str) -> None:
        """Breaks a transfer off."""
        over: list[Delivery] = []
        self._abort(delivery, reason, over)
        self._forget(over)

    def send(self, peer: Peer, datagram: bytes) -> None:
        """One packet, as it is; lost if the network does not take it."""
        try:
            self.socket.sendto(datagram, socket.MSG_DONTWAIT, address_of(peer))
        except OSError:
            self._counters["unsent"] += 1

    def close(self) -> None:
        """Breaks off the transfers that are left and closes the socket."""
        over: list[Delivery] = []
        for delivery in self.deliveries.values():
            self._abort(delivery, "the service point stopped", over)
        self._forget(over)
        self.socket.close()

    def _finish(self, delivery: Delivery, first: int, count: int, over: list[Delivery]) -> None:
        """Queues blocks among which the last may be; of a file that can change only after its end is made safe."""
        if first + count > delivery.last and delivery.tail is None:
            try:
                # Not from `first`: what precedes it and was not acknowledged may have to be repeated.
                delivery.tail = delivery.source.tail(delivery.session.acked * delivery.terms.block_size)
            except (SourceError, OSError) as error:
                self._abort(delivery, str(error), over)
                return
            delivery.lane.read_from(delivery.tail)
            delivery.last = delivery.session.last + 1
        self._batch.add(delivery.lane, first, count)

    def _settle(self, delivery: Delivery, over: list[Delivery]) -> None:
        """Nothing is to be sent: the transfer is over, or an ACK was late or has moved the deadline."""
        if delivery.session.outcome is not None:
            over.append(delivery)
        elif delivery.session.deadline < delivery.wake:
            self._moved(delivery)

    def _abort(self, delivery: Delivery | None, reason: str, over: list[Delivery]) -> None:
        if delivery is not None and delivery.session.outcome is None:
            delivery.session.outcome = Outcome.FAILED
            delivery.session.reason = reason
            self.send(delivery.peer, encode(Error(ErrorCode.UNDEFINED, reason)))
            over.append(delivery)

    def _forget(self, over: list[Delivery]) -> None:
        """Ends transfers, once nothing queued refers to their memory any more."""
        for delivery in over:
            if self.deliveries.pop(delivery.peer, None) is not None:
                self._short -= delivery.terms.window <= _LONG
                self._past[delivery.peer] = None
                if len(self._past) > _REMEMBERED:
                    self._past.popitem(last=False)
                self._ended(delivery)
        over.clear()

    def _interrupted(self, delivery: Delivery, opcode: int, number: int, text: bytes, over: list[Delivery]) -> None:
        """Something else than an ACK came from a client that is served."""
        if opcode == Opcode.ERROR and delivery.session.outcome is None:
            delivery.session.fail(number, printable(text.partition(b"\0")[0]))
            over.append(delivery)
        else:
            self._counters["unexpected"] += 1

    def _strange(self, peer: Peer, opcode: int, now: float) -> None:
        """A packet of no transfer here (RFC 1350 section 4); never answers an ERROR, or two servers talk for ever."""
        if peer in self._past:
            self._counters["late"] += 1
            return
        self._counters["strangers"] += 1
        if opcode != Opcode.ERROR and can_be_answered(*address_of(peer)) and self._strangers.take(now):
            self.send(peer, encode(Error(ErrorCode.UNKNOWN_TID, "unknown transfer ID")))


def printable(raw: bytes) -> str:
    """Text of a stranger as it may stand in a log: anything but printable ASCII is escaped."""
    return ascii(raw.decode("latin-1"))[1:-1][:_PRINTED]


def _open(interface: str, address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        for forced, option in ((_SO_SNDBUFFORCE, socket.SO_SNDBUF), (_SO_RCVBUFFORCE, socket.SO_RCVBUF)):
            try:
                sock.setsockopt(socket.SOL_SOCKET, forced, _BUFFER)
            except PermissionError:  # without CAP_NET_ADMIN the system's maximum is what there is
                sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_PATIENCE)
        # Firmware sets no store by path MTU discovery: rather a fragment than nothing.
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        if interface:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sock.bind((address, 0))
    except OSError:
        sock.close()
        raise
    return sock
