"""Switching computers on: magic packets on the served interfaces, a few at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import islice

from pxed.interfaces import Interface, bind_udp
from pxed.wire.wake import DISCARD_PORT, magic_packet

log = logging.getLogger("pxed.wake")

BATCH = 32
"""Computers woken at one time: a hall of machines that start in one instant trips its fuses and floods its switches."""
PAUSE_SECONDS = 0.5
"""between two batches"""
_REPETITIONS = 2
"""Nobody acknowledges a magic packet, and one may be lost."""
_EVERYBODY = "255.255.255.255"


async def wake(macs: Iterable[str], interfaces: Sequence[Interface]) -> None:
    """Sends the magic packet for each of `macs` as a broadcast on each of `interfaces`, BATCH of them at a time.

    OSError if an interface cannot be used at all; a packet that the kernel does not take is told of in the log.
    """
    rest = iter(macs)
    with ExitStack() as stack:
        sockets = [stack.enter_context(bind_udp(one.name, str(one.addresses[0].ip), 0)) for one in interfaces]
        while batch := [magic_packet(mac) for mac in islice(rest, BATCH)]:
            for _ in range(_REPETITIONS):
                for packet in batch:
                    for endpoint in sockets:
                        try:
                            endpoint.sendto(packet, (_EVERYBODY, DISCARD_PORT))
                        except OSError as error:
                            log.warning("a magic packet was not sent: %s", error.strerror)
                await asyncio.sleep(PAUSE_SECONDS / _REPETITIONS)
