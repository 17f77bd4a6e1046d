"""Packets taken apart into what they share and what is their sender's own."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.wire.dhcp import Option, Packet, decode
from pxed.wire.layout import NOT_READ, Layout, Own
from tests.wire.packet_captures import CAPTURE_NAMES, read_capture

OPTIONS = st.dictionaries(
    st.sampled_from([12, 43, 50, 53, 55, 60, 61, 82, 93, 97]), st.binary(min_size=0, max_size=40), max_size=8
)
GUID = b"\0" + bytes(range(16))


def packet(options: dict[int, bytes], number: int = 1) -> Packet:
    """Of machine `number`; everything that is a sender's own follows from it."""
    own = {code: bytes((number,)) * len(value) for code, value in options.items() if code in {*NOT_READ, 82}}
    if options.get(97, b"")[:1] == b"\0" and len(options[97]) == 17:
        own[97] = b"\0" + bytes((number,)) * 16
    return Packet(
        1,
        xid=number,
        secs=number,
        ciaddr=IPv4Address(number),
        chaddr=bytes((number,)) * 6 + bytes(10),
        options={code: own.get(code, value) for code, value in options.items()},
    )


@given(OPTIONS, st.booleans(), st.integers(1, 255), st.integers(1, 255))
def test_machines_of_one_make_differ_in_their_own_alone(options: dict[int, bytes], guid: bool, a: int, b: int) -> None:
    if guid:
        options = {**options, Option.CLIENT_MACHINE_IDENTIFIER: GUID}
    one, other = packet(options, a), packet(options, b)
    layout = Layout.of(one.encode(1472))
    assert layout is not None
    assert layout == Layout.of(other.encode(1472))
    (common, own_of_one), (same, own_of_other) = (layout.split(each.encode(1472)) for each in (one, other))
    assert common == same
    assert (own_of_one, own_of_other) == (Own.of(one), Own.of(other))


@given(OPTIONS, st.integers(1, 255), st.integers(1, 255))
def test_a_packet_put_together_is_the_one_that_was_taken_apart(options: dict[int, bytes], a: int, b: int) -> None:
    said = {code: value for code, value in options.items() if code not in NOT_READ}
    one, other = (packet(said, number).encode(1472) for number in (a, b))
    layout = Layout.of(one)
    assert layout is not None
    put_together = layout.join(layout.split(one)[0], layout.split(other)[1])
    assert put_together == other[:8] + bytes(2) + other[10:]  # but for `secs`


@pytest.mark.parametrize(
    "data", [b"\x35\x01\x01\x35\x01\x01\xff", b"\x35\x01\x01\x34\x01\x01\xff"], ids=["twice", "overload"]
)
def test_what_is_said_in_pieces_has_no_layout(data: bytes) -> None:
    header = packet({}).encode()[:240]
    assert Layout.of(header + data) is None


@pytest.mark.parametrize("name", CAPTURE_NAMES)
def test_real_packets_are_read_as_the_decoder_reads_them(name: str) -> None:
    data = read_capture(name)
    layout = Layout.of(data)
    assert layout is not None
    assert layout.split(data)[1] == Own.of(decode(data))
