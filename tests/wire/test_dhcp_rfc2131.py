"""RFC 2131 and 2132: the packet as a whole, in both directions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address

import pytest

from pxed.errors import WireError
from pxed.wire.dhcp import (
    BOOTREPLY,
    BOOTREQUEST,
    BROADCAST_FLAG,
    LARGEST_LIMIT,
    LARGEST_READ,
    SMALLEST_LIMIT,
    MessageType,
    Option,
    Packet,
    decode,
)
from pxed.wire.options import Options
from tests.wire.packet_captures import CAPTURE_NAMES, read_capture

COOKIE = bytes.fromhex("63825363")
MAC = bytes.fromhex("525400123456")


@dataclass(frozen=True)
class Case:
    """A packet and its octets without the padding behind the end option."""

    name: str
    packet: Packet
    octets: bytes


CASES = [
    Case(
        "the least: BOOTREQUEST without options",
        Packet(BOOTREQUEST),
        bytes.fromhex("01010600") + bytes(232) + COOKIE + b"\xff",
    ),
    Case(
        "every header field has its place (RFC 2131 figure 1)",
        Packet(
            BOOTREPLY,
            htype=6,
            hlen=16,
            hops=3,
            xid=0x01020304,
            secs=0x0506,
            flags=0x8001,
            ciaddr=IPv4Address("10.0.0.1"),
            yiaddr=IPv4Address("10.0.0.2"),
            siaddr=IPv4Address("10.0.0.3"),
            giaddr=IPv4Address("10.0.0.4"),
            chaddr=bytes(range(16)),
            sname=b"server",
            file=b"dir/file.efi",
        ),
        bytes.fromhex(
            "02061003 01020304 0506 8001 0a000001 0a000002 0a000003 0a000004 000102030405060708090a0b0c0d0e0f"
        )
        + b"server".ljust(64, b"\0")
        + b"dir/file.efi".ljust(128, b"\0")
        + COOKIE
        + b"\xff",
    ),
    Case(
        "names that fill their fields but for the NUL",
        Packet(BOOTREPLY, sname=b"s" * 63, file=b"f" * 127),
        bytes.fromhex("02010600") + bytes(40) + b"s" * 63 + b"\0" + b"f" * 127 + b"\0" + COOKIE + b"\xff",
    ),
    Case(
        "options in the caller's order",
        Packet(
            BOOTREPLY,
            options={
                Option.DHCP_MESSAGE_TYPE: b"\x02",
                Option.BOOTFILE_NAME: b"ipxe.efi\0",
                Option.SERVER_IDENTIFIER: b"\x0a\0\0\1",
                Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient",
            },
        ),
        bytes.fromhex("02010600")
        + bytes(232)
        + COOKIE
        + bytes.fromhex("350102 4309 697078652e65666900 36040a000001 3c09 505845436c69656e74 ff"),
    ),
    Case(
        "an option of no octets",
        Packet(BOOTREQUEST, options={80: b"", Option.DHCP_MESSAGE_TYPE: b"\x01"}),
        bytes.fromhex("01010600") + bytes(232) + COOKIE + bytes.fromhex("5000 350101 ff"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_encode(case: Case) -> None:
    assert case.packet.encode() == case.octets.ljust(300, b"\0")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decode(case: Case) -> None:
    packet = decode(case.octets)
    assert packet == case.packet
    assert list(packet.options) == list(case.packet.options)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_decode_takes_any_buffer_and_keeps_none(kind: type[bytes | bytearray | memoryview]) -> None:
    packet = decode(kind(CASES[3].octets))
    assert packet == CASES[3].packet
    assert {type(value) for value in packet.options.values()} == {bytes}


def test_encode_pads_to_300_octets_and_no_further() -> None:
    assert len(Packet(BOOTREPLY).encode()) == 300
    # 240 octets of header, 1 of end and 2 of the option's head leave 57 for its value.
    assert len(Packet(BOOTREPLY, options={224: bytes(57)}).encode()) == 300
    assert len(Packet(BOOTREPLY, options={224: bytes(58)}).encode()) == 301


def test_decode_skips_pads_and_what_follows_the_end() -> None:
    octets = CASES[0].octets[:-1] + bytes.fromhex("00 350101 0000 390205c0 ff 3c01")
    assert dict(decode(octets).options) == {53: b"\x01", 57: b"\x05\xc0"}


def test_decode_takes_options_without_an_end() -> None:
    assert dict(decode(CASES[0].octets[:-1] + b"\x35\x01\x01").options) == {53: b"\x01"}


def test_decode_ends_names_at_their_nul_and_keeps_those_without() -> None:
    octets = bytearray(CASES[0].octets)
    octets[44:108] = b"name\0rest".ljust(64, b"x")
    octets[108:236] = b"f" * 128
    packet = decode(octets)
    assert (packet.sname, packet.file) == (b"name", b"f" * 128)


BARE = CASES[0].octets


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "0 octets"),
        (BARE[:239], "239 octets"),
        (BARE.ljust(LARGEST_READ + 1, b"\0"), f"{LARGEST_READ + 1} octets"),
        (b"\x00" + BARE[1:], "op 0"),
        (b"\x03" + BARE[1:], "op 3"),
        (BARE[:2] + b"\x11" + BARE[3:], "hlen 17"),
        (BARE[:236] + b"\x63\x82\x53\x64\xff", "magic cookie 0x63825364"),
        (BARE[:240] + b"\x35", "option 53 at offset 240 has no length"),
        (BARE[:240] + b"\x35\x01", "option 53 at offset 240 runs 1 octets past"),
        (BARE[:240] + b"\x35\x01\x01\x3c\xff\xff", "option 60 at offset 243 runs 254 octets past"),
    ],
)
def test_decode_refuses(octets: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode(octets)


@pytest.mark.parametrize("name", CAPTURE_NAMES)
def test_every_truncation_is_refused_or_has_the_first_options(name: str) -> None:
    octets = read_capture(name)
    whole = list(decode(octets).options.items())
    end = octets.rindex(b"\xff")
    taken = set()
    for length in range(end + 1):
        try:
            options = list(decode(octets[:length]).options.items())
        except WireError:
            continue
        assert length >= 240
        assert options == whole[: len(options)]
        taken.add(len(options))
    assert taken == set(range(len(whole) + 1))


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Packet(BOOTREPLY, file=b"f" * 128), "file holds at most 127"),
        (Packet(BOOTREPLY, sname=b"s" * 64), "sname holds at most 63"),
        (Packet(BOOTREPLY, file=b"a\0b"), "file holds at most 127 octets without a NUL"),
        (Packet(BOOTREPLY, chaddr=MAC), "chaddr is 16 octets"),
        (Packet(BOOTREPLY, hlen=17), "chaddr is 16 octets"),
        (Packet(BOOTREPLY, options={52: b"\x01"}), "option 52 is not sent"),
        (Packet(BOOTREPLY, options={0: b""}), "0 is no option code"),
        (Packet(BOOTREPLY, options={255: b""}), "255 is no option code"),
    ],
)
def test_encode_refuses(packet: Packet, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        packet.encode()
    assert not isinstance(caught.value, WireError)


def test_encode_holds_the_promise_of_576_octet_datagrams_unless_told_otherwise() -> None:
    fits = Packet(BOOTREPLY, options={224: bytes(250), 225: bytes(53)})
    assert len(fits.encode()) == SMALLEST_LIMIT == 548
    too_long = replace(fits, options={224: bytes(250), 225: bytes(54)})
    with pytest.raises(ValueError, match="549 octets, and 548 is the most"):
        too_long.encode()
    assert len(too_long.encode(max_size=549)) == 549


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (None, SMALLEST_LIMIT),
        (b"\x05", SMALLEST_LIMIT),
        (b"\0\0\x05\xc0", SMALLEST_LIMIT),
        ((0).to_bytes(2), SMALLEST_LIMIT),
        ((576).to_bytes(2), SMALLEST_LIMIT),
        ((577).to_bytes(2), 549),
        ((1260).to_bytes(2), 1232),
        ((1500).to_bytes(2), LARGEST_LIMIT),
        ((65280).to_bytes(2), LARGEST_LIMIT),
    ],
)
def test_largest_reply_by_option_57(value: bytes | None, limit: int) -> None:
    options: Options = {} if value is None else {Option.MAXIMUM_DHCP_MESSAGE_SIZE: value}
    assert Packet(BOOTREQUEST, options=options).largest_reply == limit


@pytest.mark.parametrize(
    ("value", "kind"),
    [(bytes((kind,)), kind) for kind in MessageType]
    + [(None, None), (b"", None), (b"\0", None), (b"\x09", None), (b"\x01\x01", None)],
)
def test_message_type(value: bytes | None, kind: MessageType | None) -> None:
    assert Packet(BOOTREQUEST, options={} if value is None else {53: value}).message_type is kind


def test_link_address_is_what_hlen_counts() -> None:
    chaddr = MAC + bytes(10)
    assert Packet(BOOTREQUEST, chaddr=chaddr).link_address == MAC
    assert Packet(BOOTREQUEST, hlen=16, chaddr=chaddr).link_address == chaddr
    assert Packet(BOOTREQUEST, hlen=0, chaddr=chaddr).link_address == b""


def test_broadcast_is_the_first_bit_of_flags() -> None:
    assert Packet(BOOTREQUEST, flags=BROADCAST_FLAG).broadcast
    assert not Packet(BOOTREQUEST, flags=0x7FFF).broadcast


def test_address_options() -> None:
    packet = Packet(BOOTREQUEST, options={Option.SERVER_IDENTIFIER: b"\x0a\0\0\1", Option.ROUTER: bytes(8)})
    assert packet.address(Option.SERVER_IDENTIFIER) == IPv4Address("10.0.0.1")
    assert packet.address(Option.ROUTER) is None
    assert packet.address(Option.REQUESTED_IP_ADDRESS) is None
