"""DISCOVERs of many computers from one socket, and what became of them: rate, latency, correctness of every octet.

As a program it takes an Order as JSON and prints an Outcome as JSON. Packets go out and come in 64 at a time, and are
one template with xid, MAC address and GUID put into it, so that the load costs a few microseconds each. At a given rate
each goes out when its time has come: the load does not sleep meanwhile, and makes no bursts of its own. `Order.echo`
makes the program the other end: it sends every packet back as a reply, which shows how fast the load itself is.
"""

from __future__ import annotations

import json
import random
import select
import socket
import sys
import time
import uuid
from collections import OrderedDict
from dataclasses import asdict, dataclass

from bench.network import INTERFACE, SERVER
from pxed.datagrams import BATCH, Received, datagrams_on
from pxed.wire.dhcp import BOOTREPLY, MessageType, Option, Packet, decode
from pxed.wire.layout import Layout, Own
from pxed.wire.pxe import encode_client_guid

_PATIENCE = 1.0
"""seconds after which a packet counts as not answered"""
_TO_ALL = ("255.255.255.255", 67)
_TO_CLIENTS = ("255.255.255.255", 68)
_OUI = 0x525400000000
_GUID = 0x4C4C4544_0044_4A10_8039_000000000000
_LOADER = b"snponly.efi"
FIRMWARE: dict[int, bytes] = {
    Option.MAXIMUM_DHCP_MESSAGE_SIZE: b"\x05\xc0",
    Option.PARAMETER_REQUEST_LIST: bytes(range(1, 36)),
    Option.CLIENT_NETWORK_INTERFACE: b"\x01\x03\x10",
    Option.CLIENT_SYSTEM_ARCHITECTURE: b"\x00\x07",
    Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient:Arch:00007:UNDI:003016",
}
"""what EDK2 asks with, but for the kind of message and the GUID"""


@dataclass(frozen=True)
class Order:
    """What to send."""

    computers: int
    """the site's; each packet is of one of them, chosen at random but the same in every round"""
    packets: int
    window: int = 128
    """packets under way at one time; as fast as the server answers"""
    rate: float = 0.0
    """packets a second in place of that; 0 for none"""
    unknown: int = 0
    """packets of unknown computers, which get no answer, before each one of a known computer"""
    named: bool = True
    """answers are to name the boot loader; without a name the client asks port 4011 for one, as dnsmasq has it"""
    echo: bool = False
    """answer, in place of asking, for as long as the program runs"""


@dataclass(frozen=True)
class Outcome:
    """What came back."""

    answers: int
    rate: float
    """packets a second that the server dealt with"""
    p50: float
    """seconds"""
    p99: float
    lost: int
    wrong: int


def mac_of(number: int) -> bytes:
    """The MAC address of computer `number`."""
    return (_OUI + number).to_bytes(6)


def guid_of(number: int) -> uuid.UUID:
    """Its GUID; the number stands where both byte orders agree, so that nobody's is another's the other way round."""
    return uuid.UUID(int=_GUID + number)


class Template:
    """A DISCOVER as EDK2 sends it."""

    def __init__(self) -> None:
        guid = guid_of(0)
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)),
            Option.CLIENT_MACHINE_IDENTIFIER: encode_client_guid(guid),
            **FIRMWARE,
        }
        packet = Packet(1, flags=0x8000, chaddr=bytes(16), options=options).encode()
        layout = Layout.of(packet)
        assert layout is not None  # noqa: S101 - it has each option once
        self._layout = layout
        self._common, self._own = layout.split(packet)
        self._guid_head = guid.bytes_le[:10]

    def own(self, xid: int, number: int) -> Own:
        """What the packet of a computer, and its answer, say of it alone."""
        guid = self._guid_head + number.to_bytes(6)
        return Own(xid.to_bytes(4), self._own.ciaddr, mac_of(number), guid, b"")

    def filled(self, own: Own) -> bytes:
        """The packet that says so."""
        return self._layout.join(self._common, own)


