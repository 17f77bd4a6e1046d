"""What a verdict looks like on ports 67 and 4011: the shape of the reply, chosen by firmware from a table.

A shape is data with its reason. The first that fits client, firmware, verdict, moment and settings is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from ipaddress import IPv4Address
from typing import NamedTuple

from pxed.config import Responder
from pxed.errors import WireError
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.verdict import Abort, Boot, Ignore, Verdict, Wait
from pxed.wire.architecture import Firmware
from pxed.wire.dhcp import BOOTREPLY, BROADCAST_FLAG, MessageType, Option, Packet
from pxed.wire.ipxe import Settings
from pxed.wire.pxe import BootServer, DiscoveryControl, MenuItem, MenuPrompt, VendorOptions

_UNSPECIFIED = IPv4Address(0)
_HEADER_NAME_BYTES = 127
"""What the header field `file` holds besides its NUL; a longer name goes into option 67 alone."""

_GUID_BYTES = 17
"""Option 97 (RFC 4578 section 2.3); something longer is none, and could take the room of all else"""


class BootFile(Enum):
    """Which name the reply carries."""

    NONE = auto()
    LOADER = auto()
    """the boot loader's file name, for TFTP"""
    LOADER_URL = auto()
    """the boot loader's URL"""
    SCRIPT = auto()
    """the URL of this computer's boot script"""


@dataclass(frozen=True, slots=True)
class Shape:
    """One form of reply."""

    name: str
    clients: frozenset[Client]
    firmware: frozenset[Firmware]
    verdicts: tuple[type[Verdict], ...]
    boot_file: BootFile
    vendor_information: VendorOptions | None
    """option 43; the boot server of its menu is ours"""
    settings: Settings | None
    """what iPXE is told in option 175, besides which authority it shall trust"""
    reason: str
    first_only: bool = False
    """only for the first packet of a boot, and only where the settings want it"""


class Terms(NamedTuple):
    """What of ours stands in a reply."""

    server: IPv4Address
    """our address that the client can reach"""
    http_port: int
    loader: str
    """file name of the boot loader for this client's architecture; empty if there is none"""
    ticket: Callable[[], str]
    """seals this computer's ticket, if the reply needs it"""
    trust: bytes = b""
    """SHA-256 fingerprint of the authority that vouches for our HTTPS, 32 octets; empty if there is none"""

    @property
    def loader_url(self) -> str:
        """The boot loader as a URL."""
        return f"http://{self.server}:{self.http_port}/{self.loader}"

    @property
    def script_url(self) -> str:
        """URL of this computer's boot script."""
        return f"http://{self.server}:{self.http_port}/boot/{self.ticket()}/boot.ipxe"


_LOCAL_BOOT = 0
"""the boot server type that means the next boot device (PXE 2.1 section 2.4)"""
_NETWORK_BOOT = 0x8000
"""a boot server type for vendors' use (PXE 2.1 section 2.4): this service point"""
_ANY_FIRMWARE = frozenset(Firmware)
_ALL_PXE = frozenset({Client.PXE})

