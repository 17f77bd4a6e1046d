"""From datagrams to facts: what kind of packet it is, once for all that are alike, and who sent it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from pxed.datagrams import Address
from pxed.errors import WireError
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.verdict import Verdict
from pxed.ports import BOOT_SERVER, DHCP_CLIENT, DHCP_SERVER
from pxed.responder.place import Place
from pxed.site.identifiers import format_mac
from pxed.wire.architecture import architecture
from pxed.wire.dhcp import BOOTREQUEST, MessageType, Option, Packet, decode
from pxed.wire.ipxe import Build, Feature, is_ipxe
from pxed.wire.layout import Common, Layout, Own, asks_again
from pxed.wire.pxe import architecture_code, client_guid, vendor_class

_ETHERNET_BYTES = 6
_NO_ADDRESS = bytes(_ETHERNET_BYTES)
_BROADCAST = IPv4Address("255.255.255.255")
_UNSPECIFIED = IPv4Address(0)
_TYPES = {
    DHCP_SERVER: {MessageType.DISCOVER},
    BOOT_SERVER: {MessageType.REQUEST, MessageType.INFORM},
}
_MOST_FORMS = 1024
_MOST_LAYOUTS = 4
"""Forms kept for one place, and layouts for one length of packet. A network has some dozens; a stranger who invents
others makes everybody's be read again, and no more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to all packets of a form that get the same verdict, but for what is each client's own."""

    layout: Layout
    common: Common
    counted_as: str


@dataclass(frozen=True, slots=True)
class Form:
    """What packets heard at one place have in common, and everything that follows from that."""

    facts: Facts | None
    """of the first that was heard; None if it has no Ethernet address"""
    unfit: str
    """why none of them is answered; empty if they may be"""
    destination: Address | None
    """where replies go; None for back to the sender"""
    replies: dict[type[Verdict], Reply] = field(default_factory=dict)
    """prepared, as verdicts call for them"""


def form_of(packet: Packet, place: Place) -> Form:
    """What `packet` is, heard at `place`."""
    return Form(facts_of(packet, place), _unfit(packet, place), _destination(packet, place))


def facts_of(packet: Packet, place: Place) -> Facts | None:
    """What `packet` tells of its sender; None if it has no Ethernet address."""
    if packet.hlen != _ETHERNET_BYTES or not any(packet.link_address):
        return None
    client = _client(packet)
    first_stage = Stage.REQUEST if place.port == BOOT_SERVER else Stage.FIRMWARE
    return Facts(
        mac=format_mac(packet.link_address),
        guid=client_guid(packet.options),
        architecture=architecture(architecture_code(packet.options) or 0),
        client=client,
        stage=Stage.LOADER if client is Client.IPXE else first_stage,
        interface=place.interface.name,
        relay=packet.giaddr if packet.giaddr != _UNSPECIFIED else None,
        https=client is Client.IPXE and _speaks_https(packet),
        asks_again=packet.secs != 0,
    )


class Hearing:
    """Understands the packets that come to one place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._layouts: dict[int, list[tuple[Layout, dict[tuple[Common, bool], Form]]]] = {}
        """by length of packet; forms by what is common and whether the client asks again"""
        self._forms = 0

    def hear(self, data: bytes) -> tuple[Form, Own]:
        """What the packet in `data` is, and what it says of its sender alone; WireError if it is no packet."""
        for layout, forms in self._layouts.get(len(data), ()):
            common, own = layout.split(data)
            form = forms.get((common, asks_again(data)))
            if form is not None and own.mac != _NO_ADDRESS:
                return form, own
        packet = decode(data)
        form = form_of(packet, self._place)
        if form.facts is not None:
            self._keep(form, data)
        return form, Own.of(packet)

    def _keep(self, form: Form, data: bytes) -> None:
        """For those that will be like `data`."""
        layout = Layout.of(data)
        if layout is None:
            return
        if self._forms >= _MOST_FORMS:
            self._layouts.clear()
            self._forms = 0
        self._forms += 1
        known = self._layouts.setdefault(len(data), [])
        forms = next((forms for one, forms in known if one == layout), None)
        if forms is None:
            forms = {}
            known.insert(0, (layout, forms))
            del known[_MOST_LAYOUTS:]
        forms[layout.split(data)[0], asks_again(data)] = form


def facts_about(own: Own, form: Facts, waited: float) -> Facts:
    """The facts of a packet like the one that told `form`, from another client."""
    guid = uuid.UUID(bytes_le=own.guid) if own.guid else None
    kind = form.architecture, form.client, form.stage, form.interface, form.relay, form.https, form.asks_again
    return Facts(format_mac(own.mac), guid, *kind, waited)


def _unfit(packet: Packet, place: Place) -> str:
    """Why a well-formed packet is none that a service point answers; empty if it is one."""
    if packet.op != BOOTREQUEST:
        return "a reply"
    if packet.message_type not in _TYPES[place.port]:
        return "another message type"
    if packet.giaddr in {_BROADCAST, place.address}:
        return "not a relay to answer"
    return ""


def _destination(packet: Packet, place: Place) -> Address | None:
    """Where the reply goes (RFC 2131 section 4.1, for a reply that carries no address).

    On 4011 to the address and port that asked: EDK2 asks from 4011, iPXE from 68. On 67 to the relay agent or to all.
    """
    if place.port == BOOT_SERVER:
        return None
    if packet.giaddr != _UNSPECIFIED:
        return str(packet.giaddr), DHCP_SERVER
    return str(_BROADCAST), DHCP_CLIENT


def _client(packet: Packet) -> Client:
    """iPXE may call itself anything in option 77, and a garbled option 175 is no reason to take it for firmware."""
    try:
        if is_ipxe(packet.options):
            return Client.IPXE
    except WireError:
        return Client.IPXE
    named = vendor_class(packet.options)
    return Client(named.identifier) if named else Client.OTHER


def _speaks_https(packet: Packet) -> bool:
    try:
        return Feature.HTTPS in Build.decode(packet.options.get(Option.ETHERBOOT, b"")).features
    except WireError:
        return False
