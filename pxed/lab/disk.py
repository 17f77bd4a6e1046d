"""A disk of 128 KiB that both firmwares start and that says who installed it.

The lab's installation writes this image, so that a machine which then starts from its disk proves it on the serial
port. Sector 0 is at once the parameter block of a FAT12 file system and a BIOS boot sector; the file system holds
`\\EFI\\BOOT\\BOOTX64.EFI`, which UEFI starts from any disk without a boot entry. Both programs print the text of one
sector, `TEXT_SECTOR`, and halt; an installation writes its own text there and needs no other change.

    sector  0     boot sector          FAT specification (Microsoft, "FAT: General Overview of On-Disk Format", 1.03)
            1, 2  the two FATs
            3     root directory
            4, 5  directories EFI and EFI/BOOT           clusters 2 and 3
            6..8  BOOTX64.EFI: headers, code, text       clusters 4 to 6
"""

from __future__ import annotations

import base64
import gzip
import struct
from pathlib import Path
from typing import Any

SECTOR = 512
SECTORS = 256
TEXT_SECTOR = 8
MARK = "pxed lab disk: "
"""begins every text"""

_DATA = 4
"""the first sector of cluster 2"""
_CODE_AT = 0x3E
"""where code may begin in a FAT12 boot sector: after the file system's type"""
_BUFFER_AT = 0x7E00

_BIOS_CODE = bytes.fromhex(
    "31c0"  # xor ax, ax
    "8ed8"  # mov ds, ax
    "8ed0"  # mov ss, ax
    "bc007c"  # mov sp, 0x7c00
    "fc"  # cld
    "be6d7c"  # mov si, packet         0x7c00 + _CODE_AT + the length of this code
    "b442"  # mov ah, 0x42          extended read; dl is the drive that the BIOS booted from
    "cd13"  # int 0x13
    "7219"  # jc halt
    "be007e"  # mov si, buffer
    # next:
    "ac"  # lodsb
    "84c0"  # test al, al
    "7411"  # jz halt
    "88c4"  # mov ah, al
    "bafd03"  # mov dx, 0x3fd       COM1 itself: INT 14h needs a set-up, INT 10h needs a screen
    # wait:
    "ec"  # in al, dx
    "a820"  # test al, 0x20         transmitter empty?
    "74fb"  # jz wait
    "88e0"  # mov al, ah
    "b2f8"  # mov dl, 0xf8
    "ee"  # out dx, al
    "ebea"  # jmp next
    # halt:
    "f4"  # hlt
    "ebfd"  # jmp halt
)
# The disk address packet of INT 13h, function 42h: size, sectors, buffer offset and segment, first sector.
_PACKET = struct.pack("<BxHHHQ", 16, 1, _BUFFER_AT, 0, TEXT_SECTOR)

_EFI_CODE = bytes.fromhex(
    "4883ec28"  # sub rsp, 0x28       room for four arguments, and one character at [rsp+0x20]
    "488b7a40"  # mov rdi, [rdx+0x40]            EFI_SYSTEM_TABLE.ConOut
    "488d35f10f0000"  # lea rsi, [rip+text]      the section after this one
    # next:
    "0fb606"  # movzx eax, byte [rsi]
    "85c0"  # test eax, eax
    "7415"  # jz halt
    "4889442420"  # mov [rsp+0x20], rax          a CHAR16 and its end
    "48ffc6"  # inc rsi
    "4889f9"  # mov rcx, rdi
    "488d542420"  # lea rdx, [rsp+0x20]
    "ff5708"  # call [rdi+8]                     OutputString(this, string)
    "ebe4"  # jmp next
    # halt:
    "f4"  # hlt
    "ebfd"  # jmp halt
)


def image(text: str) -> bytes:
    """The whole disk, `SECTORS` * `SECTOR` bytes; started, it says `MARK` and `text`."""
    program = _efi_program(text)
    chain = [0xFF8, 0xFFF, 0xFFF, 0xFFF, 5, 6, 0xFFF]  # media, reserved, EFI, BOOT, the program's three clusters
    fat = _sector(_fat12(chain))
    root = _sector(_entry(b"EFI        ", 0x10, 2))
    efi = _sector(_entry(b".          ", 0x10, 2) + _entry(b"..         ", 0x10, 0) + _entry(b"BOOT       ", 0x10, 3))
    boot = _sector(
        _entry(b".          ", 0x10, 3)
        + _entry(b"..         ", 0x10, 2)
        + _entry(b"BOOTX64 EFI", 0x20, 4, len(program))
    )
    return (_boot_sector() + fat + fat + root + efi + boot + program).ljust(SECTORS * SECTOR, b"\0")


def make(path: Path, text: str | None = None, size: int = 64 << 20) -> None:
    """Makes a disk of `size` bytes, a sparse file: blank, or with the image."""
    with path.open("wb") as file:
        file.write(image(text) if text is not None else b"")
        file.truncate(size)


