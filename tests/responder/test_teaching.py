"""What the compiled thread is given: a site to read, and flows made of answers."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pxed.config import Responder as ResponderConfig
from pxed.responder import fastpath
from pxed.responder.flows import Flow, Ground
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.model import Evidence
from pxed.site.sql.flows import flow_site, likeness_of
from tests.responder.flooding import Site, needs_compiled, packet
from tests.responder.sites import MACS, ONE, OTHER, STRANGER, SWAPPED, add, join, record
from tests.responder.test_answer import AT_67, AT_4011

pytestmark = needs_compiled
_flows: Any = vars(fastpath)["_flows"]


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
