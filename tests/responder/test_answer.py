"""From datagram to datagram: who is answered, with what, and where to."""

import uuid
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.boot.offer import reply
from pxed.boot.token import unseal_ticket
from pxed.config import Config
from pxed.config import Responder as ResponderConfig
from pxed.interfaces import Interface
from pxed.ports import BOOT_SERVER, DHCP_SERVER
from pxed.records import Records
from pxed.responder import answer, hearing
from pxed.responder.answer import Responder
from pxed.responder.endpoint import Answer, Later
from pxed.responder.place import Place
from pxed.site.model import Kind, RecordState
from pxed.verdicts import Verdicts
from pxed.wire.dhcp import BOOTREQUEST, MessageType, Option, Packet, decode
from pxed.wire.pxe import encode_client_guid
from tests.site_in_memory import MemorySite
from tests.support import GUID, KEY, MAC, NOW, Clock, DirectWriter, add_computer, advertise

OURS = IPv4Address("192.0.2.1")
INTERFACE = Interface("eth0", "52:54:00:00:00:01", 1500, (IPv4Interface("192.0.2.1/24"),))
AT_67 = Place(INTERFACE, DHCP_SERVER, OURS)
AT_4011 = Place(INTERFACE, BOOT_SERVER, OURS)
FROM_NOWHERE = ("0.0.0.0", 68)
BROADCAST = ("255.255.255.255", 68)
LOADERS = {"bios": "undionly.kpxe", "uefi-amd64": "snponly.efi"}


class Bench:
    """A responder on a site in memory."""

    def __init__(self, config: Config | None = None) -> None:
        config = config or Config()
        self.site = MemorySite(now=NOW)
        self.clock = Clock()
        self.writer = DirectWriter(self.site)
        self.records = Records(self.writer, config, self.clock)
        verdicts = Verdicts(self.site, self.records, config, self.clock)
        self.responder = Responder(verdicts, config, LOADERS, KEY, self.clock.unix, self.clock.unix)

    def ask(self, packet: Packet, peer: tuple[str, int] = FROM_NOWHERE, place: Place = AT_67) -> Answer | Later | None:
        return self.hear(packet.encode(), peer, place)

    def hear(self, data: bytes, peer: tuple[str, int] = FROM_NOWHERE, place: Place = AT_67) -> Answer | Later | None:
        (outcome,) = self.responder.answer([(data, peer)], place)
        return outcome

    def answered(self, packet: Packet, peer: tuple[str, int] = FROM_NOWHERE, place: Place = AT_67) -> Packet:
        answer = self.ask(packet, peer, place)
        assert isinstance(answer, Answer)
        return decode(answer.data)


def discover(code: int = 7, kind: MessageType = MessageType.DISCOVER, mac: str = MAC, **extra: bytes) -> Packet:
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
        Option.MAXIMUM_DHCP_MESSAGE_SIZE: b"\x05\xc0",
        Option.CLIENT_SYSTEM_ARCHITECTURE: code.to_bytes(2),
        Option.CLIENT_MACHINE_IDENTIFIER: encode_client_guid(GUID),
        Option.VENDOR_CLASS_IDENTIFIER: f"PXEClient:Arch:{code:05}:UNDI:003016".encode(),
        **{Option[name]: value for name, value in extra.items()},
    }
    address = bytes.fromhex(mac.replace(":", ""))
    return Packet(BOOTREQUEST, xid=77, chaddr=address.ljust(16, b"\0"), options=options)


def from_ipxe(code: int = 7) -> Packet:
    return discover(code, USER_CLASS=b"iPXE", ETHERBOOT=b"\x14\x01\x01\xeb\x03\x01\x15\x01\xff")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_unknown_computer_is_not_answered_and_is_sighted(bench: Bench) -> None:
    assert bench.ask(discover()) is None
    assert bench.ask(discover()) is None
    (sighting,) = bench.site.sightings()
    assert (sighting.mac, sighting.guid, sighting.architecture, sighting.interface, sighting.count) == (
        MAC,
        GUID,
        7,
        "eth0",
        2,
    )
    assert bench.responder.counters == {"ignored: unknown-support": 2}


