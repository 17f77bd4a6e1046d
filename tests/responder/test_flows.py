"""The compiled thread says what the long way says, octet for octet, or leaves a packet to it."""

from __future__ import annotations

import gc
import socket
import struct
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxed.config import Config
from pxed.config import Responder as ResponderConfig
from pxed.errors import PxedError
from pxed.responder import fastpath
from pxed.responder.endpoint import Answer
from pxed.responder.flows import Flow, Ground
from pxed.responder.place import Place
from pxed.site.draft import Draft
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.model import EPOCH, CollectionRule, Computer, Evidence, Kind, PxeRecord, RecordState, RuleKind
from pxed.site.sql import SqlTx
from pxed.site.sql.flows import FlowSite, flow_site, likeness_of
from pxed.wire.dhcp import decode
from pxed.wire.layout import NOWHERE, Layout
from pxed.wire.pxe import client_guid, encode_client_guid
from tests.responder.flooding import (
    COLLECTIONS,
    PATIENCE,
    Site,
    Thread,
    hours,
    needs_compiled,
    packet,
    received,
    udp_socket,
)
from tests.responder.test_answer import AT_67, AT_4011, discover, from_ipxe

pytestmark = needs_compiled
_flows: Any = vars(fastpath)["_flows"]

MACS = [f"52:54:00:12:34:{number:02x}" for number in range(0x50, 0x58)]
ONE, OTHER = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232"), uuid.UUID("12345678-1234-5678-1234-567812345678")
SWAPPED = uuid.UUID(bytes=ONE.bytes_le)
SAME_IN_BOTH_ORDERS = uuid.UUID("11111111-2222-3333-4444-555555555555")
GUIDS = [ONE, SWAPPED, OTHER, SAME_IN_BOTH_ORDERS]
STRANGER = "52:54:00:99:99:99"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        yield made


@contextmanager
def sited(config: Config | None = None, now: datetime | None = None) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as name, Site(Path(name), config, now) as made:
        yield made


def draft(kind: Kind = Kind.OPTIONAL, collection: str = "c0", **more: Any) -> Draft:
    return Draft(f"{kind} to {collection}", kind, "install", collection, **{"start": EPOCH, **more})


def record(subject: str, advertisement_id: int) -> PxeRecord:
    return PxeRecord(0, subject, advertisement_id, RecordState.OFFERED, 1, EPOCH, EPOCH, "", "")


def add(
    tx: SqlTx, number: int, guid: uuid.UUID | None = None, collections: tuple[int, ...] = (0,), name: str = ""
) -> Computer:
    """A computer with the MAC address of that number, in some collections."""
    computer = tx.put_computer(name or f"PC{number}", [MACS[number]], guid)
    join(tx, computer, collections)
    return computer


def join(tx: SqlTx, computer: Computer, collections: tuple[int, ...]) -> None:
    for each in collections:
        collection = tx.find_collection(f"c{each}")
        assert collection
        tx.add_member(collection.id, computer.id)


# What a site may be like


class Made(NamedTuple):
    """One computer of a random site."""

    macs: list[str]
    guid: uuid.UUID | None
    protected: bool
    collections: tuple[int, ...]
    has_record: bool


MAKES = st.builds(
    Made,
    st.lists(st.sampled_from(MACS[:6]), max_size=2, unique=True),
    st.sampled_from([None, *GUIDS]),
    st.booleans(),
    st.sampled_from([(), (0,), (0,), (1,), (2, 0), (0, 1, 2), tuple(range(64)), tuple(range(65))]),
    st.sampled_from([False, False, False, True]),
)
ADVERTISEMENTS = st.lists(
    st.builds(
        draft,
        st.sampled_from([Kind.OPTIONAL, Kind.OPTIONAL, Kind.MANDATORY]),
        st.sampled_from(["c0", "c1", "all-computers"]),
        enabled=st.sampled_from([True, True, False]),
    ),
    max_size=2,
)
LISTED = st.lists(
    st.tuples(
        st.sampled_from(IdentifierList),
        st.sampled_from(
            [(IdentifierKind.MAC, mac) for mac in MACS[3:]] + [(IdentifierKind.GUID, str(guid)) for guid in GUIDS]
        ),
    ),
    max_size=2,
)
RULES = st.sampled_from(
    [None, None, None, CollectionRule(RuleKind.NAME, "PC1"), CollectionRule(RuleKind.ARCHITECTURE, "bios")]
)
CONFIGS = st.builds(
    lambda **of_responder: Config(responder=ResponderConfig(**of_responder)),
    unknown_computers=st.sampled_from(["ignore", "approval", "c0"]),
    nothing_to_do=st.sampled_from(["abort", "abort", "silent"]),
    uefi_offer=st.sampled_from(["boot-from-first-offer", "boot-server"]),
    delay_seconds=st.sampled_from([0.0, 0.0, 0.0, 2.0]),
)


class Sketch(NamedTuple):
    """A random site."""

    computers: list[Made]
    drafts: list[Draft]
    listed: list[tuple[IdentifierList, tuple[IdentifierKind, str]]]
    rule: CollectionRule | None
    strangers_with_records: list[str]


SKETCHES = st.builds(
    Sketch,
    st.lists(MAKES, max_size=5),
    ADVERTISEMENTS,
    LISTED,
    RULES,
    st.lists(st.sampled_from(MACS), max_size=1),
)