SHAPES: tuple[Shape, ...] = (
    Shape(
        "ipxe-script",
        frozenset({Client.IPXE}),
        _ANY_FIRMWARE,
        (Boot, Wait, Abort),
        BootFile.SCRIPT,
        None,
        Settings(priority=1),
        "iPXE gets its script and never a boot loader again; priority 1 makes our file name win over one that the DHCP "
        "server hands to everybody (iPXE core/settings.c: at equal priority the DHCP block comes first)",
    ),
    Shape(
        "http-loader",
        frozenset({Client.HTTP}),
        _ANY_FIRMWARE,
        (Boot, Wait, Abort),
        BootFile.LOADER_URL,
        None,
        None,
        "UEFI HTTP boot takes a URL whose host is an address and knows neither option 43 nor port 4011 "
        "(EDK2 HttpBootDhcp4.c); with nothing to do the loader's script says so",
    ),
    Shape(
        "local-boot-menu",
        _ALL_PXE,
        _ANY_FIRMWARE,
        (Abort,),
        BootFile.NONE,
        VendorOptions(
            control=DiscoveryControl.NO_BROADCAST | DiscoveryControl.NO_MULTICAST,
            menu=(MenuItem(_LOCAL_BOOT, b"Local boot"),),
            prompt=MenuPrompt(0, b"Local boot"),
        ),
        None,
        "a menu whose first item is local boot, chosen at once: the firmware goes on to the next boot device without "
        "loading anything (PXE 2.1 section 3.1; EDK2 PxeBcBoot.c PxeBcDiscoverBootFile: type 0 aborts)",
    ),
    Shape(
        "boot-from-offer",
        _ALL_PXE,
        frozenset({Firmware.BIOS}),
        (Boot, Wait),
        BootFile.LOADER,
        VendorOptions(control=DiscoveryControl.BOOT_FILE),
        None,
        "BIOS ROMs boot straight from an offer with option 43.6 bit 3 and a file name (PXE 2.1 table 2-1)",
    ),
    Shape(
        "boot-from-first-offer",
        _ALL_PXE,
        frozenset({Firmware.UEFI}),
        (Boot, Wait),
        BootFile.LOADER,
        VendorOptions(
            control=DiscoveryControl.NO_BROADCAST | DiscoveryControl.NO_MULTICAST | DiscoveryControl.BOOT_FILE,
            menu=(MenuItem(_NETWORK_BOOT, b"Network boot"),),
            prompt=MenuPrompt(0, b"Network boot"),
        ),
        None,
        "asking port 4011 costs EDK2 a second, since it collects replies until its time is up (Dhcp4Impl.c, "
        "PxeDhcpInput); with bit 3 it takes the file of the offer. Builds of before May 2013 do not know the bit: they "
        "take the first item of the menu and ask its boot server, port 4011. EDK2 prefers this form to one without "
        "option 43, so it is left out where a delay is to let another server win, and by responder.uefi_offer",
        first_only=True,
    ),
    Shape(
        "boot-server",
        _ALL_PXE,
        _ANY_FIRMWARE,
        (Boot, Wait),
        BootFile.LOADER,
        None,
        None,
        "without option 43 EDK2 asks port 4011 and takes the file name from that reply (PxeBcDhcp4.c, ProxyBinl); some "
        "firmware is said to ignore offers with bit 3, and all that is known accepts this form",
    ),
)


def shape_for(facts: Facts, verdict: Verdict, settings: Responder) -> Shape | None:
    """The shape of the reply to `facts`; None for silence. It asks for what is common to all packets of a form
    (responder/hearing.py), for the kind of verdict and for settings alone: replies are prepared by these."""
    if isinstance(verdict, Ignore):
        return None
    return next(
        (
            shape
            for shape in SHAPES
            if facts.client in shape.clients
            and facts.architecture.firmware in shape.firmware
            and isinstance(verdict, shape.verdicts)
            and (not shape.first_only or _comes_first(shape, facts, settings))
        ),
        None,
    )


def _comes_first(shape: Shape, facts: Facts, settings: Responder) -> bool:
    """Whether it is the first packet of a boot, and `shape` is what those are to get. Firmware that does not take it is
    given the other one when it asks again."""
    is_first = facts.stage is Stage.FIRMWARE and not facts.asks_again
    return is_first and shape.name == settings.uefi_offer and not settings.delay_seconds


def needs_loader(shape: Shape) -> bool:
    """True if the reply names a boot loader, which then has to exist."""
    return shape.boot_file in {BootFile.LOADER, BootFile.LOADER_URL}


def needs_ticket(shape: Shape) -> bool:
    """True if the reply carries a ticket, so that it is for one client at one time."""
    return shape.boot_file is BootFile.SCRIPT