def test_a_mandatory_advertisement_goes_through_all_stages(bench: Bench) -> None:
    computer = add_computer(bench.site)
    advertise(bench.site, Kind.MANDATORY)
    offer = bench.answered(discover())
    assert (offer.message_type, offer.file) == (MessageType.OFFER, b"snponly.efi")
    request = discover(kind=MessageType.REQUEST)
    answer = bench.ask(request, ("192.0.2.77", 4011), AT_4011)
    assert isinstance(answer, Answer)
    assert answer.destination == ("192.0.2.77", 4011)
    assert decode(answer.data).message_type is MessageType.ACK
    script = bench.answered(from_ipxe())
    url = script.options[Option.BOOTFILE_NAME].rstrip(b"\0").decode()
    assert url.startswith("http://192.0.2.1:8067/boot/")
    ticket = unseal_ticket(url.split("/")[-2], KEY, bench.clock.unix())
    assert (ticket.mac.hex(":"), ticket.guid, ticket.architecture, ticket.https) == (MAC, GUID, 7, True)
    (record,) = bench.site.records(str(computer.id))
    assert (record.state, record.tries) == (RecordState.OFFERED, 1)


def test_a_computer_known_by_guid_alone_is_answered_in_either_byte_order(bench: Bench) -> None:
    add_computer(bench.site, mac="52:54:00:99:99:99", guid=uuid.UUID(bytes=GUID.bytes_le))
    advertise(bench.site, Kind.MANDATORY)
    assert bench.answered(discover()).file == b"snponly.efi"


def test_bios_gets_its_own_loader(bench: Bench) -> None:
    add_computer(bench.site)
    advertise(bench.site, Kind.OPTIONAL)
    assert bench.answered(discover(0)).file == b"undionly.kpxe"


def test_uefi_firmware_that_asks_again_gets_the_other_form_of_offer(bench: Bench) -> None:
    add_computer(bench.site)
    advertise(bench.site, Kind.MANDATORY)
    has_menu = []
    for seconds in (0, 4, 12, 0):
        offer = bench.answered(replace(discover(), secs=seconds))
        assert offer.file == b"snponly.efi"
        has_menu.append(Option.VENDOR_SPECIFIC_INFORMATION in offer.options)
    assert has_menu == [True, False, False, True]


def test_ipxe_asking_4011_is_answered_from_there_with_an_ack_and_its_script(bench: Bench) -> None:
    add_computer(bench.site)
    request = from_ipxe()
    packet = Packet(BOOTREQUEST, chaddr=request.chaddr, options={**request.options, Option.DHCP_MESSAGE_TYPE: b"\x03"})
    answer = bench.ask(packet, ("192.0.2.77", 68), AT_4011)
    assert isinstance(answer, Answer)
    assert answer.destination == ("192.0.2.77", 68)
    reply = decode(answer.data)
    assert reply.message_type is MessageType.ACK
    assert reply.file.endswith(b"/boot.ipxe")


def test_broadcast_unless_a_relay_asks(bench: Bench) -> None:
    add_computer(bench.site)
    direct = bench.ask(discover())
    assert isinstance(direct, Answer)
    assert direct.destination == BROADCAST
    plain = discover()
    relayed = Packet(BOOTREQUEST, giaddr=IPv4Address("198.51.100.1"), chaddr=plain.chaddr, options=dict(plain.options))
    answer = bench.ask(relayed, ("198.51.100.1", 67))
    assert isinstance(answer, Answer)
    assert answer.destination == ("198.51.100.1", 67)


@pytest.mark.parametrize("relay", ["255.255.255.255", "192.0.2.1"])
def test_an_impossible_relay_is_not_answered(bench: Bench, relay: str) -> None:
    add_computer(bench.site)
    plain = discover()
    packet = Packet(BOOTREQUEST, giaddr=IPv4Address(relay), chaddr=plain.chaddr, options=dict(plain.options))
    assert bench.ask(packet) is None


@pytest.mark.parametrize("kind", [kind for kind in MessageType if kind is not MessageType.DISCOVER])
def test_on_67_only_a_discover_is_answered(bench: Bench, kind: MessageType) -> None:
    add_computer(bench.site)
    assert bench.ask(discover(kind=kind)) is None


@pytest.mark.parametrize("kind", list(MessageType))
def test_on_4011_only_requests_are_answered(bench: Bench, kind: MessageType) -> None:
    add_computer(bench.site)
    answer = bench.ask(discover(kind=kind), ("192.0.2.77", 4011), AT_4011)
    assert (answer is not None) == (kind in {MessageType.REQUEST, MessageType.INFORM})


def test_an_ordinary_dhcp_client_is_not_answered(bench: Bench) -> None:
    add_computer(bench.site)
    assert bench.ask(discover(VENDOR_CLASS_IDENTIFIER=b"udhcp 1.35")) is None
    assert bench.responder.counters == {"ignored: pxe-client": 1}


