"""Any octets give a packet or WireError, and a packet that was written is read back as it was."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import WireError
from pxed.wire import ipxe, pxe
from pxed.wire.dhcp import Option, Packet, decode
from pxed.wire.options import decode_options, encode_options

HEADER = Packet(1).encode()[:240]
NAME = st.binary(max_size=63).map(lambda octets: octets.replace(b"\0", b"."))
ADDRESS = st.integers(0, 2**32 - 1).map(IPv4Address)
CODE = st.integers(1, 254).filter(lambda code: code != Option.OPTION_OVERLOAD)

PACKETS = st.builds(
    Packet,
    op=st.sampled_from((1, 2)),
    htype=st.integers(0, 255),
    hlen=st.integers(0, 16),
    hops=st.integers(0, 255),
    xid=st.integers(0, 2**32 - 1),
    secs=st.integers(0, 2**16 - 1),
    flags=st.integers(0, 2**16 - 1),
    ciaddr=ADDRESS,
    yiaddr=ADDRESS,
    siaddr=ADDRESS,
    giaddr=ADDRESS,
    chaddr=st.binary(min_size=16, max_size=16),
    sname=NAME,
    file=NAME,
    options=st.dictionaries(CODE, st.binary(max_size=40) | st.binary(min_size=250, max_size=520), max_size=6),
)


def read_all(octets: bytes) -> None:
    """Decodes `octets` and everything that is read out of a packet."""
    try:
        packet = decode(octets)
    except WireError:
        return
    options = packet.options
    assert len(packet.link_address) == packet.hlen
    assert packet.largest_reply >= 548
    assert packet.message_type in {None, 1, 2, 3, 4, 5, 6, 7, 8}
    packet.address(Option.SERVER_IDENTIFIER)
    pxe.vendor_class(options)
    pxe.architecture_code(options)
    pxe.network_interface(options)
    pxe.client_guid(options)
    for read in (
        lambda: ipxe.is_ipxe(options),
        lambda: ipxe.Build.decode(options.get(Option.ETHERBOOT, b"")),
        lambda: pxe.VendorOptions.decode(options.get(Option.VENDOR_SPECIFIC_INFORMATION, b"")),
    ):
        try:
            read()
        except WireError:
            continue


@given(st.binary(max_size=600))
def test_any_octets(octets: bytes) -> None:
    read_all(octets)


@given(st.binary(max_size=400))
def test_any_octets_behind_a_good_header(area: bytes) -> None:
    read_all(HEADER + area)


@given(
    st.dictionaries(st.sampled_from((43, 53, 54, 57, 60, 77, 93, 94, 97, 175)), st.binary(max_size=60)),
    st.binary(min_size=64, max_size=64),
    st.binary(min_size=128, max_size=128),
    st.integers(1, 3),
)
def test_any_values_and_overloaded_fields(values: dict[int, bytes], sname: bytes, file: bytes, overload: int) -> None:
    area = encode_options({**values, 52: bytes((overload,))}) + b"\xff"
    read_all(HEADER[:44] + sname + file + HEADER[236:] + area)


@given(PACKETS)
def test_written_and_read_back(packet: Packet) -> None:
    again = decode(packet.encode(max_size=4096))
    assert again == packet
    codes = list(packet.options)
    assert list(again.options) == sorted(codes, key=lambda code: (code == 82, codes.index(code)))


@given(PACKETS, st.data())
def test_truncated(packet: Packet, data: st.DataObject) -> None:
    octets = packet.encode(max_size=4096)
    read_all(octets[: data.draw(st.integers(0, len(octets)))])


@given(PACKETS, st.data())
def test_one_octet_changed(packet: Packet, data: st.DataObject) -> None:
    octets = bytearray(packet.encode(max_size=4096))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    read_all(bytes(octets))


@given(st.dictionaries(st.integers(1, 254), st.binary(max_size=600), max_size=8))
def test_options_written_and_read_back(options: dict[int, bytes]) -> None:
    again = decode_options(encode_options(options))
    assert list(again.items()) == list(options.items())


@given(st.binary(max_size=200))
def test_vendor_options_that_can_be_read_are_written_back(value: bytes) -> None:
    try:
        options = pxe.VendorOptions.decode(value)
    except WireError:
        return
    assert pxe.VendorOptions.decode(options.encode()) == options
