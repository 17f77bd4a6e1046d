"""The magic packet."""

import pytest
from scapy.layers.l2 import Ether

from pxed.wire.wake import magic_packet


def test_six_bytes_and_sixteen_times_the_address() -> None:
    packet = magic_packet("52:54:00:12:34:56")
    assert packet[:6] == b"\xff" * 6
    assert [packet[start : start + 6] for start in range(6, 102, 6)] == [
        Ether(dst="52:54:00:12:34:56").build()[:6]
    ] * 16
    assert len(packet) == 102


@pytest.mark.parametrize("mac", ["", "52:54:00:12:34", "52:54:00:12:34:56:78", "no address"])
def test_what_is_no_address(mac: str) -> None:
    with pytest.raises(ValueError, match=r"MAC address|fromhex"):
        magic_packet(mac)