class Expectation:
    """Knows a right answer: the first of each form is decoded and looked at, all others are the same but for `Own`."""

    def __init__(self, *, named: bool) -> None:
        self._named = named
        self._right: dict[int, tuple[Layout, tuple[bytes, ...]]] = {}
        """by length of packet"""

    def meets(self, data: bytes, own: Own) -> bool:
        """Whether `data` is the answer to the packet that said `own`."""
        layout, common = self._right.get(len(data)) or self._learn(data)
        return layout is not None and layout.split(data) == (common, own)

    def _learn(self, data: bytes) -> tuple[Layout | None, tuple[bytes, ...]]:
        if not self._is_offer(decode(data)):
            return None, ()
        layout = Layout.of(data)
        assert layout is not None  # noqa: S101 - nobody says anything twice in so short a packet
        self._right[len(data)] = layout, layout.split(data)[0]
        return self._right[len(data)]

    def _is_offer(self, packet: Packet) -> bool:
        """As a PXE client without an address takes it from a proxy."""
        name = packet.options.get(Option.BOOTFILE_NAME, packet.file).rstrip(b"\0")
        return (
            (packet.op, packet.message_type) == (BOOTREPLY, MessageType.OFFER)
            and str(packet.address(Option.SERVER_IDENTIFIER)) == SERVER
            and int(packet.yiaddr) == 0
            and packet.options.get(Option.VENDOR_CLASS_IDENTIFIER) == b"PXEClient"
            and (name == _LOADER or not self._named)
        )


def load(order: Order, endpoint: socket.socket) -> Outcome:
    """Sends all packets of `order`, waits for the answers."""
    template, expectation = Template(), Expectation(named=order.named)
    datagrams = datagrams_on(endpoint)
    numbers = random.Random(order.computers).choices(range(order.computers), k=order.packets)  # noqa: S311 - no secret
    sent: OrderedDict[bytes, tuple[float, Own]] = OrderedDict()
    took: list[float] = []
    lost = wrong = begun = 0
    start = last = time.perf_counter()
    while begun < order.packets or sent:
        now = time.perf_counter()
        due = int((now - start) * order.rate) if order.rate else begun + order.window - len(sent)
        batch: list[Received] = []
        owns: list[Own] = []
        for xid in range(begun, min(due, order.packets, begun + BATCH)):
            first_stranger = order.computers + xid * order.unknown
            strangers = (template.own(xid, number) for number in range(first_stranger, first_stranger + order.unknown))
            own = template.own(xid, numbers[xid])
            batch += [(template.filled(one), _TO_ALL) for one in (*strangers, own)]
            owns.append(own)
        begun += len(owns)
        now = time.perf_counter()
        sent.update((own.xid, (now, own)) for own in owns)
        datagrams.send(batch)
        if not batch and not order.rate:
            select.select([endpoint], [], [], 0.01)
        while answers := datagrams.receive():
            last = time.perf_counter()
            for data, _ in answers:
                at, expected = sent.pop(data[4:8], (0.0, None))
                if expected is not None and expectation.meets(data, expected):
                    took.append(last - at)
                else:
                    wrong += 1
            if begun < order.packets and not order.rate:
                break
        while (sent and last - next(iter(sent.values()))[0] > _PATIENCE) or (sent and now - last > _PATIENCE):
            sent.popitem(last=False)
            lost += 1
    took.sort()
    dealt_with = len(took) * (1 + order.unknown)
    middle, high = (took[len(took) // 2], took[len(took) * 99 // 100]) if took else (0.0, 0.0)
    return Outcome(len(took), dealt_with / max(last - start, 1e-9), middle, high, lost, wrong)


def echo(endpoint: socket.socket) -> None:
    """Sends every packet back as a reply that names the loader: the least that a server can do."""
    datagrams = datagrams_on(endpoint)
    request = decode(Template().filled(Template().own(0, 0)))
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.OFFER,)),
        Option.SERVER_IDENTIFIER: socket.inet_aton(SERVER),
        Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient",
        Option.CLIENT_MACHINE_IDENTIFIER: request.options[Option.CLIENT_MACHINE_IDENTIFIER],
        Option.BOOTFILE_NAME: _LOADER + b"\0",
    }
    reply = bytearray(Packet(BOOTREPLY, options=options).encode())
    guid_at, asked_at = (
        data.index(request.options[Option.CLIENT_MACHINE_IDENTIFIER]) + 1
        for data in (bytes(reply), Template().filled(Template().own(0, 0)))
    )
    while True:
        select.select([endpoint], [], [])
        answers: list[Received] = []
        for data, _ in datagrams.receive():
            reply[4:8], reply[28:34] = data[4:8], data[28:34]
            reply[guid_at : guid_at + 16] = data[asked_at : asked_at + 16]
            answers.append((bytes(reply), _TO_CLIENTS))
        datagrams.send(answers)


def main() -> None:
    """One load, or its other end."""
    order = Order(**json.loads(sys.argv[1]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        endpoint.bind(("0.0.0.0", 67 if order.echo else 68))  # noqa: S104 - in a namespace of the benchmark's own
        endpoint.setblocking(False)
        if order.echo:
            echo(endpoint)
        print(json.dumps(asdict(load(order, endpoint))))


if __name__ == "__main__":
    main()
