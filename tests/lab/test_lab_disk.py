"""The lab's disk, read back by code of its own: FAT12, PE32+, and the installation run with busybox."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from pxed.lab import disk
from pxed.sequence.model import CommandStep, parse


def clusters(image: bytes, first: int) -> bytes:
    """The data of a chain, found as the FAT specification says: all places computed from the parameter block."""
    reserved, fats, root_entries = struct.unpack_from("<HBH", image, 14)
    (fat_sectors,) = struct.unpack_from("<H", image, 22)
    fat = image[reserved * 512 : (reserved + fat_sectors) * 512]
    data = reserved + fats * fat_sectors + root_entries * 32 // 512
    out = b""
    cluster = first
    while cluster < 0xFF8:
        out += image[(data + cluster - 2) * 512 :][:512]
        pair = int.from_bytes(fat[cluster * 3 // 2 :][:2], "little")
        cluster = pair >> 4 if cluster % 2 else pair & 0xFFF
    return out


def entry(directory: bytes, name: bytes) -> tuple[int, int]:
    """First cluster and size of a file or directory."""
    for at in range(0, len(directory), 32):
        if directory[at : at + 11] == name:
            return struct.unpack_from("<HI", directory, at + 26)
    raise AssertionError(f"no {name!r}")


def program(image: bytes) -> bytes:
    """EFI/BOOT/BOOTX64.EFI."""
    reserved, fats = struct.unpack_from("<HB", image, 14)
    (fat_sectors,) = struct.unpack_from("<H", image, 22)
    root = image[(reserved + fats * fat_sectors) * 512 :][:512]
    efi = clusters(image, entry(root, b"EFI        ")[0])
    boot = clusters(image, entry(efi, b"BOOT       ")[0])
    cluster, size = entry(boot, b"BOOTX64 EFI")
    return clusters(image, cluster)[:size]


def test_the_file_system_holds_the_program_that_uefi_starts_by_default() -> None:
    found = program(disk.image("hello"))

    assert found[:2] == b"MZ"
    (header,) = struct.unpack_from("<I", found, 60)
    assert found[header : header + 4] == b"PE\0\0"
    machine, sections = struct.unpack_from("<HH", found, header + 4)
    assert machine == 0x8664
    (magic,) = struct.unpack_from("<H", found, header + 24)
    (subsystem,) = struct.unpack_from("<H", found, header + 24 + 68)
    assert (magic, subsystem) == (0x20B, 10)
    tables = header + 24 + struct.unpack_from("<H", found, header + 20)[0]
    names = [found[tables + 40 * index :][:8].rstrip(b"\0") for index in range(sections)]
    assert names == [b".text", b".data"]
    text_at = struct.unpack_from("<I", found, tables + 40 + 20)[0]
    assert found[text_at:].startswith(b"\r\npxed lab disk: hello\r\n\0")


def test_the_program_finds_its_text_where_the_loader_puts_it() -> None:
    found = program(disk.image("hello"))

    # lea rsi, [rip + displacement] is the third instruction; rip is the address of the fourth
    (displacement,) = struct.unpack_from("<i", found, 512 + 11)
    assert 0x1000 + 15 + displacement == 0x2000


def test_the_boot_sector_reads_the_sector_that_holds_the_text() -> None:
    image = disk.image("hello")

    assert image[510:512] == b"\x55\xaa"
    code = image.index(b"\xbe", 0x3E)  # mov si, packet
    (packet,) = struct.unpack_from("<H", image, code + 1)
    size, count, offset, segment, sector = struct.unpack_from("<BxHHHQ", image, packet - 0x7C00)
    assert (size, count, offset, segment) == (16, 1, 0x7E00, 0)
    assert image[sector * 512 :].startswith(b"\r\npxed lab disk: hello\r\n\0")


def test_the_boot_sector_jumps_to_instructions_of_its_own() -> None:
    code = disk._BIOS_CODE
    jumps = {code.index(bytes((opcode,)), start): opcode for opcode, start in ((0x72, 0), (0x74, 0), (0xEB, 0))}
    halt = len(code) - 3

    targets = {
        opcode: at + 2 + int.from_bytes(code[at + 1 : at + 2], "little", signed=True) for at, opcode in jumps.items()
    }

    assert targets == {0x72: halt, 0x74: halt, 0xEB: code.index(b"\xac")}


@pytest.mark.skipif(shutil.which("mdir") is None, reason="mtools is not installed")
def test_mtools_reads_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(disk.image("hello"))

    listing = subprocess.run(["mdir", "-b", "-/", "-i", path, "::"], capture_output=True, text=True, check=True).stdout

    assert listing.split() == ["::/EFI/", "::/EFI/BOOT/", "::/EFI/BOOT/BOOTX64.EFI"]


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        disk.image("x" * 500)


def test_the_text_of_a_disk_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "disk"

    disk.make(path, "its own system")
    assert disk.text_on(path) == "its own system"
    disk.make(path)
    assert disk.text_on(path) == ""
    assert path.stat().st_size == 64 << 20


def test_the_installation_counts_and_signs(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    disk.make(path)
    sequence = parse(disk.installation(str(path)))

    for run in (1, 2, 3):
        for step in sequence.steps:
            assert isinstance(step, CommandStep)
            command = step.run.replace("/tmp/runs", str(tmp_path / "runs"))  # noqa: S108 - the image's own /tmp
            environment = {"PXED_ADVERTISEMENT": "install now", "PATH": "/usr/bin:/bin"}
            subprocess.run(["busybox", "sh", "-c", command], check=True, env=environment, capture_output=True)
        assert disk.text_on(path) == f"installed by install now, run {run}"

    installed = path.read_bytes()
    assert installed[: disk.SECTORS * 512] == disk.image("installed by install now, run 3")
