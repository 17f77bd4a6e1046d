"""The magic packet that switches a computer on (AMD, Magic Packet Technology white paper, publication 20213)."""

from __future__ import annotations

DISCARD_PORT = 9
"""UDP. A network card looks for the packet's content only; this is the port on which nobody else minds it (RFC 863)."""


def magic_packet(mac: str) -> bytes:
    """Six bytes ff and the MAC address sixteen times, 102 bytes. ValueError if `mac` is none in our notation."""
    address = bytes.fromhex(mac.replace(":", ""))
    if len(address) != 6:
        raise ValueError(f"{mac!r} is not a MAC address")
    return b"\xff" * 6 + address * 16
