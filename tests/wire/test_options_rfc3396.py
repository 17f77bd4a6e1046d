"""RFC 3396: options longer than 255 octets and options in more than one place; RFC 2132 section 9.3: overload."""

from __future__ import annotations

import pytest

from pxed.errors import WireError
from pxed.wire.dhcp import BOOTREPLY, Packet, decode
from pxed.wire.options import decode_options, encapsulate, encode_options


@pytest.mark.parametrize(
    ("length", "lengths"),
    [
        (0, [0]),
        (1, [1]),
        (254, [254]),
        (255, [255]),
        (256, [255, 1]),
        (510, [255, 255]),
        (511, [255, 255, 1]),
    ],
)
def test_long_values_are_split_and_joined(length: int, lengths: list[int]) -> None:
    value = bytes(number % 251 for number in range(length))
    octets = encode_options({224: value, 53: b"\x01"})
    at = 0
    for expected in lengths:
        assert (octets[at], octets[at + 1]) == (224, expected)
        at += 2 + expected
    assert octets[at:] == b"\x35\x01\x01"
    assert decode_options(octets) == {224: value, 53: b"\x01"}


def test_pieces_are_joined_across_other_options_in_their_order() -> None:
    octets = b"\xe0\x02ab\x35\x01\x01\xe0\x00\xe0\x01c\xff\xe0\x01d"
    found = decode_options(octets)
    assert found == {224: b"abc", 53: b"\x01"}
    assert list(found) == [224, 53]


def overloaded(overload: bytes, area: bytes, *, file: bytes = b"", sname: bytes = b"") -> bytes:
    """A reply with option 52 after `area`, and these fields in the header."""
    octets = bytearray(Packet(BOOTREPLY, chaddr=bytes(range(16))).encode())
    octets[44:108] = sname.ljust(64, b"\0")
    octets[108:236] = file.ljust(128, b"\0")
    octets[240:] = area + bytes((52, len(overload))) + overload + b"\xff"
    return bytes(octets)


@pytest.mark.parametrize(
    ("overload", "value", "file", "sname"),
    [
        (b"\x01", b"of", b"", b"\xe0\x01s\xff"),
        (b"\x02", b"os", b"\xe0\x01f\xff", b""),
        (b"\x03", b"ofs", b"", b""),
    ],
    ids=["file", "sname", "both: file before sname"],
)
def test_overloaded_fields_are_read(overload: bytes, value: bytes, file: bytes, sname: bytes) -> None:
    packet = decode(overloaded(overload, b"\xe0\x01o", file=b"\xe0\x01f\xff", sname=b"\xe0\x01s\xff"))
    assert packet.options == {224: value}
    assert (packet.file, packet.sname) == (file, sname)
    assert packet.chaddr == bytes(range(16))


def test_overload_inside_a_field_counts_for_nothing() -> None:
    packet = decode(overloaded(b"\x01", b"", file=b"\x34\x01\x02\xe0\x01f\xff", sname=b"name"))
    assert (packet.options, packet.sname) == ({224: b"f"}, b"name")


def test_a_field_is_not_read_past_its_place() -> None:
    # The option would run from file into the magic cookie.
    with pytest.raises(WireError, match="option 224 at offset 126 runs 4 octets past the end"):
        decode(overloaded(b"\x01", b"", file=bytes(126) + b"\xe0\x04"))


@pytest.mark.parametrize("overload", [b"", b"\x00", b"\x04", b"\xff", b"\x01\x01"])
def test_impossible_overload_is_refused(overload: bytes) -> None:
    with pytest.raises(WireError, match="option 52"):
        decode(overloaded(overload, b""))


def test_an_encapsulating_option_is_never_split() -> None:
    assert encapsulate({1: bytes(250)}) == b"\x01\xfa" + bytes(250) + b"\xff"
    assert len(encapsulate({1: bytes(252)})) == 255
    with pytest.raises(ValueError, match="256 octets, and 255 is the most"):
        encapsulate({1: bytes(253)})
