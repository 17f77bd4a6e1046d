"""RFC 3046 section 2.2: option 82 goes back whole, as the last option, or not at all."""

from __future__ import annotations

import pytest

from pxed.wire.dhcp import BOOTREPLY, Option, Packet, decode

RELAY = bytes.fromhex("010465746830")


def test_option_82_is_last_before_the_end_wherever_the_caller_has_it() -> None:
    packet = Packet(BOOTREPLY, options={Option.RELAY_AGENT_INFORMATION: RELAY, Option.DHCP_MESSAGE_TYPE: b"\x02"})
    octets = packet.encode()
    assert octets[240:252] == b"\x35\x01\x02\x52\x06" + RELAY + b"\xff"
    assert decode(octets) == packet


def test_option_82_longer_than_255_octets_comes_back_unchanged() -> None:
    packet = Packet(BOOTREPLY, options={Option.RELAY_AGENT_INFORMATION: bytes(range(256)) + b"more", 53: b"\x02"})
    assert decode(packet.encode(max_size=1472)) == packet


def test_option_82_is_left_out_whole_if_it_does_not_fit() -> None:
    options = {Option.DHCP_MESSAGE_TYPE: b"\x02", 224: bytes(200), Option.RELAY_AGENT_INFORMATION: bytes(100)}
    size = 240 + 3 + 202 + 102 + 1
    assert decode(Packet(BOOTREPLY, options=options).encode(size)).options == options
    del options[Option.RELAY_AGENT_INFORMATION]
    full = Packet(BOOTREPLY, options={**options, Option.RELAY_AGENT_INFORMATION: bytes(100)})
    assert decode(full.encode(size - 1)).options == options


def test_leaving_option_82_out_does_not_excuse_the_rest() -> None:
    packet = Packet(BOOTREPLY, options={224: bytes(255), 225: bytes(255), Option.RELAY_AGENT_INFORMATION: RELAY})
    with pytest.raises(ValueError, match="755 octets, and 548 is the most"):
        packet.encode()
