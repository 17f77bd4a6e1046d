"""The timers of a worker's transfers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pxed.content import Opened
from pxed.tftp.batch import peer_of
from pxed.tftp.deliveries import Deliveries
from pxed.tftp.messages import TftpSettings
from pxed.tftp.outlet import Delivery

from .simulation import agreed

PEER = peer_of("127.0.0.1", 9)  # nobody is there


@dataclass
class Clock:
    """Seconds, as the test says."""

    now: float = 0.0
    delivery: Delivery = field(init=False)
    deliveries: Deliveries = field(init=False)

    def wake_at(self, now: float) -> None:
        """It is `now`, and the client was heard a moment ago."""
        self.now = now
        self.delivery.session.deadline = now + 1
        self.deliveries.wake(now)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    """A transfer that began at 0."""
    path = tmp_path / "file"
    path.write_bytes(bytes(512 * 1000))
    settings = TftpSettings(1, (), 512, 64, 10, 10, 1.0, 3, tmp_path, tmp_path, {}, bytes(32))
    one = Clock()
    one.deliveries = Deliveries(Counter(), lambda _: None, lambda _: None, lambda _: None, lambda: one.now)
    outlet = one.deliveries.open_outlet("", "127.0.0.1")
    opened = Opened(os.open(path, os.O_RDONLY), 512 * 1000, 0, "file", None)
    one.deliveries.start(outlet, PEER, b"", agreed(), opened, settings)
    one.delivery = outlet.deliveries[PEER]
    yield one
    one.deliveries.close_outlet(outlet)


def test_the_round_trip_is_measured_four_times_a_second_while_all_goes_well(clock: Clock) -> None:
    measured = []
    for look in range(1, 21):
        clock.delivery.session.awaited = 7
        clock.wake_at(look * 0.1)
        measured.append(clock.delivery.session.awaited != 7)
    assert measured[:7] == [True, False, False, True, False, False, True]
    assert sum(measured) == 7


def test_a_client_that_is_silent_is_sent_the_block_again_whenever_it_was_measured(clock: Clock) -> None:
    clock.now = clock.delivery.session.deadline
    clock.deliveries.wake(clock.now)
    assert clock.delivery.session.retransmitted == 1
