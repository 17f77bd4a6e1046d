"""RFC 4578: what a client says of itself in options 60, 93, 94 and 97."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.wire.pxe import (
    ClassIdentifier,
    NetworkInterface,
    VendorClass,
    architecture_code,
    architecture_codes,
    client_guid,
    encode_client_guid,
    network_interface,
    vendor_class,
)

PXE = ClassIdentifier.PXE_CLIENT
HTTP = ClassIdentifier.HTTP_CLIENT
GUID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
RAW_SMBIOS = bytes.fromhex("33221100 5544 7766 8899 aabbccddeeff")

CLASSES = [
    (b"PXEClient", VendorClass(PXE)),
    (b"HTTPClient", VendorClass(HTTP)),
    (b"PXEClient:Arch:00007:UNDI:003016", VendorClass(PXE, 7, (3, 16))),
    (b"PXEClient:Arch:00000:UNDI:002001", VendorClass(PXE, 0, (2, 1))),
    (b"HTTPClient:Arch:00016:UNDI:003000", VendorClass(HTTP, 16, (3, 0))),
    (b"PXEClient:Arch:00011", VendorClass(PXE, 11)),
]


@pytest.mark.parametrize(("value", "expected"), CLASSES)
def test_vendor_class(value: bytes, expected: VendorClass) -> None:
    assert vendor_class({60: value}) == expected
    assert expected.encode() == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (b"", None),
        (b"PXEClien", None),
        (b"pxeclient", None),
        (b" PXEClient", None),
        (b"U-Boot.armv8", None),
        (b"MSFT 5.0", None),
        (b"PXEClient\0", VendorClass(PXE)),
        (b"PXEClient:Arch:", VendorClass(PXE)),
        (b"PXEClient:Arch:7:UNDI:003016", VendorClass(PXE)),
        (b"PXEClient:Arch:65535", VendorClass(PXE, 65535)),
        (b"PXEClient:Arch:65536:UNDI:003016", VendorClass(PXE, None, (3, 16))),
        (b"PXEClient:Arch:00007:UNDI:3016", VendorClass(PXE, 7)),
        (b"PXEClient:Arch:00007:\0\xff\n\0:003000\0\0", VendorClass(PXE, 7, (3, 0))),
    ],
)
def test_vendor_class_of_odd_shape(value: bytes | None, expected: VendorClass | None) -> None:
    assert vendor_class({} if value is None else {60: value}) == expected


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        (None, ()),
        (b"", ()),
        (b"\x07", ()),
        (b"\0\x07", (7,)),
        (b"\0\x07\0", (7,)),
        (b"\0\x09\0\x07", (9, 7)),
        (b"\xff\xff", (0xFFFF,)),
    ],
)
def test_architecture_list(value: bytes | None, codes: tuple[int, ...]) -> None:
    assert architecture_codes({} if value is None else {93: value}) == codes


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, None),
        ({60: b"PXEClient"}, None),
        ({60: b"PXEClient:Arch:00011:UNDI:003000"}, 11),
        ({60: b"PXEClient:Arch:00011:UNDI:003000", 93: b""}, 11),
        ({60: b"PXEClient:Arch:00011:UNDI:003000", 93: b"\0\0"}, 0),
        ({93: b"\0\x09\0\x07"}, 9),
        ({60: b"MSFT 5.0", 93: b"\0\x07"}, 7),
    ],
)
def test_option_93_counts_before_the_text_of_option_60(options: dict[int, bytes], code: int | None) -> None:
    assert architecture_code(options) == code


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (b"\x01\x03", None), (b"\x01\x03\x10", NetworkInterface(1, 3, 16)), (b"\x01\x03\x10\0", None)],
)
def test_network_interface(value: bytes | None, expected: NetworkInterface | None) -> None:
    assert network_interface({} if value is None else {94: value}) == expected


def test_guid_is_read_in_smbios_order() -> None:
    assert client_guid({97: b"\0" + RAW_SMBIOS}) == GUID
    assert encode_client_guid(GUID) == b"\0" + RAW_SMBIOS


@given(st.uuids())
def test_every_guid_both_ways(guid: uuid.UUID) -> None:
    assert client_guid({97: encode_client_guid(guid)}) == guid


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\0", RAW_SMBIOS, b"\x01" + RAW_SMBIOS, b"\xff" + RAW_SMBIOS, b"\0" + RAW_SMBIOS + b"\0"],
)
def test_other_shapes_are_no_guid(value: bytes | None) -> None:
    assert client_guid({} if value is None else {97: value}) is None
