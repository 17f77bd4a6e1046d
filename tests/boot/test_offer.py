"""Offer shapes: which client gets which reply, octet by octet where firmware cares."""

from ipaddress import IPv4Address
from typing import Any, get_args, get_type_hints

import pytest

from pxed.boot.offer import SHAPES, Terms, needs_loader, reply, shape_for
from pxed.config import Responder
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.verdict import Abort, Boot, Finding, Ignore, Verdict, Wait
from pxed.wire.architecture import ARCHITECTURES, architecture
from pxed.wire.dhcp import BOOTREQUEST, MessageType, Option, Packet, decode
from pxed.wire.pxe import DiscoveryControl, VendorOptions

TRAIL = (Finding("x", "y"),)
BOOT, ABORT, IGNORE = Boot(TRAIL, None), Abort(TRAIL, None), Ignore(TRAIL, None)
USUAL = Responder()
TERMS = Terms(IPv4Address("192.0.2.1"), 8067, "snponly.efi", lambda: "t")
DISCOVER = {
    Option.DHCP_MESSAGE_TYPE: b"\x01",
    Option.CLIENT_MACHINE_IDENTIFIER: b"\0" + bytes(range(16)),
    Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient:Arch:00007:UNDI:003016",
}


def facts(client: Client, code: int, stage: Stage = Stage.FIRMWARE) -> Facts:
    return Facts("52:54:00:12:34:56", None, architecture(code), client, stage, "eth0")


def request(**fields: object) -> Packet:
    base: dict[str, object] = {"op": BOOTREQUEST, "xid": 7, "chaddr": b"RT\0\x12\x34\x56".ljust(16, b"\xaa")}
    return Packet(**{**base, "options": DISCOVER, **fields})  # type: ignore[arg-type]


def shaped(
    client: Client, code: int, verdict: Verdict, asked: Packet | None = None, *, at_4011: bool = False
) -> Packet:
    shape = shape_for(facts(client, code, Stage.REQUEST if at_4011 else Stage.FIRMWARE), verdict, USUAL)
    assert shape is not None
    return decode(reply(asked or request(), shape, TERMS, at_4011=at_4011).encode())


@pytest.mark.parametrize(
    ("client", "code", "verdict", "name"),
    [
        (Client.PXE, 0, BOOT, "boot-from-offer"),
        (Client.PXE, 7, BOOT, "boot-from-first-offer"),
        (Client.PXE, 9, BOOT, "boot-from-first-offer"),
        (Client.PXE, 11, BOOT, "boot-from-first-offer"),
        (Client.PXE, 22, BOOT, "boot-server"),
        (Client.PXE, 0, ABORT, "local-boot-menu"),
        (Client.PXE, 7, ABORT, "local-boot-menu"),
        (Client.IPXE, 0, BOOT, "ipxe-script"),
        (Client.IPXE, 7, ABORT, "ipxe-script"),
        (Client.HTTP, 16, BOOT, "http-loader"),
    ],
)
def test_the_shape_for_each_firmware(client: Client, code: int, verdict: Verdict, name: str) -> None:
    shape = shape_for(facts(client, code), verdict, USUAL)
    assert shape is not None
    assert shape.name == name
    assert shape.reason


def test_silence_has_no_shape() -> None:
    assert shape_for(facts(Client.PXE, 0), IGNORE, USUAL) is None
    assert shape_for(facts(Client.OTHER, 0), BOOT, USUAL) is None


def test_ipxe_never_gets_a_boot_loader_whatever_its_architecture() -> None:
    for code in ARCHITECTURES:
        for verdict in (BOOT, ABORT):
            shape = shape_for(facts(Client.IPXE, code), verdict, USUAL)
            assert shape is not None
            assert not needs_loader(shape)


def test_what_every_reply_holds() -> None:
    """Protocol 54 must be there (EDK2 drops the packet without), 97 is echoed, xid and chaddr come back whole."""
    for client, code, verdict in [(Client.PXE, 0, BOOT), (Client.PXE, 7, ABORT), (Client.IPXE, 7, BOOT)]:
        packet = shaped(client, code, verdict)
        assert packet.message_type is MessageType.OFFER
        assert packet.address(Option.SERVER_IDENTIFIER) == packet.siaddr == TERMS.server
        assert packet.options[Option.VENDOR_CLASS_IDENTIFIER] == b"PXEClient"
        assert packet.options[Option.CLIENT_MACHINE_IDENTIFIER] == DISCOVER[Option.CLIENT_MACHINE_IDENTIFIER]
        assert (packet.xid, packet.chaddr, packet.htype, packet.hlen) == (7, request().chaddr, 1, 6)
        assert int(packet.yiaddr) == 0
        assert packet.broadcast
        assert Option.BOOT_FILE_SIZE not in packet.options


