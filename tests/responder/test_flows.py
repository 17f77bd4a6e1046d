"""Who is like whom to the compiled thread, and when what it was taught holds no longer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pxed.config import Config
from pxed.config import Responder as ResponderConfig
from pxed.responder import fastpath
from pxed.responder.endpoint import Answer
from pxed.responder.place import Place
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.model import EPOCH, CollectionRule, Kind, RuleKind
from pxed.site.sql import SqlTx
from pxed.wire.dhcp import decode
from pxed.wire.pxe import encode_client_guid
from tests.responder.flooding import (
    COLLECTIONS,
    Site,
    Thread,
    hours,
    needs_compiled,
    octets,
    packet,
    received,
    running,
    teach,
    udp_socket,
)
from tests.responder.sites import MACS, ONE, OTHER, STRANGER, SWAPPED, add, draft, join, record, remove_computer, sited
from tests.responder.test_answer import AT_67, AT_4011, from_ipxe

pytestmark = needs_compiled
_flows: Any = vars(fastpath)["_flows"]


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
    with closing(site.database.connect()) as driver:
        driver.execute("UPDATE computer SET guid = ? WHERE guid = ?", (str(SWAPPED), str(OTHER)))
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
