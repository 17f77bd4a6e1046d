"""Facts: what one packet tells of its sender, derived once, before anything is decided."""

from __future__ import annotations

import uuid
from enum import StrEnum
from ipaddress import IPv4Address
from typing import NamedTuple

from pxed.wire.architecture import Architecture


class Client(StrEnum):
    """What kind of program speaks."""

    PXE = "PXEClient"
    HTTP = "HTTPClient"
    IPXE = "iPXE"
    OTHER = "other"
    """an ordinary DHCP client, which a service point has no reason to answer"""


class Stage(StrEnum):
    """Where in its boot the client is."""

    FIRMWARE = "firmware"
    """the firmware's own DISCOVER: a boot begins"""
    REQUEST = "request"
    """the firmware's request to port 4011"""
    LOADER = "loader"
    """iPXE's DISCOVER or request; where iPXE is the network card's ROM, the first packet of the boot"""
    SCRIPT = "script"
    """the boot loader asks for its script"""


class Facts(NamedTuple):
    """One client at one moment of its boot."""

    mac: str
    """canonical, as `site.identifiers` prints it"""
    guid: uuid.UUID | None
    """option 97 read in SMBIOS byte order; None if absent"""
    architecture: Architecture
    client: Client
    stage: Stage
    interface: str
    """name of the interface on which it was heard"""
    relay: IPv4Address | None = None
    """giaddr, if a relay agent forwarded the packet"""
    https: bool = False
    """the boot loader said that it speaks HTTPS"""
    asks_again: bool = False
    """its `secs` is not zero: firmware whose first packet got no answer that suited it (iPXE keeps flags there)"""
    waited: float = float("inf")
    """seconds since the first packet of this boot, by our own clock; infinite where a delay makes no sense"""

    @property
    def guids(self) -> tuple[uuid.UUID, ...]:
        """The GUID for looking it up; empty if there is none."""
        return (self.guid,) if self.guid is not None else ()