def test_a_known_computer_without_a_boot_loader_for_it_is_an_error_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    add_computer(bench.site)
    advertise(bench.site, Kind.OPTIONAL)
    bench.responder.loaders = {}
    assert bench.ask(discover()) is None
    assert "no boot loader for x64 UEFI" in caplog.text


def test_a_short_delay_is_a_timer_and_a_long_one_waits_for_a_retry() -> None:
    short, long = (Bench(Config(responder=ResponderConfig(delay_seconds=seconds))) for seconds in (1.5, 5))
    for bench in (short, long):
        add_computer(bench.site)
    assert short.ask(discover()) == Later(1.5)
    short.clock.advance(1.5)
    assert isinstance(short.ask(discover()), Answer)
    assert long.ask(discover()) is None
    long.clock.advance(4)
    assert long.ask(discover()) == Later(1.0)
    long.clock.advance(1)
    assert isinstance(long.ask(discover()), Answer)


def test_port_4011_is_never_delayed() -> None:
    bench = Bench(Config(responder=ResponderConfig(delay_seconds=5)))
    add_computer(bench.site)
    answer = bench.ask(discover(kind=MessageType.REQUEST), ("192.0.2.77", 4011), AT_4011)
    assert isinstance(answer, Answer)


def test_a_reply_obeys_the_size_that_the_client_takes(bench: Bench) -> None:
    add_computer(bench.site)
    plain = discover()
    options = {code: value for code, value in plain.options.items() if code != Option.MAXIMUM_DHCP_MESSAGE_SIZE}
    answer = bench.ask(Packet(BOOTREQUEST, chaddr=plain.chaddr, options=options))
    assert isinstance(answer, Answer)
    assert len(answer.data) <= 548


@given(st.binary(max_size=600))
def test_any_bytes_are_dropped_or_answered(data: bytes) -> None:
    assert Bench().hear(data) is None


