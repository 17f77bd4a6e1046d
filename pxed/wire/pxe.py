"""PXE over DHCP: options 60, 93, 94 and 97 of a client (RFC 4578), and option 43 (PXE specification 2.1).

What a client says of itself is read leniently: an option that is absent or of an odd shape gives None, since firmware
with such faults still has to boot. Option 43 is either well formed or a WireError.
"""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum
from functools import lru_cache
from ipaddress import IPv4Address

from pxed.errors import WireError
from pxed.wire.dhcp import Option
from pxed.wire.options import Options, decode_options, encapsulate

SERVER_PORT = 4011
"""UDP; where a boot server answers (PXE 2.1 section 2.2)"""


class ClassIdentifier(StrEnum):
    """How option 60 of a client that boots from the network begins, and all of option 60 in the answer."""

    PXE_CLIENT = "PXEClient"
    HTTP_CLIENT = "HTTPClient"


@dataclass(frozen=True, slots=True)
class VendorClass:
    """Option 60, such as `PXEClient:Arch:00007:UNDI:003016`."""

    identifier: ClassIdentifier
    architecture: int | None = None
    """16 bits, as in option 93"""
    undi: tuple[int, int] | None = None
    """major and minor version of the network interface's driver"""

    def encode(self) -> bytes:
        """The value of option 60."""
        text = str(self.identifier)
        if self.architecture is not None:
            text += f":Arch:{self.architecture:05}"
            if self.undi is not None:
                text += f":UNDI:{self.undi[0]:03}{self.undi[1]:03}"
        return text.encode("ascii")


# The four letters before the version name the interface: UNDI nearly always, the firmware's choice in EDK2
# (PxeBcBuildDhcp4Options copies them from its network interface identifier).
_VENDOR_CLASS = re.compile(rb"(PXEClient|HTTPClient)(?::Arch:(\d{5})(?::.{4}:(\d{3})(\d{3}))?)?", re.DOTALL)


def vendor_class(options: Options) -> VendorClass | None:
    """What option 60 says; None if the client is not one that boots from the network.

    EDK2 and iPXE compare the first 9 or 10 octets only, so whatever follows does not change the kind of client.
    """
    return _read_vendor_class(options.get(Option.VENDOR_CLASS_IDENTIFIER, b""))


@lru_cache(maxsize=256)
def _read_vendor_class(value: bytes) -> VendorClass | None:
    """All machines of a model send the same."""
    match = _VENDOR_CLASS.match(value)
    if not match:
        return None
    identifier, architecture, major, minor = match.groups()
    return VendorClass(
        ClassIdentifier.PXE_CLIENT if identifier == b"PXEClient" else ClassIdentifier.HTTP_CLIENT,
        int(architecture) if architecture and int(architecture) <= 0xFFFF else None,
        (int(major), int(minor)) if major else None,
    )


def architecture_codes(options: Options) -> tuple[int, ...]:
    """Option 93, 16-bit codes (RFC 4578 section 2.1), the client's own first; half a code at the end is left out."""
    value = options.get(Option.CLIENT_SYSTEM_ARCHITECTURE, b"")
    return tuple([int.from_bytes(value[at : at + 2]) for at in range(0, len(value) & ~1, 2)])


def architecture_code(options: Options) -> int | None:
    """The client's architecture by option 93, which counts if both are there, or by the text of option 60."""
    codes = architecture_codes(options)
    if codes:
        return codes[0]
    named = vendor_class(options)
    return named.architecture if named else None


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """Option 94 (RFC 4578 section 2.2)."""

    type: int
    """1 for UNDI"""
    major: int
    minor: int


def network_interface(options: Options) -> NetworkInterface | None:
    """What option 94 says."""
    value = options.get(Option.CLIENT_NETWORK_INTERFACE, b"")
    return NetworkInterface(*value) if len(value) == 3 else None


def client_guid(options: Options) -> uuid.UUID | None:
    """Option 97 (RFC 4578 section 2.3) read in SMBIOS byte order: the first three fields are little-endian.

    The RFC leaves the order open; EDK2 sends the raw SMBIOS octets (NetLibGetSystemGuid), and iPXE turns its own text
    into the same (uuid_mangle in dhcp_create_request). Other shapes than type 0 with 16 octets are no GUID.
    """
    value = options.get(Option.CLIENT_MACHINE_IDENTIFIER, b"")
    return uuid.UUID(bytes_le=value[1:]) if len(value) == 17 and value[0] == 0 else None


def encode_client_guid(guid: uuid.UUID) -> bytes:
    """The value of option 97; the reverse of `client_guid`."""
    return b"\0" + guid.bytes_le


class Tag(IntEnum):
    """Sub-options of option 43 that pxed reads and writes."""

    DISCOVERY_CONTROL = 6
    BOOT_SERVERS = 8
    BOOT_MENU = 9
    MENU_PROMPT = 10
    BOOT_ITEM = 71


