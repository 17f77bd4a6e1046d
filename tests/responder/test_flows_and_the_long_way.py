"""The compiled thread says what the long way says, octet for octet, or leaves a packet to it."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from pxed.config import Config
from pxed.config import Responder as ResponderConfig
from pxed.errors import PxedError
from pxed.responder import fastpath
from pxed.responder.endpoint import Answer
from pxed.responder.flows import Ground
from pxed.responder.place import Place
from pxed.site.draft import Draft
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.model import CollectionRule, Kind, RuleKind
from pxed.site.sql.flows import likeness_of
from pxed.wire.dhcp import decode
from pxed.wire.pxe import client_guid, encode_client_guid
from tests.responder.flooding import Site, Thread, needs_compiled, octets, packet, teach
from tests.responder.sites import GUIDS, MACS, ONE, STRANGER, draft, join, record, sited
from tests.responder.test_answer import AT_67, AT_4011, discover, from_ipxe

pytestmark = needs_compiled
_flows: Any = vars(fastpath)["_flows"]


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


@settings(max_examples=40)
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