def reply(request: Packet, shape: Shape, terms: Terms, *, at_4011: bool) -> Packet:
    """The OFFER (port 67) or ACK (port 4011) to `request`: never an address, always server, class and GUID.

    An OFFER answers a DISCOVER with ciaddr cleared, since some clients set it wrongly, and with the broadcast flag
    unless a relay agent delivers it, since a client without an address can hear nothing else (RFC 2131 section 4.1).
    """
    name = _boot_file(shape, terms)
    relayed = request.giaddr != _UNSPECIFIED
    return Packet(
        BOOTREPLY,
        htype=request.htype,
        hlen=request.hlen,
        xid=request.xid,
        flags=request.flags if relayed or at_4011 else request.flags | BROADCAST_FLAG,
        ciaddr=request.ciaddr if at_4011 else _UNSPECIFIED,
        siaddr=terms.server,
        giaddr=request.giaddr,
        chaddr=request.chaddr,
        file=name if len(name) <= _HEADER_NAME_BYTES else b"",
        options=_options(request, shape, terms, name, MessageType.ACK if at_4011 else MessageType.OFFER),
    )


def _boot_file(shape: Shape, terms: Terms) -> bytes:
    match shape.boot_file:
        case BootFile.LOADER:
            return terms.loader.encode("ascii")
        case BootFile.LOADER_URL:
            return terms.loader_url.encode("ascii")
        case BootFile.SCRIPT:
            return terms.script_url.encode("ascii")
        case BootFile.NONE:
            return b""


def _options(request: Packet, shape: Shape, terms: Terms, name: bytes, message_type: MessageType) -> dict[int, bytes]:
    """In an order that suits all: option 67 ends with a NUL and is followed by another option (EDK2 writes a NUL behind
    a value that has none, PxeBcDhcp4.c; older ROMs read the end mark along)."""
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((message_type,)),
        Option.SERVER_IDENTIFIER: terms.server.packed,
    }
    if name:
        options[Option.BOOTFILE_NAME] = name + b"\0"
    http = Client.HTTP in shape.clients
    options[Option.VENDOR_CLASS_IDENTIFIER] = (Client.HTTP if http else Client.PXE).value.encode("ascii")
    guid = request.options.get(Option.CLIENT_MACHINE_IDENTIFIER)
    if guid is not None and len(guid) <= _GUID_BYTES:
        options[Option.CLIENT_MACHINE_IDENTIFIER] = guid
    vendor_information = _vendor_information(request, shape, terms)
    if vendor_information is not None:
        options[Option.VENDOR_SPECIFIC_INFORMATION] = vendor_information.encode()
    settings = _settings(shape, terms)
    if settings is not None:
        options[Option.ETHERBOOT] = settings.encode()
    relay = request.options.get(Option.RELAY_AGENT_INFORMATION)
    if relay is not None:
        options[Option.RELAY_AGENT_INFORMATION] = relay
    return options


def _settings(shape: Shape, terms: Terms) -> Settings | None:
    """Option 175 of the reply. Firmware that is sent a boot loader takes it for the loader: iPXE reads the authority to
    trust once, when it starts, from the firmware's packets (src/crypto/rootcert.c, interface/efi/efi_cachedhcp.c)."""
    if terms.trust and shape.boot_file is BootFile.LOADER:
        return Settings(trust=(terms.trust,))
    return shape.settings


def _vendor_information(request: Packet, shape: Shape, terms: Terms) -> VendorOptions | None:
    """Option 43 of the reply: the shape's, or the boot item that a Boot Server Discover asked for, returned unchanged
    (PXE 2.1 section 2.2.3; iPXE pxebs compares it)."""
    if shape.vendor_information is not None:
        ours = tuple(item.type for item in shape.vendor_information.menu if item.type != _LOCAL_BOOT)
        return replace(shape.vendor_information, servers=tuple(BootServer(one, (terms.server,)) for one in ours))
    try:
        item = VendorOptions.decode(request.options.get(Option.VENDOR_SPECIFIC_INFORMATION, b"")).item
    except WireError:
        return None
    return VendorOptions(item=item) if item is not None else None
