"""Where a datagram was heard."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from pxed.interfaces import Interface


@dataclass(frozen=True, slots=True)
class Place:
    """Where a datagram was heard, and so where its answer comes from."""

    interface: Interface
    port: int
    address: IPv4Address
    """ours, which the client can reach"""
