"""iPXE's options 77 and 175, by its dhcp.h, features.h and dhcpopts.c."""

from __future__ import annotations

import pytest

from pxed.errors import WireError
from pxed.wire.ipxe import Build, Feature, Settings, is_ipxe, user_classes
from pxed.wire.options import decode_options


@pytest.mark.parametrize(
    ("value", "classes"),
    [
        (b"", ()),
        (b"iPXE", (b"iPXE",)),
        (b"\x04iPXE", (b"iPXE",)),
        (b"\x04corp\x04iPXE", (b"corp", b"iPXE")),
        (b"\x05iPXE", (b"\x05iPXE",)),
        (b"\x04iPXE\x00", (b"\x04iPXE\x00",)),
        (b"\x04iPXE\x02x", (b"\x04iPXE\x02x",)),
    ],
)
def test_user_classes_counted_as_in_rfc3004_or_bare(value: bytes, classes: tuple[bytes, ...]) -> None:
    assert user_classes(value) == classes


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, False),
        ({60: b"PXEClient:Arch:00000:UNDI:002001"}, False),
        ({77: b"iPXE"}, True),
        ({77: b"\x04iPXE"}, True),
        ({77: b"\x04corp\x04iPXE"}, True),
        ({77: b"ipxe"}, False),
        ({77: b"iPXE2"}, False),
        ({77: b"corp"}, False),
        # `set user-class corp`
        ({77: b"corp", 175: bytes.fromhex("b105018086100e eb03020000 130101")}, True),
        ({175: bytes.fromhex("eb03020000")}, True),
        ({175: bytes.fromhex("130101")}, False),
        ({77: b"gPXE", 175: bytes.fromhex("eb03010001 130101")}, False),
    ],
)
def test_is_ipxe(options: dict[int, bytes], expected: bool) -> None:
    assert is_ipxe(options) is expected


def test_is_ipxe_refuses_what_it_has_to_look_into() -> None:
    assert is_ipxe({77: b"iPXE", 175: b"\xeb"})
    with pytest.raises(WireError):
        is_ipxe({175: b"\xeb"})


def test_build() -> None:
    # dhcpopts.c puts the bus id before the features; neither way ends with 255.
    value = bytes.fromhex("b105018086100e eb03011501 170101 130101 140101 100102 290101 270100 4f0101")
    build = Build.decode(value)
    assert build.features == {
        Feature.DNS,
        Feature.HTTP,
        Feature.HTTPS,
        Feature.PXE_EXT,
        Feature.NFS,
        0x4F,  # one that came after this was written
    }
    assert build.version == (1, 21, 1)
    assert build.bus_id == bytes.fromhex("018086100e")


def test_build_that_says_nothing() -> None:
    assert Build.decode(b"") == Build() == Build.decode(b"\xff")


@pytest.mark.parametrize("value", [b"\x13", b"\x13\x02\x01"])
def test_build_refuses(value: bytes) -> None:
    with pytest.raises(WireError):
        Build.decode(value)


FINGERPRINT = bytes(range(32))


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (Settings(), {}),
        (Settings(priority=1), {0x01: b"\x01"}),
        (Settings(priority=-128), {0x01: b"\x80"}),
        (Settings(keep_san=True), {0x08: b"\x01"}),
        (Settings(scriptlet="shell"), {0x51: b"shell"}),
        (Settings(trust=(FINGERPRINT, FINGERPRINT[::-1])), {0x5A: FINGERPRINT + FINGERPRINT[::-1]}),
        (Settings(crosscert="http://10.0.0.1/ca"), {0x5D: b"http://10.0.0.1/ca"}),
        (Settings(no_pxedhcp=True), {0xB0: b"\x01"}),
        (Settings(priority=127, no_pxedhcp=True), {0x01: b"\x7f", 0xB0: b"\x01"}),
    ],
)
def test_settings(settings: Settings, options: dict[int, bytes]) -> None:
    octets = settings.encode()
    assert octets.endswith(b"\xff")
    assert list(decode_options(octets).items()) == list(options.items())


def test_settings_on_the_wire() -> None:
    assert Settings(priority=1, no_pxedhcp=True).encode() == bytes.fromhex("010101 b00101 ff")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Settings(trust=(FINGERPRINT[:31],)), "32 octets"),
        (Settings(scriptlet="x" * 30, trust=(FINGERPRINT,) * 7), "259 octets, and 255 is the most"),
    ],
)
def test_settings_refuse(settings: Settings, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        settings.encode()


@pytest.mark.parametrize("priority", [-129, 128])
def test_priority_is_a_signed_octet(priority: int) -> None:
    with pytest.raises(OverflowError):
        Settings(priority=priority).encode()
