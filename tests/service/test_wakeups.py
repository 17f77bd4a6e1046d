"""Computers are woken when an advertisement made with `--wake` falls due: once, and only those that it is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from pxed import wakeups
from pxed.config import Config
from pxed.interfaces import Interface
from pxed.site.draft import Draft
from pxed.site.model import Advertisement, Kind, PxeRecord, RecordState, Rerun
from pxed.site.store import Tx
from pxed.wakeups import WakeUps
from tests.site_in_memory import MemorySite
from tests.support import NOW, Clock, DirectWriter, add_computer, advertise

FIRST, SECOND = "52:54:00:00:00:01", "52:54:00:00:00:02"
ETH0 = Interface("eth0", "52:54:00:00:00:ff", 1500, ())


class Bench:
    """A site with two computers, and a service point that looks for assignments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = MemorySite(now=NOW)
        self.clock = Clock()
        self.woken: list[str] = []
        self.first = add_computer(self.site, "first", FIRST, None)
        self.second = add_computer(self.site, "second", SECOND, None)
        monkeypatch.setattr(wakeups, "wake", self._wake)
        self.wake_ups = self.point()

    def point(self) -> WakeUps:
        writer = DirectWriter(self.site)
        return WakeUps(Config, self.site.plan, self._reading, writer, lambda: [ETH0], self.clock)

    def advertise(self, **values: object) -> Advertisement:
        made = advertise(self.site, Kind.MANDATORY)
        terms = {"start": NOW, "wake": True, "assignments": ("every 1 day from 2026-05-05 06:00",)} | values
        return self.site.change_advertisement(made.id, replace(Draft.of(made), **terms))  # type: ignore[arg-type]

    async def woken_at(self, days: float) -> list[str]:
        """Whom a look so long after NOW (12:00 UTC) wakes."""
        self.clock.now = NOW + timedelta(days=days)
        await self.wake_ups.look()
        woken, self.woken = self.woken, []
        return woken

    async def _wake(self, macs: Iterable[str], interfaces: list[Interface]) -> None:
        assert interfaces == [ETH0]
        self.woken += macs

    @contextmanager
    def _reading(self) -> Iterator[Tx]:
        yield self.site


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


DUE = 0.75
"""days from NOW to 06:00 of the next day"""


async def test_at_the_assignment_and_once(bench: Bench) -> None:
    bench.advertise()
    assert await bench.woken_at(DUE - 0.001) == []
    assert await bench.woken_at(DUE) == [FIRST, SECOND]
    assert await bench.woken_at(DUE + 0.001) == []
    assert await bench.woken_at(DUE + 1) == [FIRST, SECOND]
    texts = [event.text for event in bench.site.events(str(bench.first.id), 100) if event.kind == "wake"]
    assert texts == ["'Install Debian': magic packet on eth0"] * 2


async def test_another_service_point_or_the_next_start_of_this_one_wakes_nobody_again(bench: Bench) -> None:
    bench.advertise()
    assert await bench.woken_at(DUE) == [FIRST, SECOND]
    bench.wake_ups = bench.point()
    assert await bench.woken_at(DUE) == []


async def test_nobody_an_hour_too_late(bench: Bench) -> None:
    bench.advertise()
    assert await bench.woken_at(DUE + 1 / 24) == []


@pytest.mark.parametrize(
    ("rerun", "woken"), [(Rerun.NEVER, [SECOND]), (Rerun.ALWAYS, [FIRST, SECOND]), (Rerun.IF_FAILED, [SECOND])]
)
async def test_only_those_on_which_it_would_run(bench: Bench, rerun: Rerun, woken: list[str]) -> None:
    made = bench.advertise(rerun=rerun)
    done = PxeRecord(0, str(bench.first.id), made.id, RecordState.SUCCEEDED, 1, NOW, NOW, "", "", assigned_at=NOW)
    bench.site.save_record(done)
    assert await bench.woken_at(DUE) == woken


@pytest.mark.parametrize("terms", [{"wake": False}, {"enabled": False}, {"pxe": False}])
async def test_nobody_if_it_is_not_handed_out(bench: Bench, terms: dict[str, bool]) -> None:
    bench.advertise(**terms)
    assert await bench.woken_at(DUE) == []


async def test_nobody_whom_the_guard_would_refuse(bench: Bench) -> None:
    bench.advertise()
    bench.site.set_protected(bench.first.id, True)
    assert await bench.woken_at(DUE) == [SECOND]
    bench.site.stop_all()
    assert await bench.woken_at(DUE + 1) == []


async def test_members_of_subcollections_as_the_advertisement_says(bench: Bench) -> None:
    made = bench.advertise(include_subcollections=False)
    lab = bench.site.find_collection("lab")
    assert lab
    left = bench.site.add_collection("left", parent_id=lab.id)
    bench.site.remove_member(lab.id, bench.first.id)
    bench.site.add_member(left.id, bench.first.id)
    assert await bench.woken_at(DUE) == [SECOND]
    bench.site.change_advertisement(made.id, replace(Draft.of(made), include_subcollections=True))
    assert await bench.woken_at(DUE + 1) == [FIRST, SECOND]
