"""From a DHCP packet to facts."""

from __future__ import annotations

from ipaddress import IPv4Address

from pxed.errors import WireError
from pxed.policy.facts import Client, Facts, Stage
from pxed.responder.boots import Boots
from pxed.site.identifiers import format_mac
from pxed.wire.architecture import architecture
from pxed.wire.dhcp import Option, Packet
from pxed.wire.ipxe import Build, Feature, is_ipxe
from pxed.wire.pxe import architecture_code, client_guid, vendor_class

_ETHERNET_BYTES = 6
_UNSPECIFIED = IPv4Address(0)


def facts_of(packet: Packet, interface: str, *, at_4011: bool, boots: Boots) -> Facts | None:
    """What `packet`, heard on `interface`, tells of its sender; None if it has no Ethernet address."""
    if packet.hlen != _ETHERNET_BYTES or not any(packet.link_address):
        return None
    client = _client(packet)
    first_stage = Stage.REQUEST if at_4011 else Stage.FIRMWARE
    mac = format_mac(packet.link_address)
    return Facts(
        mac=mac,
        guid=client_guid(packet.options),
        architecture=architecture(architecture_code(packet.options) or 0),
        client=client,
        stage=Stage.LOADER if client is Client.IPXE else first_stage,
        interface=interface,
        relay=packet.giaddr if packet.giaddr != _UNSPECIFIED else None,
        https=client is Client.IPXE and _speaks_https(packet),
        waited=float("inf") if at_4011 or client is Client.OTHER else boots.waited(mac),
    )


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
