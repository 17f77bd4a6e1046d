"""Client system architectures: what option 93 (RFC 4578 section 2.1) tells of firmware and processor.

The numbers are IANA's "Processor Architecture Types" (the registry that RFC 5970 section 3.3 began). Firmware sends
what it was built for, which is not always what the registry meant; where the two differ, the table follows the field.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Firmware(StrEnum):
    """What kind of firmware (or boot loader acting as one) network-boots the machine."""

    BIOS = "bios"
    UEFI = "uefi"
    UBOOT = "uboot"
    RASPBERRY_PI = "rpi"
    OPEN_FIRMWARE = "openfirmware"
    OTHER = "other"
    """unknown, or nothing that boots Linux from a PXE server"""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One value of option 93."""

    code: int
    """16 bits"""
    name: str
    """for people: tables, logs"""
    firmware: Firmware
    cpus: tuple[str, ...] = ()
    """Debian's names of what the processor runs, best first; empty if there is no boot image for it"""
    http: bool = False
    """the firmware boots from an HTTP URL (option 60 HTTPClient), not from TFTP"""


_AMD64 = ("amd64",)
_I386 = ("i386",)
_ARM64 = ("arm64",)
_ARMHF = ("armhf",)
_RISCV64 = ("riscv64",)
_LOONG64 = ("loong64",)

ARCHITECTURES: dict[int, Architecture] = {
    known.code: known
    for known in (
        # BIOS firmware does not say whether the processor is 64-bit; by now it nearly always is. The Raspberry Pi 2
        # and 3 send 0 as well (raspberrypi/firmware issue 871); only their MAC addresses tell.
        Architecture(0, "x86 BIOS", Firmware.BIOS, ("amd64", "i386")),
        Architecture(1, "NEC PC-98", Firmware.OTHER),
        Architecture(2, "Itanium UEFI", Firmware.UEFI),
        Architecture(3, "DEC Alpha", Firmware.OTHER),
        Architecture(4, "Arc x86", Firmware.OTHER),
        Architecture(5, "Intel Lean Client", Firmware.OTHER),
        Architecture(6, "x86 UEFI", Firmware.UEFI, _I386),
        # RFC 4578 as printed has 7 for EBC and 9 for x64; erratum 4624 and IANA have them the other way round, and x64
        # firmware of both readings exists. The same then goes for 16 and 17.
        Architecture(7, "x64 UEFI", Firmware.UEFI, _AMD64),
        Architecture(8, "Xscale UEFI", Firmware.UEFI),
        Architecture(9, "x64 UEFI", Firmware.UEFI, _AMD64),
        Architecture(10, "ARM 32 UEFI", Firmware.UEFI, _ARMHF),
        Architecture(11, "ARM 64 UEFI", Firmware.UEFI, _ARM64),
        Architecture(12, "PowerPC Open Firmware", Firmware.OPEN_FIRMWARE),
        Architecture(13, "PowerPC ePAPR", Firmware.OTHER),
        Architecture(14, "POWER OPAL", Firmware.OTHER),
        Architecture(15, "x86 UEFI HTTP", Firmware.UEFI, _I386, http=True),
        Architecture(16, "x64 UEFI HTTP", Firmware.UEFI, _AMD64, http=True),
        Architecture(17, "x64 UEFI HTTP", Firmware.UEFI, _AMD64, http=True),
        Architecture(18, "ARM 32 UEFI HTTP", Firmware.UEFI, _ARMHF, http=True),
        Architecture(19, "ARM 64 UEFI HTTP", Firmware.UEFI, _ARM64, http=True),
        Architecture(20, "x86 BIOS HTTP", Firmware.BIOS, ("amd64", "i386"), http=True),
        Architecture(21, "ARM 32 U-Boot", Firmware.UBOOT, _ARMHF),
        Architecture(22, "ARM 64 U-Boot", Firmware.UBOOT, _ARM64),
        Architecture(23, "ARM 32 U-Boot HTTP", Firmware.UBOOT, _ARMHF, http=True),
        Architecture(24, "ARM 64 U-Boot HTTP", Firmware.UBOOT, _ARM64, http=True),
        # iPXE on RISC-V without UEFI (SBI) sends 25 and 27 too (arch/riscv64/include/ipxe/sbi/dhcparch.h).
        Architecture(25, "RISC-V 32 UEFI", Firmware.UEFI),
        Architecture(26, "RISC-V 32 UEFI HTTP", Firmware.UEFI, http=True),
        Architecture(27, "RISC-V 64 UEFI", Firmware.UEFI, _RISCV64),
        Architecture(28, "RISC-V 64 UEFI HTTP", Firmware.UEFI, _RISCV64, http=True),
        Architecture(29, "RISC-V 128 UEFI", Firmware.UEFI),
        Architecture(30, "RISC-V 128 UEFI HTTP", Firmware.UEFI, http=True),
        Architecture(31, "s390 basic", Firmware.OTHER),
        Architecture(32, "s390 extended", Firmware.OTHER),
        Architecture(33, "MIPS 32 UEFI", Firmware.UEFI),
        Architecture(34, "MIPS 64 UEFI", Firmware.UEFI),
        Architecture(35, "Sunway 32 UEFI", Firmware.UEFI),
        Architecture(36, "Sunway 64 UEFI", Firmware.UEFI),
        Architecture(37, "LoongArch 32 UEFI", Firmware.UEFI),
        Architecture(38, "LoongArch 32 UEFI HTTP", Firmware.UEFI, http=True),
        Architecture(39, "LoongArch 64 UEFI", Firmware.UEFI, _LOONG64),
        Architecture(40, "LoongArch 64 UEFI HTTP", Firmware.UEFI, _LOONG64, http=True),
        Architecture(41, "Raspberry Pi", Firmware.RASPBERRY_PI, ("arm64", "armhf")),
    )
}
"""By code."""


def architecture(code: int) -> Architecture:
    """What is known of `code`; for one that is not in the registry an Architecture without processors."""
    return ARCHITECTURES.get(code) or Architecture(code, f"unknown ({code})", Firmware.OTHER)


def loader_key(architecture: Architecture) -> str:
    """The kind of firmware as `[loaders]` and the rules of collections name it (`bios`, `uefi-amd64`); empty if there
    is no boot loader for it."""
    if architecture.firmware is Firmware.BIOS:
        return "bios"
    if architecture.firmware is Firmware.UEFI and architecture.cpus:
        return f"uefi-{architecture.cpus[0]}"
    return ""


LOADER_KEYS = {code: key for code, known in ARCHITECTURES.items() if (key := loader_key(known))}
"""By code, of what there are boot loaders for."""
