"""Datagrams in, answers out: the way of a packet, from bytes to bytes.

    datagram -> wire.decode -> facts -> verdict -> boot.offer -> wire.encode -> datagram

Packets come in batches, and those of a storm are alike but for who sends them: the first steps are taken once for each
form of packet (`hearing.py`), the verdict is made once for computers that are alike (`policy/alike.py`), and the reply
once for both. What cannot be answered is counted by its reason. Nothing here waits or raises for anything that a
stranger sends.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pxed.boot.offer import Terms, needs_loader, needs_ticket, reply, shape_for
from pxed.boot.token import Ticket, seal
from pxed.config import Config
from pxed.datagrams import Received
from pxed.errors import WireError
from pxed.policy.facts import Client, Facts
from pxed.policy.record import BOOT_WINDOW
from pxed.policy.verdict import Ignore, Verdict
from pxed.ports import BOOT_SERVER, DHCP_SERVER
from pxed.responder.boots import Boots
from pxed.responder.endpoint import Answer, Later, Outcome
from pxed.responder.flows import Flow, flow_of
from pxed.responder.hearing import Form, Hearing, Reply, facts_about
from pxed.responder.place import Place
from pxed.site.identifiers import mac_octets
from pxed.verdicts import Verdicts
from pxed.wire.architecture import loader_key
from pxed.wire.dhcp import decode
from pxed.wire.layout import Layout, Own

log = logging.getLogger("pxed.responder")

_LONGEST_TIMER = 2.0
"""seconds; a longer delay is silence until a retry of the client comes late enough"""
_MOST_PLACES = 1024
"""remembered; interfaces and addresses come and go"""
_NO_ADDRESS = bytes(4)


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
        self._hearings: dict[Place, Hearing] = {}
        self._prepared_for = config, loaders, self.trust

    def answer(self, batch: Sequence[Received], place: Place) -> list[Outcome]:
        """What to do about each datagram of `batch`, with the address that it came from; None for nothing."""
        outcomes: list[Outcome] = [None] * len(batch)
        hearing = self._hearing(place)
        heard: list[tuple[int, Form, Own]] = []
        clients: list[Facts] = []
        for index, (data, peer) in enumerate(batch):
            try:
                form, own = hearing.hear(data)
            except WireError as error:
                self.counters["malformed"] += 1
                log.debug("dropped %d bytes from %s: %s", len(data), peer[0], error)
                continue
            if form.unfit or form.facts is None:
                self.counters[form.unfit or "no Ethernet address"] += 1
                continue
            heard.append((index, form, own))
            clients.append(facts_about(own, form.facts, self._waited(own, form.facts, place)))
        verdicts = self._verdicts.decide_all(clients)
        for (index, form, own), facts, verdict in zip(heard, clients, verdicts, strict=True):
            outcomes[index] = self._outcome(form, own, facts, verdict, batch[index], place)
        return outcomes

    def flow(self, received: Received, place: Place) -> Flow | None:
        """The flow that a datagram belongs to, once it has been answered; None if it belongs to none."""
        data, _ = received
        try:
            form, own = self._hearing(place).hear(data)
        except WireError:
            return None
        if form.unfit or form.facts is None:
            return None
        kept = self._verdicts.kept_for(facts_about(own, form.facts, self._waited(own, form.facts, place)))
        return flow_of(data, form, kept, place) if kept else None

    def is_flood(self) -> bool:
        """Whether more is answered than is told of."""
        return self._verdicts.is_flood()

    def count(self, counted: dict[str, int], lost: int) -> None:
        """So many packets were answered by flows, and so many were more than could be looked at."""
        self.counters.update(counted)
        if lost:
            self.counters["too many at once"] += lost
        self._verdicts.passed_over(sum(counted.values()))

    def _hearing(self, place: Place) -> Hearing:
        terms = self.config, self.loaders, self.trust
        if self._prepared_for != terms or len(self._hearings) > _MOST_PLACES:
            self._hearings.clear()
            self._prepared_for = terms
        hearing = self._hearings.get(place)
        if hearing is None:
            hearing = self._hearings[place] = Hearing(place)
        return hearing

    def _waited(self, own: Own, kind: Facts, place: Place) -> float:
        """For the rule `delay`; nothing is waited for on port 4011, nor for an ordinary DHCP client."""
        if not self.config.responder.delay_seconds or place.port == BOOT_SERVER or kind.client is Client.OTHER:
            return float("inf")
        return self._boots.waited(own.mac)

    def _outcome(
        self, form: Form, own: Own, facts: Facts, verdict: Verdict, received: Received, place: Place
    ) -> Outcome:
        if isinstance(verdict, Ignore):
            if verdict.retry_after is not None and verdict.retry_after <= _LONGEST_TIMER:
                self.counters["delayed"] += 1
                return Later(verdict.retry_after)
            self.counters[f"ignored: {verdict.rule}"] += 1
            return None
        data, peer = received
        destination = form.destination or peer
        prepared = form.replies.get(type(verdict))
        if prepared is not None:
            self.counters[prepared.counted_as] += 1
            if place.port == DHCP_SERVER and own.ciaddr != _NO_ADDRESS:
                own = own._replace(ciaddr=_NO_ADDRESS)  # as `reply` does
            return Answer(prepared.layout.join(prepared.common, own), destination)
        made = self._reply(form, facts, verdict, data, place)
        return None if made is None else Answer(made, destination)

    def _reply(self, form: Form, facts: Facts, verdict: Verdict, data: bytes, place: Place) -> bytes | None:
        """The reply to `data`, if there is one; kept for all of its form unless a ticket is in it."""
        shape = shape_for(facts, verdict, self.config.responder)
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
        request = decode(data)
        packet = reply(request, shape, terms, at_4011=place.port == BOOT_SERVER).encode(request.largest_reply)
        counted_as = f"answered: {shape.name}"
        self.counters[counted_as] += 1
        layout = None if needs_ticket(shape) else Layout.of(packet)
        if layout is not None:
            form.replies[type(verdict)] = Reply(layout, layout.split(packet)[0], counted_as)
        return packet

    def _ticket(self, facts: Facts) -> str:
        ticket = Ticket(
            mac=mac_octets(facts.mac),
            guid=facts.guid,
            architecture=facts.architecture.code,
            https=facts.https,
            expires=int(self._unix_time() + BOOT_WINDOW.total_seconds()),
        )
        return seal(ticket, self._key)