def draw_up(site: Site, sketch: Sketch) -> None:
    """Makes what can be made of a sketch; what the site refuses is left out."""
    with site.edit() as tx:
        advertised = [tx.advertise(each) for each in sketch.drafts]
        macs: set[str] = set()
        guids: set[uuid.UUID] = set()
        for number, made in enumerate(sketch.computers):
            own = [mac for mac in made.macs if mac not in macs]
            guid = made.guid if made.guid not in guids else None
            if not own and guid is None:
                continue
            macs.update(own)
            guids.update([guid, uuid.UUID(bytes=guid.bytes_le)] if guid else [])
            computer = tx.put_computer(f"PC{number}", own, guid)
            tx.set_protected(computer.id, made.protected)
            join(tx, computer, made.collections)
            is_new = not tx.records(str(computer.id))  # the same GUID in the other byte order is the same computer's
            if made.has_record and advertised and is_new:
                tx.save_record(record(str(computer.id), advertised[0].id))
        if advertised:
            for subject in sketch.strangers_with_records:
                tx.save_record(record(subject, advertised[0].id))
        if sketch.rule:
            collection = tx.find_collection("c1")
            assert collection
            tx.add_rules(collection.id, [sketch.rule])
    for which, (kind, value) in sketch.listed:
        with suppress(PxedError), site.edit() as tx:
            tx.list_identifier(which, kind, value)


# What clients may say


CLIENTS = st.fixed_dictionaries(
    {
        "base": st.builds(
            lambda ipxe, code: (from_ipxe if ipxe else discover)(code),
            st.sampled_from([False, False, False, True]),
            st.sampled_from([0, 7, 7, 11]),
        ),
        "mac": st.sampled_from([*MACS, *MACS, STRANGER, "00:00:00:00:00:00"]),
        "CLIENT_MACHINE_IDENTIFIER": st.sampled_from(
            [None, None, *map(encode_client_guid, GUIDS), bytes(17), b"\1" * 17, b"\0" * 5]
        ),
        "RELAY_AGENT_INFORMATION": st.none() | st.binary(min_size=1, max_size=255),
        "CLIENT_IDENTIFIER": st.none() | st.binary(min_size=7, max_size=7),
        "HOST_NAME": st.none() | st.binary(min_size=1, max_size=20),
        "xid": st.integers(0, 0xFFFFFFFF),
        "secs": st.sampled_from([0, 0, 1, 0x100, 0xFFFF]),
        "ciaddr": st.sampled_from([0, 0, 0xC6336477]),
        "giaddr": st.sampled_from([0, 0, 0xC6336401, 0xC0000201]),
        "flags": st.sampled_from([0, 0, 0x8000]),
    }
)
PLACES = st.sampled_from([AT_67, AT_67, AT_4011])


def likened(client: dict[str, Any], xid: int, mac: str) -> dict[str, Any]:
    """Another packet of the same form: it differs in what is the sender's own and in what nobody reads."""
    guid = client["CLIENT_MACHINE_IDENTIFIER"]
    return {
        **client,
        "mac": mac,
        "xid": xid,
        "secs": client["secs"] and 7,
        "ciaddr": client["ciaddr"] and 0xC6336478,
        "CLIENT_MACHINE_IDENTIFIER": encode_client_guid(ONE) if guid and len(guid) == 17 and not guid[0] else guid,
        "HOST_NAME": client["HOST_NAME"] and b"x" * len(client["HOST_NAME"]),
        "CLIENT_IDENTIFIER": client["CLIENT_IDENTIFIER"] and bytes(7),
        "RELAY_AGENT_INFORMATION": client["RELAY_AGENT_INFORMATION"] and b"y" * len(client["RELAY_AGENT_INFORMATION"]),
    }


@settings(deadline=None, max_examples=40)
@given(SKETCHES, CONFIGS, PLACES, st.lists(CLIENTS, min_size=1, max_size=8), st.data())
def test_whatever_is_answered_is_what_the_long_way_says(
    sketch: Sketch, config: Config, place: Place, clients: list[dict[str, Any]], data: st.DataObject
) -> None:
    """And whoever was taught is answered: what the teacher calls a client is what the thread calls it."""
    with sited(config) as site, Thread(site, place) as thread:
        draw_up(site, sketch)
        taught = []
        for client in clients:
            outcome = thread.learn(packet(place, **client))
            flow = thread.flows[-1]
            if flow is None:
                continue
            if not is_listed(site, packet(place, **client)):
                taught.append(client)
            assert isinstance(outcome, Answer) == bool(flow.reply)
            if isinstance(outcome, Answer):
                assert flow.destination == (b"" if place is AT_4011 else octets(outcome.destination))
        again = [packet(place, **{**client, "xid": 0x01020304}) for client in taught]
        whys = thread.hear_as_the_long_way(again)
        assert set(whys[:1]) <= {_flows.IN_TURN}
        assert set(whys[1:]) <= {None}
        alike = [packet(place, **likened(client, 0xFFFEFDFC, mac)) for client in clients for mac in (MACS[0], STRANGER)]
        thread.hear_as_the_long_way(alike)
        mutants = [data.draw(damaged(packet(place, **client))) for client in clients]
        thread.hear_as_the_long_way(mutants)


def is_listed(site: Site, data: bytes) -> bool:
    """Whether the sender bears anything that is on a list: the thread leaves such packets alone, though all who are not
    known may be like it."""
    plan = site.reader.plan()
    mac, guid = decode(data).chaddr[:6].hex(":"), client_guid_of(data)
    return any(mac in each.macs or guid in each.guids for each in (plan.ignored, plan.shared))


