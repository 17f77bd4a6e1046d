"""What firmware sends, read whole and written again octet for octet."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest

from pxed.wire import ipxe, pxe
from pxed.wire.dhcp import MessageType, Packet, decode
from pxed.wire.pxe import BootItem, ClassIdentifier, NetworkInterface, VendorClass, VendorOptions
from tests.wire.packet_captures import CAPTURE_NAMES, read_capture

GUID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
GUID_OCTETS = bytes.fromhex("00 33221100 5544 7766 8899 aabbccddeeff")
EDK2_ASKS = bytes.fromhex(
    "0102030405060c0d0f111216171c28292a2b3233363a3b3c4243618081828384858687"
)  # the codes of option 55


@dataclass(frozen=True)
class Said:
    """A captured packet and what the PXE and iPXE options in it mean."""

    packet: Packet
    kind: MessageType
    vendor_class: VendorClass
    interface: NetworkInterface
    is_ipxe: bool = False
    size: int = 0
    """octets, if padded"""


CAPTURES = {
    "edk2-x64-discover": Said(
        Packet(
            1,
            xid=0x2F5B91C7,
            flags=0x8000,
            chaddr=bytes.fromhex("525400123456") + bytes(10),
            options={
                53: b"\x01",
                57: b"\x05\xc0",
                55: EDK2_ASKS,
                97: GUID_OCTETS,
                94: b"\x01\x03\x00",
                93: b"\x00\x07",
                60: b"PXEClient:Arch:00007:UNDI:003000",
            },
        ),
        MessageType.DISCOVER,
        VendorClass(ClassIdentifier.PXE_CLIENT, 7, (3, 0)),
        NetworkInterface(1, 3, 0),
    ),
    "edk2-x64-request-4011": Said(
        Packet(
            1,
            xid=0x6E1D2004,
            ciaddr=IPv4Address("10.20.0.50"),
            chaddr=bytes.fromhex("525400123456") + bytes(10),
            options={
                53: b"\x03",
                55: EDK2_ASKS,
                57: b"\x05\xc0",
                60: b"PXEClient:Arch:00007:UNDI:003000",
                93: b"\x00\x07",
                94: b"\x01\x03\x00",
                97: GUID_OCTETS,
            },
        ),
        MessageType.REQUEST,
        VendorClass(ClassIdentifier.PXE_CLIENT, 7, (3, 0)),
        NetworkInterface(1, 3, 0),
    ),
    "edk2-x64-menu-choice-4011": Said(
        Packet(
            1,
            hlen=16,
            xid=0x6E1D2005,
            secs=1,
            ciaddr=IPv4Address("10.20.0.50"),
            chaddr=GUID_OCTETS[1:],
            options={
                43: bytes.fromhex("470480010000ff"),
                53: b"\x03",
                55: EDK2_ASKS,
                57: b"\x05\xc0",
                60: b"PXEClient:Arch:00007:UNDI:003000",
                93: b"\x00\x07",
                94: b"\x01\x03\x00",
                97: GUID_OCTETS,
            },
        ),
        MessageType.REQUEST,
        VendorClass(ClassIdentifier.PXE_CLIENT, 7, (3, 0)),
        NetworkInterface(1, 3, 0),
    ),
    "edk2-arm64-http-discover": Said(
        Packet(
            1,
            hops=1,
            xid=0x11223344,
            flags=0x8000,
            giaddr=IPv4Address("192.0.2.1"),
            chaddr=bytes.fromhex("525400aaaaaa") + bytes(10),
            options={
                53: b"\x01",
                57: b"\x05\xc0",
                55: bytes.fromhex("0102030405060c0d0f111216171c28292a2b3233363a3b3c004361"),
                97: GUID_OCTETS,
                94: b"\x01\x03\x00",
                93: b"\x00\x13",
                60: b"HTTPClient:Arch:00019:UNDI:003000",
                82: b"\x01\x04eth0",
            },
        ),
        MessageType.DISCOVER,
        VendorClass(ClassIdentifier.HTTP_CLIENT, 19, (3, 0)),
        NetworkInterface(1, 3, 0),
    ),
    "ipxe-bios-discover": Said(
        Packet(
            1,
            xid=0xD508773A,
            secs=4,
            chaddr=bytes.fromhex("525400654321") + bytes(10),
            options={
                53: b"\x01",
                57: b"\x05\xc0",
                93: b"\x00\x00",
                94: b"\x01\x02\x01",
                60: b"PXEClient:Arch:00000:UNDI:002001",
                77: b"iPXE",
                55: bytes.fromhex("01030607 0c0f111a2a2b3c42437779 8081828384858687 afcb"),
                175: bytes.fromhex("b105018086100e eb03011501 170101 130101 110101 150101 210101 190101 100102 270101"),
                61: bytes.fromhex("01525400654321"),
                97: GUID_OCTETS,
            },
        ),
        MessageType.DISCOVER,
        VendorClass(ClassIdentifier.PXE_CLIENT, 0, (2, 1)),
        NetworkInterface(1, 2, 1),
        is_ipxe=True,
    ),
    "bios-rom-discover": Said(
        Packet(
            1,
            xid=0x00AABBCC,
            secs=4,
            flags=0x8000,
            chaddr=bytes.fromhex("001b21aabbcc") + bytes(10),
            options={
                53: b"\x01",
                55: bytes.fromhex("0102030405060b0c0d0f10111216171c28292a2b3233363a3b3c42438081828384858687"),
                57: b"\x04\xec",
                97: GUID_OCTETS,
                93: b"\x00\x00",
                94: b"\x01\x02\x01",
                60: b"PXEClient:Arch:00000:UNDI:002001",
            },
        ),
        MessageType.DISCOVER,
        VendorClass(ClassIdentifier.PXE_CLIENT, 0, (2, 1)),
        NetworkInterface(1, 2, 1),
        size=548,
    ),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_read_and_written_again(name: str) -> None:
    octets = read_capture(name)
    said = CAPTURES[name]
    packet = decode(octets)
    assert packet == said.packet
    assert list(packet.options) == list(said.packet.options)
    assert said.packet.encode(max_size=1472).ljust(said.size, b"\0") == octets


@pytest.mark.parametrize("name", CAPTURES)
def test_what_the_client_says_of_itself(name: str) -> None:
    said = CAPTURES[name]
    packet = decode(read_capture(name))
    assert packet.message_type is said.kind
    assert pxe.vendor_class(packet.options) == said.vendor_class
    assert pxe.architecture_code(packet.options) == said.vendor_class.architecture
    assert pxe.network_interface(packet.options) == said.interface
    assert pxe.client_guid(packet.options) == GUID
    assert ipxe.is_ipxe(packet.options) is said.is_ipxe


def test_the_menu_choice() -> None:
    options = decode(read_capture("edk2-x64-menu-choice-4011")).options
    assert VendorOptions.decode(options[43]) == VendorOptions(item=BootItem(type=0x8001, layer=0))


def test_what_ipxe_can_do() -> None:
    build = ipxe.Build.decode(decode(read_capture("ipxe-bios-discover")).options[175])
    assert build.version == (1, 21, 1)
    assert {ipxe.Feature.HTTP, ipxe.Feature.TFTP, ipxe.Feature.MENU} <= build.features
    assert ipxe.Feature.HTTPS not in build.features


def test_every_capture_is_in_the_table() -> None:
    assert sorted(CAPTURES) == CAPTURE_NAMES