def test_bios_boots_from_the_offer() -> None:
    packet = shaped(Client.PXE, 0, BOOT)
    assert packet.options[Option.VENDOR_SPECIFIC_INFORMATION] == b"\x06\x01\x08\xff"
    assert packet.file == b"snponly.efi"


def test_uefi_boots_from_the_first_offer_and_finds_our_port_4011_in_its_menu_if_it_does_not_know_how() -> None:
    packet = shaped(Client.PXE, 7, BOOT)
    assert packet.file == b"snponly.efi"
    options = VendorOptions.decode(packet.options[Option.VENDOR_SPECIFIC_INFORMATION])
    assert options.control is not None
    assert DiscoveryControl.BOOT_FILE in options.control
    [item], [server] = options.menu, options.servers
    assert item.type == server.type != 0
    assert server.addresses == (TERMS.server,)
    assert options.prompt is not None
    assert options.prompt.timeout == 0


@pytest.mark.parametrize(
    ("otherwise", "settings"),
    [
        ({"stage": Stage.REQUEST}, USUAL),
        ({"asks_again": True}, USUAL),
        ({}, Responder(delay_seconds=1.5)),
        ({}, Responder(uefi_offer="boot-server")),
    ],
    ids=["port 4011", "asks again", "others go first", "as set"],
)
def test_uefi_gets_no_option_43_later_or_where_the_settings_say_so(
    otherwise: dict[str, Any], settings: Responder
) -> None:
    shape = shape_for(facts(Client.PXE, 7)._replace(**otherwise), BOOT, settings)
    assert shape is not None
    packet = decode(reply(request(), shape, TERMS, at_4011=False).encode())
    assert packet.file == b"snponly.efi"
    assert Option.VENDOR_SPECIFIC_INFORMATION not in packet.options


def test_each_offer_that_can_be_set_is_the_shape_that_uefi_gets() -> None:
    for name in get_args(get_type_hints(Responder)["uefi_offer"]):
        shape = shape_for(facts(Client.PXE, 7), BOOT, Responder(uefi_offer=name))
        assert shape is not None
        assert shape.name == name


@pytest.mark.parametrize(
    ("client", "code", "verdict"),
    [(Client.PXE, 0, BOOT), (Client.PXE, 7, ABORT), (Client.IPXE, 7, BOOT), (Client.HTTP, 16, BOOT)],
)
def test_what_uefi_is_offered_first_changes_nothing_else(client: Client, code: int, verdict: Verdict) -> None:
    asked = facts(client, code)
    assert shape_for(asked, verdict, Responder(uefi_offer="boot-server")) is shape_for(asked, verdict, USUAL)


def test_option_67_ends_with_nul_and_is_not_last() -> None:
    for client, code in [(Client.PXE, 0), (Client.PXE, 7), (Client.IPXE, 7), (Client.HTTP, 16)]:
        without_guid = request(options={Option.DHCP_MESSAGE_TYPE: b"\x01"})
        for asked in (request(), without_guid):
            packet = shaped(client, code, BOOT, asked)
            codes = list(packet.options)
            assert packet.options[Option.BOOTFILE_NAME].endswith(b"\0")
            assert codes.index(Option.BOOTFILE_NAME) < len(codes) - 1


def test_nothing_to_do_is_a_menu_that_chooses_local_boot_at_once() -> None:
    packet = shaped(Client.PXE, 7, ABORT)
    options = VendorOptions.decode(packet.options[Option.VENDOR_SPECIFIC_INFORMATION])
    assert packet.file == b""
    assert Option.BOOTFILE_NAME not in packet.options
    assert [item.type for item in options.menu] == [0]
    assert options.prompt is not None
    assert options.prompt.timeout == 0
    assert options.control is not None
    assert not options.control & DiscoveryControl.BOOT_FILE


def test_ipxe_gets_its_script_with_priority() -> None:
    packet = shaped(Client.IPXE, 0, BOOT)
    assert packet.options[Option.ETHERBOOT] == b"\x01\x01\x01\xff"
    assert packet.file.decode() == "http://192.0.2.1:8067/boot/t/boot.ipxe"


