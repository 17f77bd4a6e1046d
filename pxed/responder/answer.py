"""One datagram in, one answer out: the way of a packet, from bytes to bytes.

    datagram -> wire.decode -> facts -> verdict -> boot.offer -> wire.encode -> datagram

What cannot be answered is counted by its reason. Nothing here waits or raises for anything that a stranger sends.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Address

from pxed.boot.offer import Terms, loader_key, needs_loader, reply, shape_for
from pxed.boot.token import Ticket, seal
from pxed.config import Config
from pxed.errors import WireError
from pxed.policy.facts import Facts
from pxed.policy.record import BOOT_WINDOW
from pxed.policy.verdict import Ignore
from pxed.ports import BOOT_SERVER, DHCP_CLIENT, DHCP_SERVER
from pxed.responder.boots import Boots
from pxed.responder.endpoint import Address, Answer, Later, Place
from pxed.responder.hearing import facts_of
from pxed.verdicts import Verdicts
from pxed.wire.dhcp import BOOTREQUEST, MessageType, Packet, decode

log = logging.getLogger("pxed.responder")

_LONGEST_TIMER = 2.0
"""seconds; a longer delay is silence until a retry of the client comes late enough"""
_BROADCAST = IPv4Address("255.255.255.255")
_UNSPECIFIED = IPv4Address(0)
_TYPES = {
    DHCP_SERVER: {MessageType.DISCOVER},
    BOOT_SERVER: {MessageType.REQUEST, MessageType.INFORM},
}


class Responder:
    """Answers on all endpoints of one service point; `config`, `loaders` and `trust` may be exchanged while it runs."""

    def __init__(
        self,
        verdicts: Verdicts,
        config: Config,
        loaders: Mapping[str, str],
        key: bytes,
        unix_time: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.config = config
        self.loaders = loaders
        """file name of the boot loader by loader key (`bios`, `uefi-amd64`, ...)"""
        self.trust = b""
        """SHA-256 fingerprint of the authority that boot loaders shall trust; empty if HTTPS is not served"""
        self.counters: Counter[str] = Counter()
        """packets by what became of them; the keys are ours and few"""
        self._verdicts = verdicts
        self._key = key
        self._unix_time = unix_time
        self._boots = Boots(monotonic)

    def answer(self, data: bytes, peer: Address, place: Place) -> Answer | Later | None:
        """What to send for `data` from `peer`, if anything."""
        try:
            request = decode(data)
        except WireError as error:
            self.counters["malformed"] += 1
            log.debug("dropped %d bytes from %s: %s", len(data), peer[0], error)
            return None
        unfit = self._unfit(request, place)
        if unfit:
            self.counters[unfit] += 1
            return None
        facts = facts_of(request, place.interface.name, at_4011=place.port == BOOT_SERVER, boots=self._boots)
        if facts is None:
            self.counters["no Ethernet address"] += 1
            return None
        return self._answer(request, facts, peer, place)

    def _answer(self, request: Packet, facts: Facts, peer: Address, place: Place) -> Answer | Later | None:
        verdict = self._verdicts.decide(facts)
        if isinstance(verdict, Ignore) and verdict.retry_after is not None and verdict.retry_after <= _LONGEST_TIMER:
            self.counters["delayed"] += 1
            return Later(verdict.retry_after)
        shape = shape_for(facts, verdict)
        if shape is None:
            self.counters[f"ignored: {verdict.rule}"] += 1
            return None
        loader = self.loaders.get(loader_key(facts.architecture), "")
        if needs_loader(shape) and not loader:
            self.counters["no boot loader"] += 1
            log.error(
                "no boot loader for %s: `pxed check --deep` says which package has it",
                facts.architecture.name,
                extra={"mac": facts.mac, "iface": facts.interface, "arch": facts.architecture.name},
            )
            return None
        terms = Terms(place.address, self.config.http.port, loader, partial(self._ticket, facts), self.trust)
        packet = reply(request, shape, terms, at_4011=place.port == BOOT_SERVER)
        self.counters[f"answered: {shape.name}"] += 1
        return Answer(packet.encode(request.largest_reply), _destination(request, peer, place))

    def _ticket(self, facts: Facts) -> str:
        ticket = Ticket(
            mac=bytes.fromhex(facts.mac.replace(":", "")),
            guid=facts.guid,
            architecture=facts.architecture.code,
            https=facts.https,
            expires=int(self._unix_time() + BOOT_WINDOW.total_seconds()),
        )
        return seal(ticket, self._key)

    @staticmethod
    def _unfit(request: Packet, place: Place) -> str:
        """Why a well-formed packet is none that a service point answers; empty if it is one."""
        if request.op != BOOTREQUEST:
            return "a reply"
        if request.message_type not in _TYPES[place.port]:
            return "another message type"
        if request.giaddr in {_BROADCAST, place.address}:
            return "not a relay to answer"
        return ""


def _destination(request: Packet, peer: Address, place: Place) -> Address:
    """Where the reply goes (RFC 2131 section 4.1, for a reply that carries no address).

    On 4011 to the address and port that asked: EDK2 asks from 4011, iPXE from 68. On 67 to the relay agent or to all.
    """
    if place.port == BOOT_SERVER:
        return peer
    if request.giaddr != _UNSPECIFIED:
        return str(request.giaddr), DHCP_SERVER
    return str(_BROADCAST), DHCP_CLIENT
