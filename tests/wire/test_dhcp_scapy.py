"""Scapy as an independent reader and writer of the same packets."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.wire.dhcp import BOOTREPLY, BOOTREQUEST, MessageType, Option, Packet, decode
from tests.wire.packet_captures import CAPTURE_NAMES, read_capture

MAC = bytes.fromhex("525400123456")
# Scapy gives the options that it has no name for as (code, octets).
NAMELESS = st.sampled_from((175, 203, *range(224, 250)))


def scapy_read(octets: bytes) -> tuple[Any, list[Any]]:
    """Scapy's header, and its options up to the end."""
    from scapy.layers.dhcp import BOOTP, DHCP

    read = BOOTP(octets)
    options = list(read[DHCP].options)
    return read, options[: options.index("end")]


def test_scapy_reads_what_we_write() -> None:
    packet = Packet(
        BOOTREPLY,
        xid=0xDEADBEEF,
        secs=7,
        flags=0x8000,
        ciaddr=IPv4Address("10.0.0.50"),
        siaddr=IPv4Address("10.0.0.1"),
        giaddr=IPv4Address("10.9.0.1"),
        chaddr=MAC + bytes(10),
        sname=b"boot",
        file=b"undionly.kpxe",
        options={
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.OFFER,)),
            Option.SERVER_IDENTIFIER: b"\x0a\0\0\1",
            Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient",
            Option.BOOTFILE_NAME: b"undionly.kpxe\0",
            Option.VENDOR_SPECIFIC_INFORMATION: b"\x06\x01\x08\xff",
            Option.ETHERBOOT: b"\x01\x01\x01\xff",
        },
    )
    header, options = scapy_read(packet.encode())
    assert (header.op, header.htype, header.hlen, header.hops) == (2, 1, 6, 0)
    assert (header.xid, header.secs, str(header.flags)) == (0xDEADBEEF, 7, "B")
    assert (header.ciaddr, header.yiaddr, header.siaddr, header.giaddr) == (
        "10.0.0.50",
        "0.0.0.0",
        "10.0.0.1",
        "10.9.0.1",
    )
    assert header.chaddr == MAC + bytes(10)
    assert header.sname == b"boot".ljust(64, b"\0")
    assert header.file == b"undionly.kpxe".ljust(128, b"\0")
    assert options == [
        ("message-type", 2),
        ("server_id", "10.0.0.1"),
        ("vendor_class_id", b"PXEClient"),
        ("boot-file-name", b"undionly.kpxe\0"),
        ("vendor_specific", b"\x06\x01\x08\xff"),
        (175, b"\x01\x01\x01\xff"),
    ]


def test_we_read_what_scapy_writes() -> None:
    from scapy.layers.dhcp import BOOTP, DHCP

    written = BOOTP(
        op=1, xid=0x11223344, secs=4, flags="B", ciaddr="10.1.2.3", giaddr="10.9.0.1", chaddr=MAC, file=b"old"
    ) / DHCP(
        options=[
            ("message-type", "request"),
            ("max_dhcp_size", 1472),
            ("server_id", "10.0.0.1"),
            ("vendor_class_id", b"PXEClient:Arch:00007:UNDI:003016"),
            ("pad"),
            ("pxe_client_architecture", b"\0\x07"),
            ("pxe_client_machine_identifier", bytes(17)),
            (175, b"\x01\x01\x01"),
            "end",
        ]
    )
    packet = decode(bytes(written))
    assert (packet.op, packet.xid, packet.secs, packet.broadcast) == (BOOTREQUEST, 0x11223344, 4, True)
    assert (str(packet.ciaddr), str(packet.giaddr), packet.file) == ("10.1.2.3", "10.9.0.1", b"old")
    assert packet.link_address == MAC
    assert packet.message_type is MessageType.REQUEST
    assert packet.largest_reply == 1444
    assert str(packet.address(Option.SERVER_IDENTIFIER)) == "10.0.0.1"
    assert list(packet.options.items())[3:] == [
        (60, b"PXEClient:Arch:00007:UNDI:003016"),
        (93, b"\0\x07"),
        (97, bytes(17)),
        (175, b"\x01\x01\x01"),
    ]


@given(st.dictionaries(NAMELESS, st.binary(max_size=40) | st.binary(min_size=250, max_size=520), max_size=4))
def test_options_both_ways(options: dict[int, bytes]) -> None:
    from scapy.layers.dhcp import BOOTP, DHCP

    _, seen = scapy_read(Packet(BOOTREQUEST, options={**options, 53: b"\x01"}).encode(max_size=4096))
    pieces = [(code, value[at : at + 255]) for code, value in options.items() for at in range(0, len(value) or 1, 255)]
    assert seen == [*pieces, ("message-type", 1)]

    written = bytes(BOOTP(op=1) / DHCP(options=[("message-type", 1), *pieces, "end"]))
    assert list(decode(written).options.items()) == [(53, b"\x01"), *options.items()]


@pytest.mark.parametrize("name", CAPTURE_NAMES)
def test_scapy_and_we_see_the_same_in_every_capture(name: str) -> None:
    octets = read_capture(name)
    packet = decode(octets)
    header, options = scapy_read(octets)
    assert header.xid == packet.xid
    assert header.chaddr[: header.hlen] == packet.link_address
    assert len(options) == len(packet.options)
    assert dict(options)["vendor_class_id"] == packet.options[Option.VENDOR_CLASS_IDENTIFIER]
