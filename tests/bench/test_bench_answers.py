"""The load of answers: whom it asks as, and what it takes for right."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from bench.answers_load import Expectation, Template, guid_of, mac_of
from bench.network import SERVER
from pxed.site.identifiers import swap_guid
from pxed.wire.dhcp import BOOTREPLY, MessageType, Option, Packet, decode
from pxed.wire.layout import Own

TEMPLATE = Template()


def offer(own: Own, **changes: object) -> bytes:
    request = decode(TEMPLATE.filled(own))
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.OFFER,)),
        Option.SERVER_IDENTIFIER: IPv4Address(SERVER).packed,
        Option.BOOTFILE_NAME: b"snponly.efi\0",
        Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient",
        Option.CLIENT_MACHINE_IDENTIFIER: request.options[Option.CLIENT_MACHINE_IDENTIFIER],
    }
    packet = Packet(BOOTREPLY, xid=request.xid, chaddr=request.chaddr, options=options)
    return replace(packet, **changes).encode()  # type: ignore[arg-type]


def test_each_packet_is_of_its_computer() -> None:
    packet = decode(TEMPLATE.filled(TEMPLATE.own(7, 1234)))
    assert (packet.xid, packet.link_address, packet.message_type) == (7, mac_of(1234), MessageType.DISCOVER)
    assert packet.options[Option.CLIENT_MACHINE_IDENTIFIER] == b"\0" + guid_of(1234).bytes_le


def test_no_computer_s_guid_is_another_s_in_the_other_byte_order() -> None:
    guids = {guid_of(number) for number in range(3000)}
    assert not guids & {swap_guid(guid) for guid in guids}


@pytest.mark.parametrize(
    "changes",
    [
        {"op": 1},
        {"yiaddr": IPv4Address("10.97.0.7")},
        {"options": {}},
    ],
)
def test_a_wrong_answer_is_never_taken_for_right(changes: dict[str, object]) -> None:
    own = TEMPLATE.own(7, 1234)
    for learnt in (False, True):
        expectation = Expectation(named=True)
        assert not learnt or expectation.meets(offer(own), own)
        assert not expectation.meets(offer(own, **changes), own)


def test_every_octet_counts_once_a_right_answer_was_seen() -> None:
    first, second = TEMPLATE.own(7, 1234), TEMPLATE.own(8, 99)
    expectation = Expectation(named=True)
    assert expectation.meets(offer(first), first)
    assert expectation.meets(offer(second), second)
    assert not expectation.meets(offer(first), second)
    for at in (*range(8), *range(10, 300)):  # but for `secs`, which an answer leaves alone
        wrong = bytearray(offer(second))
        wrong[at] ^= 1
        assert not expectation.meets(bytes(wrong), second), at


def test_an_answer_without_a_name_is_right_only_where_none_is_expected() -> None:
    own = TEMPLATE.own(7, 1234)
    options = {code: value for code, value in decode(offer(own)).options.items() if code != Option.BOOTFILE_NAME}
    assert not Expectation(named=True).meets(offer(own, options=options), own)
    assert Expectation(named=False).meets(offer(own, options=options), own)