def test_http_boot_gets_a_url_and_its_own_class() -> None:
    packet = shaped(Client.HTTP, 16, BOOT)
    assert packet.options[Option.VENDOR_CLASS_IDENTIFIER] == b"HTTPClient"
    assert packet.options[Option.BOOTFILE_NAME].rstrip(b"\0").decode() == "http://192.0.2.1:8067/snponly.efi"


def test_a_reply_from_4011_is_an_ack_that_keeps_the_address() -> None:
    packet = shaped(Client.PXE, 7, BOOT, request(ciaddr=IPv4Address("192.0.2.77")), at_4011=True)
    assert packet.message_type is MessageType.ACK
    assert packet.ciaddr == IPv4Address("192.0.2.77")
    assert not packet.broadcast


def test_an_offer_clears_ciaddr_that_a_client_set_wrongly() -> None:
    assert int(shaped(Client.PXE, 7, BOOT, request(ciaddr=IPv4Address("192.0.2.77"))).ciaddr) == 0


def test_a_relayed_request_keeps_giaddr_flags_and_option_82_last() -> None:
    relayed = {**DISCOVER, Option.RELAY_AGENT_INFORMATION: b"\x01\x04port"}
    asked = request(giaddr=IPv4Address("198.51.100.1"), options=relayed)
    packet = shaped(Client.PXE, 7, BOOT, asked)
    assert packet.giaddr == IPv4Address("198.51.100.1")
    assert not packet.broadcast
    assert list(packet.options)[-1] == Option.RELAY_AGENT_INFORMATION
    assert packet.options[Option.RELAY_AGENT_INFORMATION] == b"\x01\x04port"


def test_the_boot_item_of_a_discover_comes_back_and_garbage_in_option_43_does_no_harm() -> None:
    item = request(options={**DISCOVER, Option.VENDOR_SPECIFIC_INFORMATION: b"\x47\x04\x00\x0f\x00\x00\xff"})
    assert shaped(Client.PXE, 7, BOOT, item, at_4011=True).options[Option.VENDOR_SPECIFIC_INFORMATION] == (
        b"\x47\x04\x00\x0f\x00\x00\xff"
    )
    garbage = request(options={**DISCOVER, Option.VENDOR_SPECIFIC_INFORMATION: b"\x47\xff\x00"})
    assert Option.VENDOR_SPECIFIC_INFORMATION not in shaped(Client.PXE, 7, BOOT, garbage, at_4011=True).options


def test_a_name_too_long_for_the_header_is_in_option_67_alone() -> None:
    ticket = "t" * 120
    shape = shape_for(facts(Client.IPXE, 0), BOOT, USUAL)
    assert shape is not None
    packet = reply(request(), shape, TERMS._replace(ticket=lambda: ticket), at_4011=False)
    assert packet.file == b""
    assert packet.options[Option.BOOTFILE_NAME] == f"http://192.0.2.1:8067/boot/{ticket}/boot.ipxe\0".encode()


def test_shapes_have_distinct_names() -> None:
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)


FINGERPRINT = bytes(range(32))


@pytest.mark.parametrize("client", [Client.PXE, Client.HTTP, Client.IPXE])
@pytest.mark.parametrize("code", [0, 7])
def test_one_that_is_to_wait_gets_its_loader_as_one_that_is_to_boot(client: Client, code: int) -> None:
    facts = Facts("52:54:00:12:34:56", None, architecture(code), client, Stage.FIRMWARE, "eth0")
    assert shape_for(facts, Wait(TRAIL, None), USUAL) is shape_for(facts, BOOT, USUAL)


@pytest.mark.parametrize("code", [0, 7])
@pytest.mark.parametrize("at_4011", [False, True])
def test_a_boot_loader_is_told_whom_to_trust_by_the_replies_to_the_firmware(code: int, at_4011: bool) -> None:
    shape = shape_for(facts(Client.PXE, code), BOOT, USUAL)
    assert shape is not None
    made = decode(reply(request(), shape, TERMS._replace(trust=FINGERPRINT), at_4011=at_4011).encode())
    assert made.options[Option.ETHERBOOT] == b"\x5a\x20" + FINGERPRINT + b"\xff"


@pytest.mark.parametrize(("client", "verdict"), [(Client.PXE, ABORT), (Client.HTTP, BOOT), (Client.IPXE, BOOT)])
def test_replies_without_a_boot_loader_name_no_authority(client: Client, verdict: Verdict) -> None:
    shape = shape_for(facts(client, 7), verdict, USUAL)
    assert shape is not None
    plain = reply(request(), shape, TERMS, at_4011=False)
    assert reply(request(), shape, TERMS._replace(trust=FINGERPRINT), at_4011=False) == plain
