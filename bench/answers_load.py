"""DISCOVERs of many computers from one socket, and what became of them: rate, latency, correctness.

As a program it takes an Order as JSON and prints an Outcome as JSON. Packets are one template with xid, MAC address and
GUID put into it, so that the load costs a few microseconds a packet, less than any server.
"""

from __future__ import annotations

import json
import random
import select
import socket
import struct
import sys
import time
import uuid
from collections import OrderedDict
from dataclasses import asdict, dataclass

from bench.network import INTERFACE
from pxed.wire.dhcp import BOOTREPLY, MessageType, Option, Packet, decode
from pxed.wire.pxe import encode_client_guid

_PATIENCE = 1.0
"""seconds after which a packet counts as not answered"""
_LOOKED_AT = 64
"""of so many answers one is decoded whole; of all others length, xid and MAC address are checked"""
_TO_ALL = ("255.255.255.255", 67)
_OUI = 0x525400000000
_XID, _CHADDR = 4, 28


@dataclass(frozen=True)
class Order:
    """What to send."""

    computers: int
    """the site's; each packet is of one of them, chosen at random but the same in every round"""
    packets: int
    window: int = 64
    """packets under way at one time; as fast as the server answers"""
    rate: float = 0.0
    """packets a second in place of that; 0 for none"""
    unknown: int = 0
    """packets of unknown computers, which get no answer, before each one of a known computer"""


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
    """Its GUID."""
    return uuid.UUID(int=(number + 1) << 64 | 0x8000_0000_0000_0007)


class Template:
    """A DISCOVER as EDK2 sends it."""

    def __init__(self) -> None:
        guid = encode_client_guid(guid_of(0))
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)),
            Option.MAXIMUM_DHCP_MESSAGE_SIZE: b"\x05\xc0",
            Option.PARAMETER_REQUEST_LIST: bytes(range(1, 36)),
            Option.CLIENT_MACHINE_IDENTIFIER: guid,
            Option.CLIENT_NETWORK_INTERFACE: b"\x01\x03\x10",
            Option.CLIENT_SYSTEM_ARCHITECTURE: b"\x00\x07",
            Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient:Arch:00007:UNDI:003016",
        }
        self._packet = bytearray(Packet(1, flags=0x8000, chaddr=bytes(16), options=options).encode())
        self._guid_at = self._packet.index(guid) + 1

    def filled(self, xid: int, number: int) -> bytearray:
        """The packet of a computer; valid until the next one."""
        struct.pack_into("!I", self._packet, _XID, xid)
        self._packet[_CHADDR : _CHADDR + 6] = mac_of(number)
        self._packet[self._guid_at : self._guid_at + 16] = guid_of(number).bytes_le
        return self._packet


def load(order: Order, endpoint: socket.socket) -> Outcome:
    """Sends all packets of `order`, waits for the answers."""
    template = Template()
    numbers = random.Random(order.computers).choices(range(order.computers), k=order.packets)  # noqa: S311 - no secret
    sent: OrderedDict[int, tuple[float, bytes]] = OrderedDict()
    took: list[float] = []
    lost = wrong = begun = 0
    start = last = time.perf_counter()
    while begun < order.packets or sent:
        now = time.perf_counter()
        due = int((now - start) * order.rate) if order.rate else begun + order.window - len(sent)
        while begun < min(due, order.packets):
            for stranger in range(order.unknown):
                endpoint.sendto(template.filled(begun, order.computers + stranger + begun * order.unknown), _TO_ALL)
            number = numbers[begun]
            endpoint.sendto(template.filled(begun, number), _TO_ALL)
            sent[begun] = time.perf_counter(), mac_of(number)
            begun += 1
        select.select([endpoint], [], [], 0.0001 if order.rate else 0.01)
        while data := _received(endpoint):
            last = time.perf_counter()
            xid = int.from_bytes(data[_XID : _XID + 4])
            at, mac = sent.pop(xid, (0.0, b""))
            if data[0] != BOOTREPLY or data[_CHADDR : _CHADDR + 6] != mac or not _right(data, xid):
                wrong += 1
            else:
                took.append(last - at)
        while (sent and last - next(iter(sent.values()))[0] > _PATIENCE) or (sent and now - last > _PATIENCE):
            sent.popitem(last=False)
            lost += 1
    took.sort()
    dealt_with = len(took) * (1 + order.unknown)
    middle, high = (took[len(took) // 2], took[len(took) * 99 // 100]) if took else (0.0, 0.0)
    return Outcome(len(took), dealt_with / (last - start), middle, high, lost, wrong)


def _received(endpoint: socket.socket) -> bytes:
    try:
        return endpoint.recv(2048)
    except BlockingIOError:
        return b""


def _right(data: bytes, xid: int) -> bool:
    return xid % _LOOKED_AT > 0 or decode(data).message_type is MessageType.OFFER


def main() -> None:
    """One load."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        endpoint.bind(("0.0.0.0", 68))  # noqa: S104 - in a namespace of the benchmark's own
        endpoint.setblocking(False)
        print(json.dumps(asdict(load(Order(**json.loads(sys.argv[1])), endpoint))))


if __name__ == "__main__":
    main()
