"""All transfers of one worker: their limits, their timers, and the report when one ends."""

from __future__ import annotations

import heapq
import itertools
import math
import os
from collections import Counter
from collections.abc import Callable

from pxed.content import Opened
from pxed.tftp.batch import Peer, address_of
from pxed.tftp.lessons import Lessons
from pxed.tftp.messages import Endpoint, TftpSettings, Transfer
from pxed.tftp.negotiation import Limits, Refusal, Terms
from pxed.tftp.outlet import Delivery, Outlet, printable
from pxed.tftp.session import Outcome, Session
from pxed.tftp.source import SourceError, Sources
from pxed.wire.tftp import ErrorCode, encode

_OUTLETS = 4
"""data sockets of one local address"""
_LONGEST_NAP = 0.1
"""Seconds after which a timer looks anew: an ACK after a long silence may have brought the deadline nearer."""
_MEASURED = 0.25
"""Seconds from one measurement of a round trip to the next, while all goes well."""
_PER_OUTLET = 256
"""Transfers before another socket is opened: the ACKs of all of them must fit in its receive buffer."""

_Timer = tuple[float, int, Delivery]
"""(when it rings, a serial number so that no two compare further, whose it is)"""


class Outlets:
    """The data sockets of one listening socket, for each local address that is asked."""

    def __init__(self, endpoint: Endpoint, deliveries: Deliveries) -> None:
        self._interface = endpoint.interface
        self._deliveries = deliveries
        self._by_address: dict[str, list[Outlet]] = {}

    def __iter__(self) -> itertools.chain[Outlet]:
        return itertools.chain.from_iterable(self._by_address.values())

    def choose(self, local: str, peer: Peer) -> Outlet:
        """The outlet of address `local` for a new transfer of `peer`, none that still may get packets of an earlier
        one; Refusal if there are too many of those."""
        outlets = self._by_address.setdefault(local, [])
        fitting = [outlet for outlet in outlets if not outlet.knows(peer)]
        if not fitting and len(outlets) == _OUTLETS:
            fitting = [outlet for outlet in outlets if peer not in outlet.deliveries]
            if not fitting:
                raise Refusal(ErrorCode.UNDEFINED, "too many transfers from this port")
        roomy = (outlet for outlet in fitting if len(outlet.deliveries) < _PER_OUTLET)
        chosen = next(roomy, None)
        if chosen is not None:
            return chosen
        if len(outlets) < _OUTLETS:
            outlets.append(self._deliveries.open_outlet(self._interface, local))
            return outlets[-1]
        return min(fitting, key=lambda outlet: len(outlet.deliveries))

    def any(self, local: str) -> Outlet:
        """An outlet to send an ERROR from, which needs no port of its own."""
        outlets = self._by_address.setdefault(local, [])
        if not outlets:
            outlets.append(self._deliveries.open_outlet(self._interface, local))
        return outlets[0]

    def running(self, local: str, peer: Peer, request: bytes) -> Delivery | None:
        """The transfer that the same request from the same client began and whose client has not answered yet."""
        for outlet in self._by_address.get(local, ()):
            delivery = outlet.deliveries.get(peer)
            if delivery is not None and delivery.request == request and not delivery.session.proven:
                return delivery
        return None

    def release_idle(self) -> None:
        """Closes the sockets of addresses without a transfer."""
        for local, outlets in list(self._by_address.items()):
            if not any(outlet.deliveries for outlet in outlets):
                self._release(local)

    def close(self) -> None:
        """Breaks all transfers off and closes all sockets."""
        for local in list(self._by_address):
            self._release(local)

    def _release(self, local: str) -> None:
        for outlet in self._by_address.pop(local):
            self._deliveries.close_outlet(outlet)


