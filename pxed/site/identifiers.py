"""How computers are told apart: MAC addresses and SMBIOS GUIDs, read from any common notation, printed in one."""

from __future__ import annotations

import re
import uuid

_MAC_FORMS = re.compile(
    r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"  # 52:54:00:12:34:56
    r"|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}"  # 52-54-00-12-34-56
    r"|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}"  # 5254.0012.3456
    r"|[0-9a-f]{6}[-:][0-9a-f]{6}"  # 525400-123456
    r"|[0-9a-f]{12}"
)


def parse_mac(text: str) -> str:
    """The MAC address in `text` as lower-case hexadecimal pairs with colons; ValueError says what is wrong.

    Taken: pairs with colons or dashes, three groups of four with dots, two groups of six, twelve digits. The all-zero
    and the broadcast address are no computer's and are refused.
    """
    lowered = text.strip().lower()
    if not _MAC_FORMS.fullmatch(lowered):
        raise ValueError(f"{text.strip()!r} is not a MAC address such as 52:54:00:12:34:56")
    mac = format_mac(bytes.fromhex(re.sub(r"[^0-9a-f]", "", lowered)))
    if mac in {"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"}:
        raise ValueError(f"{text.strip()!r} is no computer's MAC address")
    return mac


def format_mac(address: bytes) -> str:
    """A link address of any length as lower-case pairs with colons: b'RT\\0\\x124V' -> '52:54:00:12:34:56'."""
    return address.hex(":")


def mac_octets(mac: str) -> bytes:
    """The reverse of `format_mac`."""
    return bytes.fromhex(mac.replace(":", ""))


def parse_guid(text: str) -> uuid.UUID:
    """The SMBIOS GUID in `text`: 32 hexadecimal digits, with or without dashes and braces; ValueError otherwise."""
    bare = text.strip().strip("{}")
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", bare):
        raise ValueError(f"{text.strip()!r} is not a GUID such as 4c4c4544-0044-4a10-8039-b4c04f333232")
    return uuid.UUID(bare)


def swap_guid(guid: uuid.UUID) -> uuid.UUID:
    """`guid` with its first three fields in the other byte order.

    Firmware and management tools disagree on the order (SMBIOS 2.6, DSP0134 7.2.1, against raw dumps), so a GUID of
    the site matches in both.
    """
    return uuid.UUID(bytes=guid.bytes_le)
