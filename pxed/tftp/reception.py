"""The listening socket of a worker: takes requests, refuses most of what can be wrong with them, starts transfers.

Every answer, an ERROR too, leaves from a data socket bound to the address that the client asked (IP_PKTINFO, ip(7)),
since clients take packets from no other, and from a port of its own (RFC 1350 section 4).
"""

from __future__ import annotations

import socket
import struct
import time
from collections import Counter
from collections.abc import Callable

from pxed.content import Content, ContentError, Problem
from pxed.errors import WireError
from pxed.tftp.admission import Admission, can_be_answered
from pxed.tftp.batch import Peer, peer_of
from pxed.tftp.deliveries import Deliveries, Outlets
from pxed.tftp.messages import IP_PKTINFO, Endpoint, TftpSettings, Transfer
from pxed.tftp.negotiation import DEFAULT_BLOCK_SIZE, Limits, Refusal, negotiate
from pxed.tftp.outlet import printable
from pxed.tftp.session import Outcome
from pxed.wire.tftp import MAX_REQUEST, Error, ErrorCode, ReadRequest, WriteRequest, decode, encode

_REQUESTS_A_TURN = 32
"""Then the transfers that run have their turn."""
_IP_MTU = 14
_PKTINFO = struct.Struct("=i4s4s")  # interface index, local address, destination in the IP header
_CODES = {Problem.NOT_FOUND: ErrorCode.NOT_FOUND, Problem.DENIED: ErrorCode.ACCESS_VIOLATION}
_REQUEST_OPCODES = {b"\0\1", b"\0\2"}
_TEXTS = {Problem.NOT_FOUND: "file not found", Problem.DENIED: "access violation"}


class Rules:
    """What holds for new requests: exchanged as a whole when the configuration changes."""

    def __init__(self, settings: TftpSettings) -> None:
        self.settings = settings
        self.content = Content(settings.public_dir, settings.images_dir, settings.aliases, settings.key)


class Reception:
    """A listening socket and what becomes of the requests that come to it. `sock` is bound, does not block and tells
    where a datagram was sent to (IP_PKTINFO)."""

    def __init__(
        self,
        sock: socket.socket,
        endpoint: Endpoint,
        deliveries: Deliveries,
        admission: Admission,
        counters: Counter[str],
        report: Callable[[Transfer], None],
    ) -> None:
        self.socket = sock
        self.outlets = Outlets(endpoint, deliveries)
        self.endpoint = endpoint
        self._deliveries = deliveries
        self._admission = admission
        self._counters = counters
        self._report = report

    def drain(self, rules: Rules, now: float) -> None:
        """Takes what requests have come, up to a turn's worth, at `now` (monotonic seconds)."""
        for _ in range(_REQUESTS_A_TURN):
            try:
                # One octet more than is read shows that a request is too long.
                datagram, ancillary, _, sender = self.socket.recvmsg(MAX_REQUEST + 1, socket.CMSG_SPACE(_PKTINFO.size))
            except OSError:
                return
            self._counters["requests"] += 1
            local = _asked_address(ancillary)
            if local is None or not can_be_answered(*sender) or not self._admission.admit(sender[0], now):
                self._counters["ignored"] += 1
                continue
            self._take(datagram, peer_of(*sender), sender, local, rules)

    def _take(self, datagram: bytes, peer: Peer, sender: tuple[str, int], local: str, rules: Rules) -> None:
        running = self.outlets.running(local, peer, datagram)
        if running is not None:
            running.outlet.transmit(running, running.session.repeat_request())
            return
        name = ""
        try:
            request = _decode(datagram)
            if request is None:
                self._counters["malformed"] += 1
                return
            name = printable(request.name)
            if isinstance(request, WriteRequest):
                raise Refusal(ErrorCode.ACCESS_VIOLATION, "nothing can be written here")
            self._start(request, datagram, peer, sender, local, rules)
        except Refusal as refusal:
            self._refuse(peer, sender, local, name, refusal)
        except OSError as error:
            # No socket on that address: it has just gone, or there are no descriptors or ports left.
            self._counters["unserved"] += 1
            self._tell(sender, local, name, Outcome.FAILED, f"no data socket: {error.strerror}")

    def _start(
        self, request: ReadRequest, datagram: bytes, peer: Peer, sender: tuple[str, int], local: str, rules: Rules
    ) -> None:
        settings = rules.settings
        mtu = min(self.endpoint.mtu, self._route_mtu(local, sender))
        limits = Limits(settings.max_block_size, mtu, settings.max_window, settings.timeout_seconds)
        terms = negotiate(request, self._deliveries.limits(peer, limits))
        self._deliveries.check_limits(peer, settings)
        outlet = self.outlets.choose(local, peer)
        try:
            opened = rules.content.open(request.name, time.time())
        except ContentError as error:
            raise Refusal(_CODES[error.problem], _TEXTS[error.problem], str(error)) from None
        self._deliveries.start(outlet, peer, datagram, terms, opened, settings)

    def _refuse(self, peer: Peer, sender: tuple[str, int], local: str, name: str, refusal: Refusal) -> None:
        self._counters[Outcome.REFUSED.value] += 1
        try:
            self.outlets.any(local).send(peer, encode(Error(refusal.code, refusal.text)))
        except OSError:
            self._counters["unserved"] += 1
        self._tell(sender, local, name, Outcome.REFUSED, refusal.reason, refusal.code)

    def _tell(
        self,
        sender: tuple[str, int],
        local: str,
        name: str,
        outcome: Outcome,
        reason: str,
        error: ErrorCode | None = None,
    ) -> None:
        self._report(
            Transfer(
                peer="{}:{}".format(*sender),
                local=local,
                interface=self.endpoint.interface,
                name=name,
                grant=None,
                sent=0,
                size=0,
                seconds=0.0,
                block_size=DEFAULT_BLOCK_SIZE,
                window=1,
                retransmissions=0,
                outcome=outcome,
                reason=reason,
                error=error,
            )
        )

    def _route_mtu(self, local: str, sender: tuple[str, int]) -> int:
        """MTU in octets of the route to `sender`, which may be smaller than the interface's."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                if self.endpoint.interface:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.endpoint.interface.encode())
                probe.bind((local, 0))
                probe.connect(sender)
                return probe.getsockopt(socket.IPPROTO_IP, _IP_MTU)
            except OSError:
                return self.endpoint.mtu


def _decode(datagram: bytes) -> ReadRequest | WriteRequest | None:
    """The request in `datagram`; None for what does not even claim to be one and gets no answer."""
    try:
        packet = decode(datagram)
    except WireError as error:
        if datagram[:2] in _REQUEST_OPCODES:
            raise Refusal(ErrorCode.ILLEGAL_OPERATION, "malformed request", str(error)) from None
        return None
    return packet if isinstance(packet, ReadRequest | WriteRequest) else None


def _asked_address(ancillary: list[tuple[int, int, bytes]]) -> str | None:
    """Our address that the datagram was sent to; None if it went to many (RFC 1123 section 4.2.3.5)."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            _, local, destination = _PKTINFO.unpack(data[: _PKTINFO.size])
            return socket.inet_ntoa(local) if local == destination else None
    return None