class DiscoveryControl(IntFlag):
    """Sub-option 6."""

    NO_BROADCAST = 1
    NO_MULTICAST = 2
    SERVERS_ONLY = 4
    """ask and accept only the servers of sub-option 8"""
    BOOT_FILE = 8
    """boot the file that this packet names, without menu or discovery; fatal in EDK2 if the packet names none"""


@dataclass(frozen=True, slots=True)
class BootServer:
    """An entry of sub-option 8: where boot servers of one type are."""

    type: int
    """16 bits"""
    addresses: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True)
class MenuItem:
    """An entry of sub-option 9."""

    type: int
    """16 bits; 0 is a boot from the next device"""
    description: bytes
    """at most 255 octets; EDK2 shows 70"""


@dataclass(frozen=True, slots=True)
class MenuPrompt:
    """Sub-option 10."""

    timeout: int
    """seconds; 0 takes the first item at once, 255 shows the menu at once"""
    text: bytes


@dataclass(frozen=True, slots=True)
class BootItem:
    """Sub-option 71: what a client that chose from the menu asks for; echo it."""

    type: int
    """16 bits"""
    layer: int
    """16 bits; bit 15 asks for credentials"""


_ITEM = struct.Struct("!HB")
_BOOT_ITEM = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class VendorOptions:
    """Option 43 of a PXE client or server; sub-options that are not listed are not kept."""

    control: DiscoveryControl | None = None
    servers: tuple[BootServer, ...] = ()
    menu: tuple[MenuItem, ...] = ()
    """EDK2 shows 24; without any, EDK2 gives up the boot unless BOOT_FILE is set and a file named (PxeBcBoot.c)"""
    prompt: MenuPrompt | None = None
    item: BootItem | None = None

    def encode(self) -> bytes:
        """The value of option 43; ValueError if it takes more than 255 octets."""
        options: dict[int, bytes] = {}
        if self.control is not None:
            options[Tag.DISCOVERY_CONTROL] = bytes((self.control,))
        if self.servers:
            options[Tag.BOOT_SERVERS] = b"".join(
                _ITEM.pack(server.type, len(server.addresses)) + b"".join(one.packed for one in server.addresses)
                for server in self.servers
            )
        if self.menu:
            options[Tag.BOOT_MENU] = b"".join(
                _ITEM.pack(item.type, len(item.description)) + item.description for item in self.menu
            )
        if self.prompt is not None:
            options[Tag.MENU_PROMPT] = bytes((self.prompt.timeout,)) + self.prompt.text
        if self.item is not None:
            options[Tag.BOOT_ITEM] = _BOOT_ITEM.pack(self.item.type, self.item.layer)
        return encapsulate(options)

    @classmethod
    def decode(cls, value: bytes) -> VendorOptions:
        """What `value` says; WireError if it, or a sub-option that is listed here, is not well formed."""
        options = decode_options(value)
        control = _sub_option(options, Tag.DISCOVERY_CONTROL, 1, 1)
        prompt = _sub_option(options, Tag.MENU_PROMPT, 1)
        item = _sub_option(options, Tag.BOOT_ITEM, 4, 4)
        return cls(
            DiscoveryControl(control[0]) if control else None,
            tuple(
                BootServer(kind, tuple(IPv4Address(body[at : at + 4]) for at in range(0, len(body), 4)))
                for kind, body in _entries(options.get(Tag.BOOT_SERVERS, b""), Tag.BOOT_SERVERS, 4)
            ),
            tuple(MenuItem(kind, body) for kind, body in _entries(options.get(Tag.BOOT_MENU, b""), Tag.BOOT_MENU, 1)),
            MenuPrompt(prompt[0], prompt[1:]) if prompt else None,
            BootItem(*_BOOT_ITEM.unpack(item)) if item else None,
        )


def _sub_option(options: Options, tag: Tag, shortest: int, longest: int = 255) -> bytes | None:
    value = options.get(tag)
    if value is not None and not shortest <= len(value) <= longest:
        raise WireError(f"option 43, sub-option {tag} has {len(value)} octets")
    return value


def _entries(value: bytes, tag: Tag, unit: int) -> Iterator[tuple[int, bytes]]:
    """The entries of a list of (type, count, count * `unit` octets)."""
    at = 0
    while at < len(value):
        body_at = at + _ITEM.size
        if body_at > len(value):
            raise WireError(f"option 43, sub-option {tag} stops inside an entry")
        kind, count = _ITEM.unpack_from(value, at)
        at = body_at + count * unit
        if at > len(value):
            raise WireError(f"option 43, sub-option {tag} stops inside an entry")
        yield kind, value[body_at:at]
