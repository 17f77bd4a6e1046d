"""A boot order in OVMF's variable store, read back by code of its own."""

import struct

import pytest

from pxed.lab.uefi import with_boot_order

EMPTY = (
    bytes(48)
    + struct.pack("<H", 72)
    + bytes(22)
    + bytes.fromhex("782cf3aa7b949a43a1802e144ec37792b8ff03005afe000000000000")
    + b"\xff" * 4000
)


def variables(store: bytes) -> dict[str, bytes]:
    found = {}
    at = 72 + 28
    while store[at : at + 2] == b"\xaa\x55":
        name_size, data_size = struct.unpack_from("<II", store, at + 36)
        name = store[at + 60 : at + 60 + name_size].decode("utf-16-le").rstrip("\0")
        found[name] = store[at + 60 + name_size :][:data_size]
        at = (at + 60 + name_size + data_size + 3) & ~3
    return found


def test_the_card_comes_first_and_then_the_disk() -> None:
    store = with_boot_order(EMPTY, "52:54:00:12:34:56")

    assert len(store) == len(EMPTY)
    found = variables(store)
    assert list(found) == ["Boot0000", "Boot0001", "BootOrder"]
    assert found["BootOrder"] == b"\0\0\1\0"
    assert bytes.fromhex("525400123456") in found["Boot0000"]
    for option in (found["Boot0000"], found["Boot0001"]):
        attributes, length = struct.unpack_from("<IH", option)
        path = option[-length:]
        assert attributes == 1
        assert walk(path) == length


def walk(path: bytes) -> int:
    """The length of a device path, node by node to its end."""
    at: int = 0
    while True:
        kind: int
        length: int
        kind, _, length = struct.unpack_from("<BBH", path, at)
        at += length
        if kind == 0x7F:
            return at


def test_a_store_that_is_not_empty_is_refused() -> None:
    once = with_boot_order(EMPTY, "52:54:00:12:34:56")

    with pytest.raises(ValueError, match="no empty store"):
        with_boot_order(once, "52:54:00:12:34:56")