def octets(address: tuple[str, int]) -> bytes:
    return socket.inet_aton(address[0]) + address[1].to_bytes(2)


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """A packet with octets flipped, cut off or put behind it; or one that is nothing but octets."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return data[: draw(st.integers(0, len(data)))]
    if kind == 1:
        return data + draw(st.binary(min_size=1, max_size=8))
    if kind == 2:
        return draw(st.binary(max_size=300))
    made = bytearray(data)
    for at in draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=3)):
        made[at] ^= draw(st.integers(1, 255))
    return bytes(made)


@settings(deadline=None)
@given(SKETCHES, st.lists(CLIENTS, min_size=1, max_size=8))
def test_likeness_of_evidence_is_what_the_thread_calls_a_client(sketch: Sketch, clients: list[dict[str, Any]]) -> None:
    """With a flow for each likeness there is, it finds the one that the teacher means, and none for who has none."""
    with sited() as site, Thread(site) as thread:
        draw_up(site, sketch)
        said = [packet(**{**client, "base": discover(), "secs": 0, "giaddr": 0}) for client in clients]
        for data in said:
            thread.path._flows.begin(0, 0, 0, b"", b"")
            request = decode(data)
            mac, guid = request.chaddr[:6].hex(":"), client_guid_of(data)
            plan, evidence = site.reader.look_up(mac, [guid] if guid else [])
            own = likeness_of(evidence)
            thread.path._flows.begin(plan.change, 0, float("inf"), *Ground(plan, 0, 0).alone)
            expected = None if own is None or is_listed(site, data) or mac == "00:00:00:00:00:00" else own
            teach(thread.path._flows, packet=data, likeness=b"another", reply=b"wrong")
            if expected is not None:
                teach(thread.path._flows, packet=data, likeness=expected, reply=b"right")
            why, replies = fate_of_raw(thread, data)
            if expected is None:
                assert (why, replies) == (_flows.ALONE, [])
            else:
                assert (why, replies) == (None, [b"right"])


def client_guid_of(data: bytes) -> uuid.UUID | None:
    return client_guid(decode(data).options)


def fate_of_raw(thread: Thread, data: bytes) -> tuple[int | None, list[bytes]]:
    thread.path._counters[:] = ["any"]
    return thread.fate(data)


TAUGHT: dict[str, Any] = {
    "packet": None,
    "common": None,
    "guid_at": None,
    "relay": None,
    "to": b"",
    "likeness": b"",
    "reply": b"",
    "places": (-1, -1, -1, -1, -1),
    "counter": 0,
}


def teach(flows: Any, **more: Any) -> bool:
    """Teaches what `more` says; what it does not say is made to fit."""
    given = {**TAUGHT, "packet": packet(), **more}
    layout = Layout.of(more.get("packet", packet()))
    assert layout
    guid, relay = layout.own["guid"], layout.own["relay"]
    defaults = {
        "common": layout.common,
        "guid_at": -1 if guid == NOWHERE else guid[0],
        "relay": (-1, -1) if relay == NOWHERE else relay,
    }
    for name, value in defaults.items():
        if given[name] is None:
            given[name] = value
    return bool(flows.teach(*given.values()))


# Each thing that makes a client like others, or not


def test_of_two_that_are_alike_the_second_needs_no_lesson(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
        add(tx, 1)
        tx.advertise(draft())
    with Thread(site) as thread:
        outcome = thread.learn(packet(mac=MACS[0], xid=1))
        assert isinstance(outcome, Answer)
        why, replies = thread.fate(packet(mac=MACS[1], xid=2))
        assert why is None
        assert [(decode(reply).xid, decode(reply).chaddr[:6].hex(":")) for reply in replies] == [(2, MACS[1])]
        assert decode(replies[0]).file == decode(outcome.data).file == b"snponly.efi"


def test_one_that_nobody_knows_is_like_all_others_that_nobody_knows(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
    with Thread(site) as thread:
        assert thread.learn(packet(mac=STRANGER)) is None
        assert thread.hear_as_the_long_way([packet(mac=mac) for mac in MACS]) == [
            _flows.UNTAUGHT,  # it is known
            _flows.IN_TURN,
            *[None] * 6,
        ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((0,), (1,), id="collections"),
        pytest.param((0,), (), id="no collection"),
        pytest.param((0,), (0, 1), id="more collections"),
        pytest.param((0, 1), (1,), id="fewer collections"),
    ],
)
def test_who_is_in_other_collections_is_not_alike(site: Site, one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with site.edit() as tx:
        add(tx, 0, collections=one)
        add(tx, 1, collections=other)
    with Thread(site) as thread:
        thread.learn(packet(mac=MACS[0]))
        assert thread.fate(packet(mac=MACS[0]))[0] is None
        assert thread.fate(packet(mac=MACS[1])) == (_flows.UNTAUGHT, [])


def test_who_is_protected_is_not_alike(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
        tx.set_protected(add(tx, 1).id, protected=True)
    with Thread(site) as thread:
        thread.learn(packet(mac=MACS[0]))
        assert thread.fate(packet(mac=MACS[1])) == (_flows.UNTAUGHT, [])


def test_as_many_collections_as_there_is_room_for_and_one_more(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0, collections=tuple(range(64)))
        add(tx, 1, collections=tuple(range(65)))
        add(tx, 2, collections=tuple(range(COLLECTIONS)))
    with Thread(site) as thread:
        for number in range(3):
            assert isinstance(thread.learn(packet(mac=MACS[number])), Answer)
        assert [flow is not None for flow in thread.flows] == [True, False, False]
        assert [thread.fate(packet(mac=MACS[number]))[0] for number in range(3)] == [None, _flows.ALONE, _flows.ALONE]


def listed(which: IdentifierList, kind: IdentifierKind, value: str) -> Callable[[SqlTx], object]:
    return lambda tx: tx.list_identifier(which, kind, value)


def known_with_record(tx: SqlTx) -> None:
    tx.save_record(record(str(add(tx, 1).id), tx.advertise(draft()).id))


def stranger_with_record(tx: SqlTx) -> None:
    tx.save_record(record(MACS[1], tx.advertise(draft()).id))


def in_conflict(tx: SqlTx) -> None:
    add(tx, 1, name="by MAC address")
    add(tx, 2, ONE, name="by GUID")


def in_conflict_in_the_other_byte_order(tx: SqlTx) -> None:
    add(tx, 1, name="by MAC address")
    add(tx, 2, SWAPPED, name="by GUID")


def fits_a_rule(tx: SqlTx) -> None:
    collection = tx.find_collection("c3")
    assert collection
    tx.add_rules(collection.id, [CollectionRule(RuleKind.NAME, "PC1")])
    add(tx, 1)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(known_with_record, id="PXE record"),
        pytest.param(stranger_with_record, id="PXE record of one that is not known"),
        pytest.param(in_conflict, id="conflict"),
        pytest.param(in_conflict_in_the_other_byte_order, id="conflict in the other byte order"),
        *(
            pytest.param(listed(which, kind, value), id=f"{which.label} {kind.value}")
            for which in IdentifierList
            for kind, value in ((IdentifierKind.MAC, MACS[1]), (IdentifierKind.GUID, str(ONE)))
        ),
    ],
)
@pytest.mark.parametrize("unknown", ["ignore", "c0"])
def test_who_is_like_nobody_else_is_always_passed_up(
    tmp_path: Path, make: Callable[[SqlTx], None], unknown: str
) -> None:
    """Whatever was taught of others, and of itself."""
    with Site(tmp_path, Config(responder=ResponderConfig(unknown_computers=unknown))) as site, Thread(site) as thread:
        with site.edit() as tx:
            add(tx, 0)
            make(tx)
        guid = encode_client_guid(ONE)
        said = packet(mac=MACS[1], CLIENT_MACHINE_IDENTIFIER=guid)
        for mac, own in ((MACS[0], OTHER), (STRANGER, OTHER)):
            thread.learn(packet(mac=mac, CLIENT_MACHINE_IDENTIFIER=encode_client_guid(own)))
        thread.learn(said)
        thread.learn(said)
        assert thread.fate(said) == (_flows.ALONE, [])
        others = packet(mac=STRANGER, CLIENT_MACHINE_IDENTIFIER=encode_client_guid(OTHER))
        assert thread.fate(others)[0] is None


def test_a_guid_that_is_entered_in_both_byte_orders_tells_nobody(site: Site) -> None:
    """The site refuses that by now; one that is older may have it."""
    with site.edit() as tx:
        for number, guid in ((0, ONE), (1, OTHER)):
            add(tx, number, guid)
    with site.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE computer SET guid = ? WHERE guid = ?", (str(SWAPPED), str(OTHER)))
    with Thread(site) as thread:
        thread.learn(packet(mac=STRANGER, CLIENT_MACHINE_IDENTIFIER=encode_client_guid(OTHER)))
        said = packet(mac=STRANGER, CLIENT_MACHINE_IDENTIFIER=encode_client_guid(ONE))
        thread.learn(said)
        assert [flow is not None for flow in thread.flows] == [True, False]
        assert thread.fate(said) == (_flows.ALONE, [])


def test_what_a_rule_may_look_at_is_not_taught(site: Site) -> None:
    with site.edit() as tx:
        fits_a_rule(tx)
        add(tx, 0)
    with Thread(site) as thread:
        thread.learn(packet(mac=MACS[0]))
        thread.learn(packet(mac=STRANGER))
        assert [flow is not None for flow in thread.flows] == [False, True]  # no rule fits one that is not known
        assert [thread.fate(packet(mac=mac))[0] for mac in (MACS[0], MACS[1], STRANGER)] == [
            _flows.UNTAUGHT,
            _flows.UNTAUGHT,
            None,
        ]


@pytest.mark.parametrize("place", [AT_67, AT_4011], ids=["67", "4011"])
def test_a_ticket_is_never_repeated(site: Site, place: Place) -> None:
    """iPXE gets a script of its own: there is no flow, and each packet is passed up."""
    with site.edit() as tx:
        add(tx, 0)
        tx.advertise(draft())
    with Thread(site, place) as thread:
        said = packet(place, from_ipxe(), mac=MACS[0])
        assert isinstance(thread.learn(said), Answer)
        assert isinstance(thread.learn(said), Answer)
        assert thread.flows == [None, None]
        assert thread.fate(said) == (_flows.UNTAUGHT, [])


def test_a_mandatory_advertisement_is_decided_for_each(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
        tx.advertise(draft(Kind.MANDATORY))
    with Thread(site) as thread:
        for _ in range(2):
            assert isinstance(thread.learn(packet(mac=MACS[0])), Answer)
        assert thread.fate(packet(mac=MACS[0])) == (_flows.UNTAUGHT, [])


def test_firmware_that_asks_again_is_of_another_form(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
        tx.advertise(draft())
    with Thread(site) as thread:
        thread.learn(packet(mac=MACS[0], secs=0))
        assert thread.fate(packet(mac=MACS[0], secs=4)) == (_flows.UNTAUGHT, [])
        thread.learn(packet(mac=MACS[0], secs=4))
        said = [packet(mac=MACS[0], secs=seconds) for seconds in (0, 0, 1, 0x100, 0xFFFF, 0)]
        assert thread.hear_as_the_long_way(said) == [_flows.IN_TURN, *[None] * 5]


def test_replies_go_where_they_were_taught_to_go(site: Site) -> None:
    """To everybody or to a relay agent, whoever has asked; a flow without destination answers whoever has asked."""
    with Thread(site) as thread, udp_socket() as everybody:
        thread.path._counters.append("any")
        flows = thread.path._flows
        plan, _ = site.reader.look_up(STRANGER, [])
        flows.begin(plan.change, 0, float("inf"), b"", b"")
        teach(flows, reply=b"to all", to=octets(everybody.getsockname()))
        teach(flows, packet=packet(flags=0x8000), reply=b"back")
        assert thread.fate(packet()) == (None, [])
        assert list(received(everybody)) == [b"to all"]
        assert thread.fate(packet(flags=0x8000)) == (None, [b"back"])
        assert list(received(everybody)) == []


def test_a_few_take_the_long_way_in_their_turn(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
    with Thread(site) as thread:
        thread.learn(packet(mac=MACS[0]))
        said = [packet(mac=MACS[0], xid=number) for number in range(20)]
        assert thread.hear(said, between=0).whys == [_flows.IN_TURN] * 20
        assert thread.hear(said).whys == [_flows.IN_TURN, *[None] * 19]


# What was true once


def remove_computer(tx: SqlTx) -> None:
    computer = tx.find_computer("PC0")
    assert computer
    tx.remove_computer(computer.id)


def leave(tx: SqlTx) -> None:
    computer, collection = tx.find_computer("PC0"), tx.find_collection("c0")
    assert computer
    assert collection
    tx.remove_member(collection.id, computer.id)


def protect(tx: SqlTx) -> None:
    computer = tx.find_computer("PC0")
    assert computer
    tx.set_protected(computer.id, protected=True)


def enter(tx: SqlTx) -> None:
    computer = tx.find_computer("PC0")
    assert computer
    join(tx, computer, (1,))


def gets_record(tx: SqlTx) -> None:
    computer = tx.find_computer("PC0")
    assert computer
    tx.save_record(record(str(computer.id), tx.advertisements()[0].id))


def strangers_record(tx: SqlTx) -> None:
    tx.save_record(record(STRANGER, tx.advertisements()[0].id))


KNOWN, UNKNOWN = MACS[0], STRANGER


@pytest.mark.parametrize(
    ("mac", "edit"),
    [
        pytest.param(UNKNOWN, lambda tx: tx.put_computer("new", [STRANGER], None), id="computer add"),
        pytest.param(KNOWN, remove_computer, id="computer remove"),
        pytest.param(KNOWN, enter, id="joins a collection"),
        pytest.param(KNOWN, leave, id="leaves a collection"),
        pytest.param(KNOWN, protect, id="protected"),
        pytest.param(KNOWN, gets_record, id="PXE record"),
        pytest.param(UNKNOWN, strangers_record, id="PXE record of one that is not known"),
        pytest.param(KNOWN, lambda tx: tx.advertise(draft(Kind.MANDATORY)), id="advertise"),
        pytest.param(KNOWN, lambda tx: tx.set_enabled(tx.advertisements()[0].id, enabled=False), id="disable"),
        pytest.param(KNOWN, lambda tx: tx.stop_all(), id="stop-all"),
        pytest.param(KNOWN, listed(IdentifierList.IGNORED, IdentifierKind.MAC, KNOWN), id="ignore a MAC address"),
        pytest.param(KNOWN, listed(IdentifierList.SHARED, IdentifierKind.GUID, str(ONE)), id="share a GUID"),
        pytest.param(UNKNOWN, listed(IdentifierList.IGNORED, IdentifierKind.GUID, str(ONE)), id="ignore a GUID"),
        pytest.param(UNKNOWN, lambda tx: tx.add_collection("another"), id="collection add"),
    ],
)
def test_the_packet_after_an_edit_is_not_answered_by_an_old_flow(
    site: Site, mac: str, edit: Callable[[SqlTx], object]
) -> None:
    """The edit comes over another connection, as the command line's do, while the thread runs and while it does not."""
    with site.edit() as tx:
        add(tx, 0)
        add(tx, 1)
        tx.advertise(draft())
    with Thread(site) as thread:
        said = packet(mac=mac, CLIENT_MACHINE_IDENTIFIER=encode_client_guid(ONE))
        thread.learn(said)
        assert thread.fate(said)[0] is None
        with running(thread) as ask:
            assert ask(said)[1] is None
            with site.edit() as tx:
                edit(tx)
            assert ask(said)[0] in {_flows.UNTAUGHT, _flows.ALONE}
        why, replies = thread.fate(said)
        assert why in {_flows.UNTAUGHT, _flows.ALONE}
        assert replies == []
        thread.learn(said)
        thread.learn(packet(mac=MACS[1]))
        thread.hear_as_the_long_way([said, packet(mac=MACS[1]), said, packet(mac=MACS[1])])


