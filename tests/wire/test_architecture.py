"""The architecture types of RFC 4578 and IANA."""

from __future__ import annotations

import pytest

from pxed.site.boot_image import Cpu
from pxed.wire.architecture import ARCHITECTURES, Architecture, Firmware, architecture, loader_key


@pytest.mark.parametrize(
    ("code", "firmware", "cpus", "http"),
    [
        (0, Firmware.BIOS, ("amd64", "i386"), False),
        (6, Firmware.UEFI, ("i386",), False),
        (7, Firmware.UEFI, ("amd64",), False),
        (11, Firmware.UEFI, ("arm64",), False),
        (15, Firmware.UEFI, ("i386",), True),
        (16, Firmware.UEFI, ("amd64",), True),
        (19, Firmware.UEFI, ("arm64",), True),
        (20, Firmware.BIOS, ("amd64", "i386"), True),
        (22, Firmware.UBOOT, ("arm64",), False),
        (27, Firmware.UEFI, ("riscv64",), False),
        (40, Firmware.UEFI, ("loong64",), True),
        (41, Firmware.RASPBERRY_PI, ("arm64", "armhf"), False),
    ],
)
def test_known(code: int, firmware: Firmware, cpus: tuple[str, ...], http: bool) -> None:
    known = architecture(code)
    assert (known.code, known.firmware, known.cpus, known.http) == (code, firmware, cpus, http)


@pytest.mark.parametrize(("one", "other"), [(7, 9), (16, 17)])
def test_rfc4578_erratum_4624_makes_two_numbers_alike(one: int, other: int) -> None:
    first, second = architecture(one), architecture(other)
    assert (first.name, first.firmware, first.cpus, first.http) == (
        second.name,
        second.firmware,
        second.cpus,
        second.http,
    )
    assert second.code == other


@pytest.mark.parametrize("code", [42, 255, 0xFFFF])
def test_unknown_is_no_error(code: int) -> None:
    assert architecture(code) == Architecture(code, f"unknown ({code})", Firmware.OTHER, (), False)


def test_the_registry_is_whole() -> None:
    assert sorted(ARCHITECTURES) == list(range(42))


def test_http_variants_follow_their_plain_ones() -> None:
    plain_of = {15: 6, 16: 7, 17: 9, 18: 10, 19: 11, 20: 0, 23: 21, 24: 22, 26: 25, 28: 27, 30: 29, 38: 37, 40: 39}
    assert {code for code, known in ARCHITECTURES.items() if known.http} == set(plain_of)
    for code, plain in plain_of.items():
        http, bare = architecture(code), architecture(plain)
        assert (http.name, http.firmware, http.cpus) == (f"{bare.name} HTTP", bare.firmware, bare.cpus)


def test_processors_are_named_as_the_site_names_them() -> None:
    names = {cpu for known in ARCHITECTURES.values() for cpu in known.cpus}
    assert names == {cpu.value for cpu in Cpu}


def test_loader_keys() -> None:
    keys = {code: loader_key(architecture(code)) for code in (0, 6, 7, 9, 11, 27, 2, 21, 999)}
    assert keys == {
        0: "bios",
        6: "uefi-i386",
        7: "uefi-amd64",
        9: "uefi-amd64",
        11: "uefi-arm64",
        27: "uefi-riscv64",
        2: "",
        21: "",
        999: "",
    }
