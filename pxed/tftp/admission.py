"""Which requests are looked at: what strangers could use against us or, with a forged sender, against others."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv4Address

from pxed.bucket import Bucket

_REFLECTING_PORTS = frozenset({0, 7, 13, 17, 19, 53, 67, 68, 69, 123})
"""Source ports of services that answer any datagram (echo, chargen, DNS, ...): two servers would talk for ever."""
_RATE = 1000.0
"""Requests a second of one address in the long run; GRUB reads its modules one after the other, some hundreds."""
_BURST = 2000.0
_TRACKED = 8192
"""Addresses whose rate is known, so that forged senders cannot fill the memory; the oldest go first."""


def can_be_answered(address: str, port: int) -> bool:
    """False for senders that no client has: groups, broadcast, nobody, and ports that answer by themselves."""
    sender = IPv4Address(address)
    return not (port in _REFLECTING_PORTS or sender.is_multicast or sender.is_reserved or sender.is_unspecified)


class Admission:
    """How often each address asks."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def admit(self, address: str, now: float) -> bool:
        """Whether a request of `address` is within its rate at `now` (seconds)."""
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = Bucket(_RATE, _BURST)
            if len(self._buckets) > _TRACKED:
                self._buckets.popitem(last=False)
        return bucket.take(now)