@contextmanager
def running(thread: Thread) -> Iterator[Callable[[bytes], list[int | None]]]:
    """The thread goes on between what is asked with the result: why a packet sent twice was passed up."""
    flows = thread.path._flows
    flows.start(1e9)

    def ask(data: bytes) -> list[int | None]:
        whys: list[int | None] = []
        for _ in range(2):
            thread.client.sendto(data, thread.bound.getsockname())
            deadline = time.monotonic() + PATIENCE
            while not (counts := flows.count())[0]:
                assert time.monotonic() < deadline
            messages = list(received(thread.path.upward))
            assert counts[1] == len(messages)
            whys.append(messages[0][0] if messages else None)
        return whys

    try:
        yield ask
    finally:
        flows.stop()
        list(received(thread.client))


def test_a_flow_ends_when_another_verdict_is_possible() -> None:
    now = datetime.now(UTC)
    for heard_at, start, holds in (
        (now, now + hours(1), True),
        (now - hours(2), now + hours(1), True),
        (now - hours(2), now - hours(1), False),
        (now + hours(1), now + hours(2), False),  # it was decided in what is the future by now
        (now + hours(1), EPOCH, False),
    ):
        with sited(now=heard_at) as site, Thread(site) as thread:
            with site.edit() as tx:
                add(tx, 0)
                tx.advertise(draft(start=start))
            thread.learn(packet(mac=MACS[0]))
            (flow,) = thread.flows
            assert flow
            assert flow.ground.since == heard_at.timestamp()
            assert flow.ground.until == (start.timestamp() if start > heard_at else float("inf"))
            assert thread.fate(packet(mac=MACS[0]))[0] == (None if holds else _flows.UNTAUGHT)