class Deliveries:
    """Starts transfers, wakes them when their time has come, and reports them to `report` when they have ended."""

    def __init__(
        self,
        counters: Counter[str],
        report: Callable[[Transfer], None],
        watch: Callable[[Outlet], None],
        unwatch: Callable[[Outlet], None],
        clock: Callable[[], float],
    ) -> None:
        self.count = 0
        """transfers under way"""
        self._per_client: Counter[bytes] = Counter()
        self._lessons = Lessons()
        self._sources = Sources()
        self._timers: list[_Timer] = []
        self._serial = itertools.count()
        self._counters = counters
        self._report = report
        self._watch = watch
        self._unwatch = unwatch
        self._clock = clock

    def open_outlet(self, interface: str, address: str) -> Outlet:
        """A data socket, watched from now on; OSError if `address` is not there any more."""
        outlet = Outlet(interface, address, self._counters, self._ended, self._schedule, self._clock)
        self._watch(outlet)
        return outlet

    def close_outlet(self, outlet: Outlet) -> None:
        """Ends what is left of its transfers."""
        self._unwatch(outlet)
        outlet.close()

    def check_limits(self, peer: Peer, settings: TftpSettings) -> None:
        """Refusal if one transfer more would be too many."""
        if self.count >= -(-settings.max_transfers // settings.workers):
            raise Refusal(ErrorCode.UNDEFINED, "too many transfers; try again later")
        if self._per_client[peer[4:]] >= settings.max_transfers_per_client:
            raise Refusal(ErrorCode.UNDEFINED, "too many transfers of this client; try again later")

    def limits(self, peer: Peer, limits: Limits) -> Limits:
        """`limits`, less what earlier transfers of the same client have taught."""
        return self._lessons.limits(peer[4:], limits, self._clock())

    def start(
        self, outlet: Outlet, peer: Peer, request: bytes, terms: Terms, opened: Opened, settings: TftpSettings
    ) -> None:
        """Begins to send `opened`, whose descriptor this takes over; Refusal if its file cannot be read."""
        try:
            source = self._sources.take(opened.fd, netascii=terms.netascii)
        except SourceError as error:
            raise Refusal(ErrorCode.UNDEFINED, str(error)) from None
        now = self._clock()
        session = Session(terms, source.size, retries=settings.retries, unproven_timeout=settings.timeout_seconds)
        delivery = Delivery(outlet, peer, request, session, terms, source, now)
        delivery.name, delivery.grant = printable(os.fsencode(opened.name)), opened.grant
        if terms.accepted:
            delivery.first_packet = encode(terms.reply(source.size))
        outlet.take(delivery)
        self.count += 1
        self._per_client[peer[4:]] += 1
        blocks = session.start(now)
        self._schedule(delivery)
        outlet.transmit(delivery, blocks)

    def wake(self, now: float) -> None:
        """Repeats what was not acknowledged in time."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            due, _, delivery = timers[0]
            session = delivery.session
            if session.outcome is not None or due != delivery.wake:  # over, or rescheduled meanwhile
                heapq.heappop(timers)
            elif session.deadline > now:
                if now >= delivery.measure_at:
                    session.measure()
                    delivery.measure_at = now + _MEASURED
                heapq.heapreplace(timers, self._timer(delivery, now))
            else:
                heapq.heappop(timers)
                delivery.outlet.transmit(delivery, session.expire(now))
                if session.outcome is None:
                    self._schedule(delivery)

    @property
    def next_timer(self) -> float:
        """When `wake` has something to do, on the clock's scale; infinity if never.

        An ACK moves a deadline on without a word here: the timer of each transfer rings at the old time, or after
        _LONGEST_NAP, and is set anew, a few times a second instead of once a packet.
        """
        return self._timers[0][0] if self._timers else math.inf

    def _schedule(self, delivery: Delivery) -> None:
        heapq.heappush(self._timers, self._timer(delivery, self._clock()))

    def _timer(self, delivery: Delivery, now: float) -> _Timer:
        delivery.wake = due = min(delivery.session.deadline, now + _LONGEST_NAP)
        return due, next(self._serial), delivery

    def _ended(self, delivery: Delivery) -> None:
        self.count -= 1
        client = delivery.peer[4:]
        self._per_client[client] -= 1
        if not self._per_client[client]:
            del self._per_client[client]
        session, terms = delivery.session, delivery.terms
        self._lessons.learn(client, terms, session, self._clock())
        if delivery.tail is not None:
            delivery.tail.close()
        self._sources.give_back(delivery.source)
        outcome = session.outcome or Outcome.FAILED
        self._counters[outcome.value] += 1
        self._counters["octets"] += session.octets
        self._counters["retransmissions"] += session.retransmitted
        self._report(
            Transfer(
                peer="{}:{}".format(*address_of(delivery.peer)),
                local=delivery.outlet.address,
                interface=delivery.outlet.interface,
                name=delivery.name,
                grant=delivery.grant,
                sent=session.octets,
                size=session.size,
                seconds=round(self._clock() - delivery.began, 6),
                block_size=terms.block_size,
                window=terms.window,
                retransmissions=session.retransmitted,
                outcome=outcome,
                reason=session.reason,
            )
        )
