"""Flows: what is answered to packets of one form from clients who are alike, as the fast path is taught it."""

from __future__ import annotations

import socket
from typing import NamedTuple

from pxed.datagrams import Address
from pxed.policy.alike import Lasting, is_by_collections
from pxed.policy.verdict import Ignore
from pxed.ports import DHCP_SERVER
from pxed.responder.hearing import Form, Reply
from pxed.responder.place import Place
from pxed.site.identifiers import mac_octets
from pxed.site.model import Evidence, Plan
from pxed.site.sql.flows import likeness_of
from pxed.wire.layout import NOWHERE, Layout, Own, Span

_NOT_THERE = -1


class Ground(NamedTuple):
    """What flows were decided on; when it is another one, all are forgotten."""

    plan: Plan
    since: float
    """seconds of Unix time, as is `until`"""
    until: float
    """from then on another verdict is possible; infinite if that is never so"""

    @property
    def alone(self) -> tuple[bytes, bytes]:
        """The MAC addresses and the GUIDs, as packets have them, whose bearers are like nobody else: those on lists."""
        lists = self.plan.ignored, self.plan.shared
        macs = b"".join(mac_octets(mac) for each in lists for mac in each.macs)
        return macs, b"".join(guid.bytes_le for each in lists for guid in each.guids)


class Flow(NamedTuple):
    """One flow; the fields after `ground` are what `Flows.teach` takes (`_flows.c`)."""

    ground: Ground
    packet: bytes
    common: tuple[Span, ...]
    guid_at: int
    relay: Span
    destination: bytes
    likeness: bytes
    reply: bytes
    places: tuple[int, int, int, int, int]
    counted_as: str


def flow_of(data: bytes, form: Form, known: tuple[Plan, Evidence, Lasting], place: Place) -> Flow | None:
    """The flow of a datagram that was answered, with the verdict of `known`; None if it is in none."""
    plan, evidence, lasting = known
    likeness = likeness_of(evidence)
    layout = Layout.of(data)
    if layout is None or likeness is None or (likeness and not is_by_collections(plan)):
        return None
    if isinstance(lasting.verdict, Ignore):
        reply, places, counted_as = b"", (_NOT_THERE,) * 5, f"ignored: {lasting.verdict.rule}"
    else:
        prepared = form.replies.get(type(lasting.verdict))
        if prepared is None:
            return None  # it has a ticket of its own, or there is no boot loader
        reply, places, counted_as = _blank(prepared), _places(prepared.layout, place), prepared.counted_as
    return Flow(
        Ground(plan, lasting.since.timestamp(), lasting.until.timestamp() if lasting.until else float("inf")),
        data,
        layout.common,
        _at(layout.own["guid"]),
        layout.own["relay"] if layout.own["relay"] != NOWHERE else (_NOT_THERE, _NOT_THERE),
        _octets(form.destination) if form.destination else b"",
        likeness,
        reply,
        places,
        counted_as,
    )


def _blank(prepared: Reply) -> bytes:
    """The reply with zeros for what is the sender's own."""
    layout = prepared.layout
    own = Own._make(bytes(end - at) for at, end in layout.own.values())
    return layout.join(prepared.common, own)


def _places(layout: Layout, place: Place) -> tuple[int, int, int, int, int]:
    """Where in a reply what is the sender's own goes; an OFFER's ciaddr stays zero (`boot.offer.reply`)."""
    xid, ciaddr, mac, guid, relay = (_at(layout.own[name]) for name in Own._fields)
    return xid, _NOT_THERE if place.port == DHCP_SERVER else ciaddr, mac, guid, relay


def _at(span: Span) -> int:
    return _NOT_THERE if span == NOWHERE else span[0]


def _octets(address: Address) -> bytes:
    """4 octets of address and 2 of port, as the wire has them."""
    host, port = address
    return socket.inet_aton(host) + port.to_bytes(2)