def text_on(path: Path) -> str:
    """The text on a disk without its mark; empty if it holds none."""
    with path.open("rb") as file:
        file.seek(TEXT_SECTOR * SECTOR)
        text = file.read(SECTOR).rstrip(b"\0").decode("ascii", errors="replace").strip()
    return text.removeprefix(MARK) if text.startswith(MARK) else ""


def installation(device: str) -> dict[str, Any]:
    """The document of a task sequence that installs this disk with nothing but busybox.

    It reads from the disk how often that was done before, and leaves "installed by <advertisement>, run <number>".
    """
    packed = base64.b64encode(gzip.compress(image("installed by nobody"), mtime=0)).decode()
    counted = r"sed -n 's/.*, run \([0-9]*\).*/\1/p'"
    signed = rf"""printf '\r\n{MARK}installed by %s, run %d\r\n' "$PXED_ADVERTISEMENT" $(($(cat /tmp/runs) + 1))"""
    steps = {
        "Count earlier installations": f"dd if={device} bs={SECTOR} skip={TEXT_SECTOR} count=1 | {counted} > /tmp/runs",
        "Write the disk": f"echo {packed} | base64 -d | gunzip | dd of={device} bs=64k conv=notrunc",
        "Sign the disk": f"{signed} | dd of={device} bs={SECTOR} seek={TEXT_SECTOR} conv=notrunc,sync",
        "Flush": "sync",
    }
    return {
        "steps": [{"kind": "command", "name": name, "run": f"set -o pipefail; {run}"} for name, run in steps.items()]
    }


def _text_sector(text: str) -> bytes:
    """The text as a line of its own, then NULs."""
    return _sector(f"\r\n{MARK}{text}\r\n".encode("ascii"))


def _sector(data: bytes) -> bytes:
    if len(data) >= SECTOR:
        raise ValueError(f"{len(data)} bytes do not fit in a sector with an end")
    return data.ljust(SECTOR, b"\0")


def _boot_sector() -> bytes:
    parameters = struct.pack(
        "<3s8sHBHBHHBHHHII",
        bytes((0xEB, _CODE_AT - 2, 0x90)),  # jmp to the code, nop
        b"PXEDLAB ",
        SECTOR,
        1,  # sectors a cluster
        1,  # reserved: this sector
        2,  # FATs
        SECTOR // 32,  # entries of the root directory
        SECTORS,
        0xF8,  # a fixed disk
        1,  # sectors a FAT
        32,  # sectors a track, heads: of no use to any reader of today, but not zero
        2,
        0,  # hidden sectors
        0,  # sectors, if more than 65535
    ) + struct.pack("<BxBI11s8s", 0x80, 0x29, 0x70786564, b"PXED LAB   ", b"FAT12   ")
    code = parameters + _BIOS_CODE + _PACKET
    return code.ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def _fat12(entries: list[int]) -> bytes:
    """Twelve bits an entry, two entries in three bytes, little-endian."""
    number = sum(entry << (12 * index) for index, entry in enumerate(entries))
    return number.to_bytes((12 * len(entries) + 7) // 8, "little")


def _entry(name: bytes, attributes: int, cluster: int, size: int = 0) -> bytes:
    """A directory entry, dated the first day that FAT knows."""
    return struct.pack("<11sB10xHHHI", name, attributes, 0, 0x21, cluster, size)


def _efi_program(text: str) -> bytes:
    """A PE32+ image with two sections, code and text (Microsoft PE format; UEFI 2.10, 2.1.1)."""
    sections = [
        (b".text", 0x1000, 0x200, 0x60000020),  # code, readable, executable
        (b".data", 0x2000, 0x400, 0x40000040),  # data, readable
    ]
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack(
        "<HHIIIHH",
        0x8664,
        len(sections),
        0,
        0,
        0,
        112 + 16 * 8,
        0x0022,  # executable, any address: not "relocations stripped", since the code refers to itself by rip alone
    )
    optional = struct.pack(
        "<HBBIIIIIQIIHHHHHHIIIIHHQQQQII128x",
        0x20B,
        1,
        0,
        SECTOR,  # of code
        SECTOR,  # of data
        0,
        0x1000,  # entry point
        0x1000,  # base of code
        0,  # image base: none preferred
        0x1000,  # alignment in memory
        SECTOR,  # alignment in the file
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0x3000,  # size in memory
        SECTOR,  # of all headers
        0,
        10,  # an EFI application
        0,
        0x100000,
        0x1000,
        0x100000,
        0x1000,
        0,
        16,  # data directories, all empty
    )
    table = b"".join(
        struct.pack("<8sIIIIIIHHI", name, SECTOR, address, SECTOR, offset, 0, 0, 0, 0, flags)
        for name, address, offset, flags in sections
    )
    return _sector(dos + coff + optional + table) + _sector(_EFI_CODE) + _text_sector(text)
