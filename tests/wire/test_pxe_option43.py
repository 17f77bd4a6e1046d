"""Option 43 of the PXE specification 2.1."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from pxed.errors import WireError
from pxed.wire.pxe import BootItem, BootServer, DiscoveryControl, MenuItem, MenuPrompt, VendorOptions

FIRST = IPv4Address("10.0.0.1")
SECOND = IPv4Address("10.0.0.2")

CASES = [
    (VendorOptions(), "ff"),
    (VendorOptions(control=DiscoveryControl.BOOT_FILE), "060108 ff"),
    (VendorOptions(control=DiscoveryControl(0)), "060100 ff"),
    (
        VendorOptions(
            control=DiscoveryControl.NO_BROADCAST | DiscoveryControl.NO_MULTICAST | DiscoveryControl.SERVERS_ONLY,
            servers=(BootServer(0x8001, (FIRST,)), BootServer(2, (FIRST, SECOND)), BootServer(3, ())),
            menu=(MenuItem(0, b"Local disk"), MenuItem(0x8001, b"Net"), MenuItem(5, b"")),
            prompt=MenuPrompt(10, b"Press F8"),
        ),
        """
        060107
        0815 8001 01 0a000001  0002 02 0a000001 0a000002  0003 00
        0916 0000 0a 4c6f63616c206469736b  8001 03 4e6574  0005 00
        0a09 0a 5072657373204638
        ff
        """,
    ),
    (VendorOptions(prompt=MenuPrompt(255, b"")), "0a01ff ff"),
    (VendorOptions(item=BootItem(0x8001, 0x8000)), "4704 8001 8000 ff"),
]


@pytest.mark.parametrize(("options", "octets"), CASES)
def test_both_directions(options: VendorOptions, octets: str) -> None:
    assert options.encode() == bytes.fromhex(octets)
    assert VendorOptions.decode(bytes.fromhex(octets)) == options


def test_unknown_sub_options_pads_and_a_missing_end_are_passed_over() -> None:
    value = bytes.fromhex("00 0104e0000001 060108 8002abcd 00")
    assert VendorOptions.decode(value) == VendorOptions(control=DiscoveryControl.BOOT_FILE)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("0602 0800 ff", "sub-option 6 has 2 octets"),
        ("0600 ff", "sub-option 6 has 0 octets"),
        ("0a00 ff", "sub-option 10 has 0 octets"),
        ("4703 000100 ff", "sub-option 71 has 3 octets"),
        ("4705 0001000000 ff", "sub-option 71 has 5 octets"),
        ("0802 0001 ff", "sub-option 8 stops inside an entry"),
        ("0806 0001 01 0a0000 ff", "sub-option 8 stops inside an entry"),
        ("0905 0000 03 4e65 ff", "sub-option 9 stops inside an entry"),
        ("0901 00 ff", "sub-option 9 stops inside an entry"),
        ("06", "option 6 at offset 0 has no length"),
        ("060208", "option 6 at offset 0 runs 1 octets past"),
    ],
)
def test_decode_refuses(octets: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        VendorOptions.decode(bytes.fromhex(octets))


def test_255_octets_are_the_most() -> None:
    # 2 of head and 3 of each entry, 1 of the end.
    assert len(VendorOptions(menu=(MenuItem(1, b"x" * 249),)).encode()) == 255
    with pytest.raises(ValueError, match="256 octets, and 255 is the most") as caught:
        VendorOptions(menu=(MenuItem(1, b"x" * 250),)).encode()
    assert not isinstance(caught.value, WireError)