@given(st.data())
def test_a_damaged_discover_never_raises(data: st.DataObject) -> None:
    bench = Bench()
    add_computer(bench.site)
    advertise(bench.site, Kind.MANDATORY)
    packet = bytearray(from_ipxe().encode())
    for _ in range(data.draw(st.integers(1, 8))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    answer = bench.hear(bytes(packet))
    assert not isinstance(answer, Answer) or decode(answer.data).siaddr == OURS


def test_a_new_authority_is_in_the_next_reply(bench: Bench) -> None:
    add_computer(bench.site)
    advertise(bench.site, Kind.MANDATORY)
    assert Option.ETHERBOOT not in bench.answered(discover()).options
    for fingerprint in (bytes(32), bytes(range(32))):
        bench.responder.trust = fingerprint
        assert fingerprint in bench.answered(discover()).options[Option.ETHERBOOT]


def outcomes(bench: Bench, datagrams: list[bytes], place: Place) -> list[Answer | Later | None]:
    return bench.responder.answer([(data, ("192.0.2.77", 4011)) for data in datagrams], place)


MACHINES = st.builds(
    lambda code, ipxe, number, guid, relay, identifier, name: {
        "code": code,
        "ipxe": ipxe,
        "mac": f"52:54:00:12:34:{number:02x}",
        "options": {
            Option.CLIENT_MACHINE_IDENTIFIER: guid,
            Option.RELAY_AGENT_INFORMATION: relay,
            Option.CLIENT_IDENTIFIER: identifier,
            Option.HOST_NAME: name,
        },
    },
    st.sampled_from([0, 7, 11]),
    st.booleans(),
    st.integers(0x55, 0x58),
    st.sampled_from(
        [None, encode_client_guid(GUID), encode_client_guid(uuid.UUID(int=9)), bytes(17), b"\1" * 17, b"\0" * 5]
    ),
    st.none() | st.binary(min_size=1, max_size=6),
    st.none() | st.binary(min_size=7, max_size=7),
    st.none() | st.binary(max_size=300),
)


def request_of(machine: dict[str, Any], place: Place, xid: int, ciaddr: int, giaddr: int, flags: int) -> bytes:
    kind = MessageType.DISCOVER if place is AT_67 else MessageType.REQUEST
    base = (from_ipxe if machine["ipxe"] else discover)(machine["code"])
    said = {code: value for code, value in machine["options"].items() if value is not None}
    options = {**base.options, Option.DHCP_MESSAGE_TYPE: bytes((kind,)), **said}
    if machine["options"][Option.CLIENT_MACHINE_IDENTIFIER] is None:
        del options[Option.CLIENT_MACHINE_IDENTIFIER]
    chaddr = bytes.fromhex(machine["mac"].replace(":", "")).ljust(16, b"\0")
    return Packet(
        BOOTREQUEST,
        xid=xid,
        secs=xid & 4,
        flags=flags,
        ciaddr=IPv4Address(ciaddr),
        giaddr=IPv4Address(giaddr),
        chaddr=chaddr,
        options=options,
    ).encode(1472)


@given(
    st.lists(
        st.tuples(
            MACHINES,
            st.integers(0, 0xFFFFFFFF),
            st.sampled_from([0, 7]),
            st.sampled_from([0, 0xC6336401]),
            st.sampled_from([0, 0x8000]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([AT_67, AT_4011]),
    st.sampled_from([Kind.OPTIONAL, Kind.MANDATORY, None]),
    st.data(),
)
def test_a_batch_is_answered_octet_by_octet_as_each_packet_alone(
    asked: list[tuple[dict[str, Any], int, int, int, int]], place: Place, kind: Kind | None, data: st.DataObject
) -> None:
    """What was prepared for one packet and used for others like it is what a responder that knows nothing would say."""
    datagrams = [bytearray(request_of(machine, place, *header)) for machine, *header in asked]
    for datagram in datagrams:
        if data.draw(st.integers(0, 3)) == 0:
            datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(st.integers(0, 255))
    packets = [bytes(datagram) for datagram in datagrams]
    bench, fresh = Bench(), Bench()
    for one in (bench, fresh):
        add_computer(one.site)
        add_computer(one.site, "PC2", "52:54:00:12:34:57", None)
        if kind:
            advertise(one.site, kind)
    alone = []
    for packet in packets:
        fresh.responder._hearings.clear()
        alone += outcomes(fresh, [packet], place)
    assert outcomes(bench, packets, place) == alone
    assert outcomes(bench, packets, place) == alone  # prepared by now, all that can be
    assert bench.responder.counters == {name: 2 * count for name, count in fresh.responder.counters.items()}


def test_a_storm_of_one_model_is_read_and_made_once(bench: Bench) -> None:
    add_computer(bench.site)
    packets = [discover(mac=f"52:54:00:12:34:{number:02x}").encode() for number in range(100)]
    with (
        patch.object(hearing, "decode", wraps=decode) as read,
        patch.object(answer, "reply", wraps=reply) as made,
    ):
        answers = outcomes(bench, packets, AT_67)
        outcomes(bench, packets, AT_67)
    assert (read.call_count, made.call_count) == (1, 1)
    assert {decode(each.data).chaddr[5] for each in answers if isinstance(each, Answer)} == set(range(100))


def test_other_loaders_end_what_was_prepared(bench: Bench) -> None:
    add_computer(bench.site)
    advertise(bench.site, Kind.OPTIONAL)
    assert bench.answered(discover()).file == b"snponly.efi"
    bench.responder.loaders = {"uefi-amd64": "other.efi"}
    assert bench.answered(discover()).file == b"other.efi"


def test_another_form_of_offer_ends_what_was_prepared(bench: Bench) -> None:
    add_computer(bench.site)
    advertise(bench.site, Kind.OPTIONAL)
    assert Option.VENDOR_SPECIFIC_INFORMATION in bench.answered(discover()).options
    bench.responder.config = Config(responder=ResponderConfig(uefi_offer="boot-server"))
    assert Option.VENDOR_SPECIFIC_INFORMATION not in bench.answered(discover()).options
    assert bench.responder.counters == {"answered: boot-from-first-offer": 1, "answered: boot-server": 1}


def test_what_is_too_long_for_a_guid_is_not_sent_back(bench: Bench) -> None:
    add_computer(bench.site)
    packet = discover(CLIENT_MACHINE_IDENTIFIER=bytes(290)).encode(1472)
    answered = bench.hear(packet)
    assert isinstance(answered, Answer)
    assert Option.CLIENT_MACHINE_IDENTIFIER not in decode(answered.data).options


def test_invented_packets_do_not_grow_its_memory(bench: Bench) -> None:
    for number in range(1500):
        bench.ask(discover(CLIENT_NETWORK_INTERFACE=number.to_bytes(2)))
    (heard,) = bench.responder._hearings.values()
    assert sum(len(forms) for layouts in heard._layouts.values() for _, forms in layouts) <= 1024
    for size in range(40):
        bench.ask(discover(PARAMETER_REQUEST_LIST=bytes(size), CLIENT_IDENTIFIER=bytes(40 - size)))
    assert max(len(layouts) for layouts in heard._layouts.values()) <= 4
