"""The TFTP codec: every packet there and back, and any octets give a packet or a WireError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import WireError
from pxed.wire.tftp import (
    MAX_REQUEST,
    Ack,
    Data,
    Error,
    ErrorCode,
    OptionAck,
    Packet,
    ReadRequest,
    WriteRequest,
    decode,
    encode,
)

_LATIN = st.characters(min_codepoint=1, max_codepoint=0xFF)
_TEXT = st.text(_LATIN, max_size=20)
_LOWER = st.text(_LATIN, min_size=1, max_size=20).map(str.lower).filter(lambda text: max(text) <= "\xff")
_OPTIONS = st.lists(st.tuples(_LOWER, _TEXT), max_size=5).map(tuple)
_NAME = st.binary(max_size=60).map(lambda raw: raw.replace(b"\0", b""))
_U16 = st.integers(0, 0xFFFF)
_PACKETS = st.one_of(
    st.builds(ReadRequest, _NAME, _LOWER, _OPTIONS),
    st.builds(WriteRequest, _NAME, _LOWER, _OPTIONS),
    st.builds(Data, _U16, st.binary(max_size=600)),
    st.builds(Ack, _U16),
    st.builds(Error, _U16, _TEXT),
    st.builds(OptionAck, _OPTIONS),
)


@pytest.mark.parametrize(
    ("packet", "datagram"),
    [
        (ReadRequest(b"boot/ipxe.efi", "octet"), b"\0\1boot/ipxe.efi\0octet\0"),
        (
            ReadRequest(b"x", "octet", (("tsize", "0"), ("blksize", "1468"), ("windowsize", "4"))),
            b"\0\1x\0octet\0tsize\0000\0blksize\0001468\0windowsize\0004\0",
        ),
        (WriteRequest(b"x", "netascii"), b"\0\2x\0netascii\0"),
        (Data(65535, b"abc"), b"\0\3\xff\xffabc"),
        (Data(1, b""), b"\0\3\0\1"),
        (Ack(0), b"\0\4\0\0"),
        (Error(ErrorCode.OPTION_REFUSED, "User aborted the transfer"), b"\0\5\0\10User aborted the transfer\0"),
        (OptionAck((("tsize", "1024"),)), b"\0\6tsize\0001024\0"),
    ],
)
def test_packets_are_as_in_the_rfcs(packet: Packet, datagram: bytes) -> None:
    assert encode(packet) == datagram
    assert decode(datagram) == packet


@given(_PACKETS)
def test_what_is_encoded_is_decoded(packet: Packet) -> None:
    assert decode(encode(packet)) == packet


@given(
    st.binary(max_size=1200) | st.builds(lambda opcode, rest: bytes([0, opcode]) + rest, st.integers(0, 7), st.binary())
)
def test_any_octets_give_a_packet_or_a_wire_error(datagram: bytes) -> None:
    with contextlib.suppress(WireError):
        decode(datagram)


def test_mode_and_option_names_are_read_without_regard_to_case() -> None:
    assert decode(b"\0\1Name\0OcTeT\0BLKSIZE\0001024\0") == ReadRequest(b"Name", "octet", (("blksize", "1024"),))


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0",
        b"\0\0",
        b"\0\7ab",
        b"\0\1name\0",
        b"\0\1name\0octet",
        b"\0\1name\0octet\0blksize\0",
        b"\0\1name\0octet\0blksize\0001468",
        b"\0\4\0",
        b"\0\1" + b"a" * MAX_REQUEST + b"\0octet\0",
    ],
)
def test_what_is_no_packet_is_refused(datagram: bytes) -> None:
    with pytest.raises(WireError):
        decode(datagram)


def test_a_request_padded_with_nuls_is_read() -> None:
    assert decode(b"\0\1name\0octet\0tsize\0000\0\0\0\0") == ReadRequest(b"name", "octet", (("tsize", "0"),))


def test_an_error_without_its_last_nul_is_read() -> None:
    assert decode(b"\0\5\0\0TFTP Aborted") == Error(0, "TFTP Aborted")


@pytest.mark.parametrize(
    "packet",
    [ReadRequest(b"a\0b", "octet"), Error(0, "a\0b"), OptionAck((("", "1"),)), Error(0, "\N{SNOWMAN}")],
)
def test_what_the_format_cannot_hold_is_not_encoded(packet: Packet) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(packet)