def test_what_was_forgotten_is_not_answered_and_can_be_learned_again(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
    with Thread(site) as thread:
        said = packet(mac=MACS[0])
        for _ in range(2):
            thread.learn(said)
            assert thread.fate(said)[0] is None
            thread.path.forget()
            assert thread.fate(said) == (_flows.UNTAUGHT, [])


def test_lists_end_with_the_plan_they_were_of(site: Site) -> None:
    with site.edit() as tx:
        tx.list_identifier(IdentifierList.IGNORED, IdentifierKind.MAC, STRANGER)
    with Thread(site) as thread:
        thread.learn(packet(mac=MACS[0]))
        assert thread.fate(packet(mac=STRANGER))[0] == _flows.ALONE
        with site.edit() as tx:
            tx.unlist_identifier(IdentifierList.IGNORED, IdentifierKind.MAC, STRANGER)
        thread.learn(packet(mac=MACS[0]))
        assert thread.fate(packet(mac=STRANGER))[0] is None


def test_more_forms_than_there_is_room_for_begin_anew(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
    with Thread(site) as thread:
        said = [packet(mac=MACS[0], CLIENT_NETWORK_INTERFACE=number.to_bytes(3)) for number in range(65)]
        for each in said[:64]:
            thread.learn(each)
        assert thread.hear_as_the_long_way(said) == [_flows.IN_TURN, *[None] * 63, _flows.UNTAUGHT]
        thread.learn(said[64])
        assert thread.hear_as_the_long_way([said[64], *said]) == [_flows.IN_TURN, *[_flows.UNTAUGHT] * 64, None]


@pytest.fixture
def raw(site: Site) -> Iterator[tuple[Thread, Any]]:
    """A thread whose flows the test makes up, for all that are not known."""
    with Thread(site) as thread:
        thread.path._counters[:] = [f"counter {number}" for number in range(64)]
        plan, _ = site.reader.look_up(STRANGER, [])
        thread.path._flows.begin(plan.change, 0, float("inf"), b"", b"")
        yield thread, thread.path._flows


def test_there_is_room_for_4096_flows(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    assert teach(flows, reply=b"first")
    for number in range(1, 4096):
        assert teach(flows, likeness=number.to_bytes(2), reply=b"another")
    assert not teach(flows, likeness=b"one more", reply=b"another")
    assert not teach(flows, packet=packet(flags=0x8000), reply=b"another")
    assert thread.fate(packet()) == (None, [b"first"])


def test_a_later_lesson_takes_the_place_of_an_earlier_one(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    for word in (b"first", b"second", b"third"):
        assert teach(flows, reply=word)
        assert teach(flows, likeness=b"other", reply=b"of others")
        assert thread.fate(packet()) == (None, [word])


def test_likenesses_of_the_same_hash_are_two(site: Site) -> None:
    """FNV-1a has as many such pairs as one likes to look for; this one is of a computer in c0, and of nobody."""
    with site.edit() as tx:
        add(tx, 0)
    one, other = struct.pack("<BBI", 1, 0, 1), bytes.fromhex("de96de94d945")
    plan, evidence = site.reader.look_up(MACS[0], [])
    assert likeness_of(evidence) == one
    with Thread(site) as thread:
        thread.path._counters[:] = ["any"]
        thread.path._flows.begin(plan.change, 0, float("inf"), b"", b"")
        said = packet(mac=MACS[0])
        teach(thread.path._flows, packet=said, likeness=other, reply=b"wrong")
        assert thread.fate(said) == (_flows.UNTAUGHT, [])
        teach(thread.path._flows, packet=said, likeness=one, reply=b"right")
        assert thread.fate(said) == (None, [b"right"])


def test_what_is_the_senders_own_goes_to_its_places(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    guid = encode_client_guid(ONE)
    said = packet(
        mac=STRANGER,
        xid=0x01020304,
        ciaddr=0x05060708,
        RELAY_AGENT_INFORMATION=b"relay",
        CLIENT_MACHINE_IDENTIFIER=guid,
        flags=1,
    )
    teach(flows, packet=said, reply=b"." * 40, places=(1, 6, 11, 18, 35))
    reply = b".\1\2\3\4.\5\6\7\x08." + bytes.fromhex(STRANGER.replace(":", "")) + b"." + guid[1:] + b".relay"
    assert thread.fate(said) == (None, [reply])


def test_each_counter_counts_its_own(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    said = [packet(flags=number) for number in (1, 2)]
    teach(flows, packet=said[0], counter=63)
    teach(flows, packet=said[1], counter=0, reply=b"x")
    heard = thread.hear([said[0], said[0], said[1], said[0], packet(flags=3), b"", b"\0" * 4097])
    assert heard.counted == {"counter 63": 2, "counter 0": 1}
    assert heard.whys == [_flows.IN_TURN, None, None, None, *[_flows.UNTAUGHT] * 3]
    assert heard.replies == [b"x"]


def test_what_finds_no_room_on_the_way_up_is_counted_as_lost(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    flows.start(0)
    sent = heard = passed_up = lost = 0
    deadline = time.monotonic() + PATIENCE
    while not lost:
        assert time.monotonic() < deadline
        thread.client.sendto(b"x" * 400, thread.bound.getsockname())
        sent += 1
        while heard < sent:
            more, up, gone, _, _ = flows.count()
            heard, passed_up, lost = heard + more, passed_up + up, lost + gone
    flows.stop()
    assert heard == passed_up + lost == sent
    assert len(list(received(thread.path.upward))) == passed_up > 64


# Misuse


def spans(count: int) -> tuple[tuple[int, int], ...]:
    return ((0, 1),) * count


SIZE = len(packet())


@pytest.mark.parametrize(
    "wrong",
    [
        {"packet": b"short", "common": ()},
        {"packet": bytes(239), "common": ()},
        {"packet": bytes(4097), "common": ()},
        {"common": ((0, SIZE + 1),)},
        {"common": ((-1, 4),)},
        {"common": ((5, 4),)},
        {"common": ((0, 1 << 30),)},
        {"common": ((65536, 65537),)},
        {"common": spans(33)},
        {"guid_at": -2},
        {"guid_at": SIZE - 15},
        {"guid_at": 1 << 30},
        {"relay": (0, SIZE + 1)},
        {"relay": (SIZE, SIZE + 1)},
        {"relay": (-5, 4)},
        {"relay": (8, 4)},
        {"relay": (65536, 65540)},
        {"relay": (0, 65540)},
        {"to": b"12345"},
        {"to": b"1234567"},
        {"likeness": bytes(259)},
        {"reply": bytes(1473)},
        {"reply": b"123", "places": (0, -1, -1, -1, -1)},
        {"reply": bytes(9), "places": (6, -1, -1, -1, -1)},
        {"reply": bytes(9), "places": (-1, 6, -1, -1, -1)},
        {"reply": bytes(9), "places": (-1, -1, 4, -1, -1)},
        {"reply": bytes(20), "places": (-1, -1, -1, 5, -1)},
        {"reply": bytes(20), "places": (-1, -1, -1, -1, 14), "relay": (240, 247)},
        {"reply": bytes(20), "places": (-2, -1, -1, -1, -1)},
        {"reply": bytes(20), "places": (1 << 20, -1, -1, -1, -1)},
        {"counter": -1},
        {"counter": 64},
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(raw: tuple[Thread, Any], wrong: dict[str, Any]) -> None:
    thread, flows = raw
    teaches = flows.teach if "packet" in wrong else partial(teach, flows)
    given = {**TAUGHT, "guid_at": -1, "relay": (-1, -1), **wrong}.values() if "packet" in wrong else ()
    with pytest.raises(ValueError, match="packet"):
        teaches(*given, **({} if given else wrong))
    assert thread.fate(packet()) == (_flows.UNTAUGHT, [])
    teach(flows, reply=b"right")
    assert thread.fate(packet()) == (None, [b"right"])


def test_a_lesson_that_has_another_form_of_the_same_packet_is_refused(raw: tuple[Thread, Any]) -> None:
    """The first lesson said where option 82 is; what the second one says of its reply goes by its own word only."""
    thread, flows = raw
    assert teach(flows, relay=(0, SIZE), likeness=b"other")
    with pytest.raises(ValueError, match="packet"):
        teach(flows, relay=(-1, -1), reply=bytes(1472), places=(-1, -1, -1, -1, 1472))
    assert thread.fate(packet()) == (_flows.UNTAUGHT, [])


@pytest.mark.parametrize("wrong", [None, ((1,),), ((1, 2, 3),), (5,), (("a", "b"),)], ids=str)
def test_spans_of_other_kinds_are_refused(raw: tuple[Thread, Any], wrong: Any) -> None:
    thread, flows = raw
    with pytest.raises((TypeError, ValueError)):
        flows.teach(packet(), wrong, -1, (-1, -1), b"", b"", b"", (-1,) * 5, 0)
    assert thread.fate(packet()) == (_flows.UNTAUGHT, [])


def test_it_is_made_whole_and_once(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    with pytest.raises(TypeError):
        _flows.Flows.__new__(_flows.Flows)
    flows.__init__(0, 0, "", "", "", "")
    assert thread.fate(packet()) == (_flows.UNTAUGHT, [])


# A database in trouble, and what is left behind


def elsewhere(site: Site, path: Path) -> FlowSite:
    return site.for_flows()._replace(database=path)


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000], ids=["missing", "empty", "no database"])
def test_without_a_database_everything_is_passed_up(site: Site, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    with Thread(site, database=elsewhere(site, path)) as thread:
        said = packet(mac=STRANGER)
        thread.learn(said)
        assert thread.flows[0]
        assert thread.hear([said, b"garbage", packet(mac=STRANGER, flags=1)]).whys == [
            _flows.ALONE,
            _flows.UNTAUGHT,
            _flows.UNTAUGHT,
        ]
    assert path.exists() == (content is not None)


def test_statements_that_do_not_fit_are_no_database(site: Site) -> None:
    with Thread(site, database=site.for_flows()._replace(who="SELECT nothing FROM nowhere")) as thread:
        thread.learn(packet(mac=STRANGER))
        assert thread.fate(packet(mac=STRANGER)) == (_flows.ALONE, [])


def test_a_library_that_is_not_there_is_told_of(site: Site) -> None:
    with pytest.raises(OSError, match="SQLite"), Thread(site, database=site.for_flows()._replace(library="/nowhere")):
        pass


def test_nobody_waits_for_one_who_writes(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
    with Thread(site) as thread:
        said = packet(mac=MACS[0])
        thread.learn(said)
        with site.edit() as tx:
            remove_computer(tx)
            assert thread.fate(said)[0] is None  # not committed yet
        assert thread.fate(said)[0] == _flows.UNTAUGHT


def test_a_table_that_goes_while_it_runs_has_everything_passed_up(site: Site) -> None:
    with Thread(site) as thread:
        said = packet(mac=STRANGER)
        thread.learn(said)
        with running(thread) as ask:
            assert ask(said)[1] is None
            with site.engine.connect() as connection:
                connection.exec_driver_sql("DROP TABLE membership")
                connection.exec_driver_sql("DROP TABLE mac")
            assert ask(said) == [_flows.ALONE] * 2


def test_a_database_that_is_deleted_while_it_runs_goes_on_being_the_one_that_was_opened(
    site: Site, tmp_path: Path
) -> None:
    """As it is for the reader of the long way."""
    with Thread(site) as thread:
        said = packet(mac=STRANGER)
        thread.learn(said)
        with running(thread) as ask:
            assert ask(said)[1] is None
            for name in ("pxed.db", "pxed.db-wal", "pxed.db-shm"):
                (tmp_path / name).unlink(missing_ok=True)
            assert ask(said)[1] is None
            assert site.another_responder().answer([(said, thread.here)], AT_67) == [None]
        assert thread.fate(said) == (_flows.ALONE, [])


def threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def threads_more_than(count: int) -> bool:
    """Whether there are more threads than `count`, once those that end have ended."""
    deadline = time.monotonic() + PATIENCE
    while (more := threads() > count) and time.monotonic() < deadline:
        pass
    return more


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_many_starts_and_stops_leave_nothing_behind(site: Site) -> None:
    before = threads()
    with Thread(site) as thread:
        said = packet(mac=STRANGER)
        thread.learn(said)
        thread.fate(said)
        open_before = descriptors()
        for _ in range(100):
            thread.path._flows.start(0.0)
            thread.path._flows.start(0.0)  # it runs already
            thread.client.sendto(said, thread.bound.getsockname())
            thread.path._flows.stop()
            thread.path._flows.stop()
        list(received(thread.path.upward))
        assert descriptors() == open_before
        thread.path.count()
        thread.learn(said)
    assert not threads_more_than(before)


def test_one_that_is_dropped_while_it_runs_ends(site: Site) -> None:
    with udp_socket() as bound, udp_socket() as up:
        before = threads()
        open_then = []
        for _ in range(20):
            given = site.for_flows()
            flows = _flows.Flows(
                bound.fileno(), up.fileno(), given.library, str(given.database), given.who, given.of_one
            )
            flows.begin(1, 0, float("inf"), bytes(60), bytes(160))
            teach(flows, reply=b"any")
            flows.start(0.0)
            assert threads() == before + 1
            del flows
            assert not threads_more_than(before)
            open_then.append(descriptors())
        assert open_then[-1] <= open_then[1]


def test_it_can_be_stopped_in_the_midst_of_packets_that_do_not_end(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    teach(flows, reply=b"any")
    said = packet()
    for _ in range(10):
        flows.start(1e9)
        for _ in range(1000):
            thread.client.sendto(said, thread.bound.getsockname())
        flows.stop()
        list(received(thread.client))


def test_a_fast_path_that_is_closed_has_told_all_and_leaves_nothing_open(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
    said = packet(mac=MACS[0])
    open_then: list[int] = []
    for _ in range(10):
        with Thread(site) as thread:
            thread.learn(said)
            thread.path.start()
            for _ in range(50):
                thread.client.sendto(said, thread.bound.getsockname())
            deadline = time.monotonic() + PATIENCE
            while not (replies := len(list(received(thread.client)))):
                assert time.monotonic() < deadline
            thread.path.stop()
            replies += len(list(received(thread.client)))
            passed = 0
            while more := thread.path.passed_up()[0]:
                passed += len(more)
            left = len(list(received(thread.bound)))
            thread.path.start()
        assert thread.counters == {"answered: local-boot-menu": replies}
        assert replies + passed + left == 50
        assert thread.lost == 0
        del thread
        gc.collect()  # it and its path know each other
        open_then.append(descriptors())
    assert open_then[-1] <= open_then[1]


# How the teacher sees it


def test_which_sites_there_are_flows_for(tmp_path: Path) -> None:
    found = flow_site("sqlite:///pxed.db", tmp_path)
    assert found
    assert found.database == tmp_path / "pxed.db"
    elsewhere = flow_site("sqlite:////srv/site.db", tmp_path)
    assert elsewhere
    assert elsewhere.database == Path("/srv/site.db")
    for url in ("postgresql://pxed@db/site", "postgresql+psycopg://pxed@db/site", "mysql://db/site"):
        assert flow_site(url, tmp_path) is None
    assert flow_site("postgresql:///pxed", tmp_path) is None


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "no URL", ""])
def test_a_site_that_cannot_be_opened_has_no_flows(tmp_path: Path, url: str) -> None:
    """The long way says what is wrong with it, and goes on without."""
    assert flow_site(url, tmp_path) is None


def test_those_on_a_list_are_given_as_packets_have_them(site: Site) -> None:
    with site.edit() as tx:
        tx.list_identifier(IdentifierList.IGNORED, IdentifierKind.MAC, MACS[0])
        tx.list_identifier(IdentifierList.SHARED, IdentifierKind.GUID, str(ONE))
    macs, guids = Ground(site.reader.plan(), 0, 0).alone
    assert macs == bytes.fromhex(MACS[0].replace(":", ""))
    assert ONE.bytes_le in [guids[at : at + 16] for at in range(0, len(guids), 16)]


def test_a_likeness_says_what_a_computer_is_known_by_and_where_it_is(site: Site) -> None:
    with site.edit() as tx:
        join(tx, tx.put_computer("both", [MACS[0]], ONE), (5, 1))
        tx.set_protected(tx.put_computer("guid", [], OTHER).id, protected=True)
    ids = sorted(site.reader.plan().collection_ids[name] for name in ("c5", "c1"))
    for mac, guid, likeness in (
        (MACS[0], ONE, struct.pack("<BBII", 3, 0, *ids)),
        (MACS[0], SWAPPED, struct.pack("<BBII", 3, 0, *ids)),
        (MACS[0], None, struct.pack("<BBII", 1, 0, *ids)),
        (STRANGER, OTHER, b"\2\1"),
        (STRANGER, None, b""),
        (MACS[0], OTHER, None),
    ):
        _, evidence = site.reader.look_up(mac, [guid] if guid else [])
        assert likeness_of(evidence) == likeness
    assert likeness_of(Evidence(None, (), (record(STRANGER, 1),))) is None


def test_no_flow_is_made_of_what_is_not_answered_by_flows(site: Site) -> None:
    responder = site.responder
    sender = ("192.0.2.9", 68)
    twice = packet()[:-1] + b"\x3d\1x\x3d\1y\xff"  # client identifier in two parts (RFC 3396)
    for data in (b"", bytes(300), packet()[:250], twice, packet(mac="00:00:00:00:00:00"), packet(AT_4011)):
        responder.answer([(data, sender)], AT_67)
        assert responder.flow((data, sender), AT_67) is None
    assert site.another_responder().flow((packet(), sender), AT_67) is None  # it was not answered yet


def test_a_flow_of_a_place_is_not_one_of_another_configuration(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
    said = packet(mac=MACS[0]), ("192.0.2.9", 68)
    site.responder.answer([said], AT_67)
    assert isinstance(site.responder.flow(said, AT_67), Flow)
    other = replace(site.config, responder=ResponderConfig(nothing_to_do="silent"))
    site.responder.config = site.responder._verdicts.config = other
    assert site.responder.flow(said, AT_67) is None
    site.responder.answer([said], AT_67)
    flow = site.responder.flow(said, AT_67)
    assert flow
    assert flow.reply == b""


def test_a_clock_that_is_set_back_ends_what_was_decided(site: Site) -> None:
    said = packet(), ("192.0.2.9", 68)
    site.responder.answer([said], AT_67)
    assert site.responder.flow(said, AT_67)
    site.clock.now -= timedelta(seconds=1)
    assert site.responder.flow(said, AT_67) is None
