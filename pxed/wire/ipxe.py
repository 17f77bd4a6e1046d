"""What iPXE adds to DHCP: its user class (option 77) and its encapsulated options (option 175).

Source: include/ipxe/dhcp.h, include/ipxe/features.h and net/udp/dhcp.c of iPXE.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from pxed.wire.dhcp import Option
from pxed.wire.options import Options, decode_options, encapsulate

FINGERPRINT_BYTES = 32
"""octets of a SHA-256 fingerprint in `Settings.trust`"""


class Tag(IntEnum):
    """Encapsulated options that pxed reads or writes; 0x10 to 0x4f are features."""

    PRIORITY = 0x01
    KEEP_SAN = 0x08
    SCRIPTLET = 0x51
    TRUST = 0x5A
    CROSSCERT = 0x5D
    NO_PXEDHCP = 0xB0
    BUS_ID = 0xB1
    VERSION = 0xEB


class Feature(IntEnum):
    """What a build can do."""

    PXE_EXT = 0x10
    ISCSI = 0x11
    AOE = 0x12
    HTTP = 0x13
    HTTPS = 0x14
    TFTP = 0x15
    FTP = 0x16
    DNS = 0x17
    BZIMAGE = 0x18
    MULTIBOOT = 0x19
    SLAM = 0x1A
    SRP = 0x1B
    NBI = 0x20
    PXE = 0x21
    ELF = 0x22
    COMBOOT = 0x23
    EFI = 0x24
    FCOE = 0x25
    VLAN = 0x26
    MENU = 0x27
    SDI = 0x28
    NFS = 0x29


_FEATURES = range(0x10, 0x50)


def user_classes(value: bytes) -> tuple[bytes, ...]:
    """The classes in option 77: counted as RFC 3004 section 4 has them, or else the whole value as the only one.

    iPXE sends its four letters bare (dhcp_request_options_data); relays and other clients use the counted form.
    """
    classes = []
    at = 0
    while at < len(value):
        end = at + 1 + value[at]
        if value[at] == 0 or end > len(value):
            return (value,)
        classes.append(value[at + 1 : end])
        at = end
    return tuple(classes)


def is_ipxe(options: Options) -> bool:
    """The packet is iPXE's own: never answer it with iPXE again.

    The user class is a setting that a script can change (`set user-class`); the version in option 175 is not. gPXE,
    its ancestor in some old ROMs, sends that version too, runs no iPXE script, and can load iPXE: it is firmware.
    WireError if option 175 has to be looked into and is not well formed.
    """
    classes = user_classes(options.get(Option.USER_CLASS, b""))
    if b"iPXE" in classes:
        return True
    if b"gPXE" in classes or Option.ETHERBOOT not in options:
        return False
    return Tag.VERSION in decode_options(options[Option.ETHERBOOT])


@dataclass(frozen=True, slots=True)
class Build:
    """What iPXE says of itself in option 175 of its requests."""

    features: frozenset[int] = frozenset()
    """members of `Feature`, and numbers of later ones"""
    version: tuple[int, ...] = ()
    """major, minor, patch; empty if not sent"""
    bus_id: bytes = b""
    """of the network card: bus type, then for PCI and its kin (type 1) vendor and device, 16 bits each"""

    @classmethod
    def decode(cls, value: bytes) -> Build:
        """What the value of option 175 says; WireError if it is not a row of options."""
        options = decode_options(value)
        return cls(
            # A feature's value is its version; a version of 0 or none at all would be a feature that is not there.
            frozenset(code for code, level in options.items() if code in _FEATURES and any(level)),
            tuple(options.get(Tag.VERSION, b"")),
            options.get(Tag.BUS_ID, b""),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server tells iPXE in option 175."""

    priority: int = 0
    """-128 to 127; of two offers iPXE takes the settings of the higher one, above the DHCP server's 0 if positive"""
    keep_san: bool = False
    scriptlet: str = ""
    """commands to run in place of the automatic boot"""
    trust: tuple[bytes, ...] = ()
    """SHA-256 fingerprints of root certificates, 32 octets each"""
    crosscert: str = ""
    """URL where cross-signed certificates are kept"""
    no_pxedhcp: bool = False
    """do not wait for a proxy; for the DHCP server's own offers"""

    def encode(self) -> bytes:
        """The value of option 175 without what is at its default; ValueError if it takes more than 255 octets."""
        if any(len(fingerprint) != FINGERPRINT_BYTES for fingerprint in self.trust):
            raise ValueError(f"a fingerprint in trust has {FINGERPRINT_BYTES} octets")
        values = {
            Tag.PRIORITY: self.priority.to_bytes(1, signed=True) if self.priority else b"",
            Tag.KEEP_SAN: b"\1" if self.keep_san else b"",
            Tag.SCRIPTLET: self.scriptlet.encode(),
            Tag.TRUST: b"".join(self.trust),
            Tag.CROSSCERT: self.crosscert.encode(),
            Tag.NO_PXEDHCP: b"\1" if self.no_pxedhcp else b"",
        }
        return encapsulate({tag: value for tag, value in values.items() if value})
