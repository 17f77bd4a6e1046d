"""Exactly once, whatever fails: any order of boots, crashes, clears, jumps of the clock, edits, and a second service
point, against the reference model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pxed.boot.token import Grant
from pxed.config import Config, Responder, Service
from pxed.errors import PxedError, StoreError
from pxed.policy.decide import decide
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.record import BOOT_WINDOW
from pxed.policy.verdict import Boot, Verdict
from pxed.records import Records, Report
from pxed.site.boot_image import Cpu
from pxed.site.model import Kind, PxeRecord, RecordState
from pxed.site.store import Tx
from pxed.verdicts import Verdicts
from pxed.wire.architecture import architecture
from tests.records.reference import Reference
from tests.site_in_memory import MemorySite
from tests.support import GUID, MAC, NOW, Clock, DirectWriter, add_computer, advertise

T = TypeVar("T")
AT_LENGTH = bool(os.environ.get("PXED_PROOF"))
pytestmark = pytest.mark.timeout(3600 if AT_LENGTH else 120)

ATTEMPTS = 3
WANTED = frozenset({"vmlinuz", "initramfs.img"})
NAMES = ("north", "south")
POINTS = st.sampled_from(NAMES)
DAYS = st.sampled_from([-365, -1, 1, 365])
SECONDS = st.sampled_from([1, 30, 119, 121, 599, 601, 4000])


class MortalWriter(DirectWriter):
    """A writer whose process may die just before it commits the next change, or just after."""

    dies = ""

    def submit(self, job: Callable[[Tx], T]) -> Future[T]:
        dies, self.dies = self.dies, ""
        future: Future[T] = Future() if dies == "before" else super().submit(job)
        if dies:
            future = Future()
            future.set_exception(StoreError(f"died {dies} the commit"))
        return future


class Point:
    """One service point, as often as it is started."""

    def __init__(self, name: str, site: MemorySite, clock: Clock) -> None:
        self.writer = MortalWriter(site)
        self.config = Config(service=Service(name=name), responder=Responder(attempts=ATTEMPTS))
        self._site, self._clock = site, clock
        self.start()

    def start(self) -> None:
        """Anew: what only the process knew is lost."""
        self.records = Records(self.writer, self.config, self._clock)
        self.verdicts = Verdicts(self._site, self.records, self.config, self._clock)


class ExactlyOnce(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.site = MemorySite(now=NOW)
        self.computer = add_computer(self.site)
        self.advertisement = advertise(self.site, Kind.MANDATORY)
        self.points = {name: Point(name, self.site, self.clock) for name in NAMES}
        self.reference = Reference(ATTEMPTS)
        self.grants: list[tuple[Grant, int]] = []
        """every grant that ever was handed out, with the number of its run"""
        self.runs = 0
        self.verdicts: list[tuple[str, Boot]] = []
        self.last: PxeRecord | None = None
        self.loop = asyncio.new_event_loop()

    def teardown(self) -> None:
        self.loop.close()

    @initialize(name=POINTS)
    def switched_on_for_the_first_time(self, name: str) -> None:
        self.switched_on(name)

    @rule(name=POINTS)
    def switched_on(self, name: str) -> None:
        """Firmware asks all; the computer may be anywhere in an earlier boot, so this is also its crash."""
        for each in (name, *(other for other in NAMES if other != name)):
            self.ask(each, Stage.FIRMWARE)

    @rule(name=POINTS, stage=st.sampled_from([Stage.REQUEST, Stage.LOADER]))
    def asked(self, name: str, stage: Stage) -> None:
        self.ask(name, stage)

    @rule(name=POINTS)
    def asked_for_the_script(self, name: str) -> None:
        """The loader of one boot may ask twice, and one that asks without any offer is a boot as well."""
        verdict = self.ask(name, Stage.SCRIPT)
        if isinstance(verdict, Boot) and verdict.mandatory:
            self.verdicts.append((name, verdict))
            self.claims(name, verdict)

    @precondition(lambda self: self.verdicts)
    @rule(data=st.data())
    def claims_late(self, data: st.DataObject) -> None:
        """Between a verdict and its claim anything may happen, another claim of the same try among it."""
        self.claims(*data.draw(st.sampled_from(self.verdicts)))

    @rule(name=POINTS, other=POINTS, steps=st.integers(1, 5))
    def boots_through(self, name: str, other: str, steps: int) -> None:
        """One boot as it should be, as far as it comes."""
        self.switched_on(name)
        self.asked_for_the_script(name)
        self.asked_for_the_script(other)
        for file in sorted(WANTED)[: steps - 1]:
            self.send(name, file, -1)
        for state in (RecordState.RUNNING, RecordState.SUCCEEDED)[: max(0, steps - 3)]:
            self.hear(name, state, f"boot {len(self.grants)}", -1)

    def claims(self, name: str, verdict: Boot) -> None:
        self.reference.run.asked += 1
        try:
            record = self.loop.run_until_complete(self.points[name].records.claim(verdict, verdict.choices[0]))
        except PxedError:
            return
        self.reference.handed_out(record.tries, name)
        self.grants.append((Grant(record.id, record.tries, 1, Cpu.AMD64, 0), self.runs))

    @precondition(lambda self: self.grants)
    @rule(data=st.data(), name=POINTS, file=st.sampled_from(sorted(WANTED)))
    def sent_a_file(self, data: st.DataObject, name: str, file: str) -> None:
        """With any grant that ever was: late, twice, of an older boot."""
        self.send(name, file, data.draw(st.integers(0, len(self.grants) - 1)))

    def send(self, name: str, file: str, which: int) -> None:
        if not self.grants:
            return
        grant, _ = self.grants[which]
        before = self.record()
        self.points[name].records.fetched(grant, file, WANTED)
        after = self.record()
        if after != before:
            assert after is not None
            assert after.state is RecordState.BOOTING
            self.check_is_latest(grant)
            self.reference.fetched()

    @precondition(lambda self: self.grants)
    @rule(
        data=st.data(),
        name=POINTS,
        state=st.sampled_from([RecordState.RUNNING, RecordState.SUCCEEDED, RecordState.FAILED, None]),
        boot=st.sampled_from(["boot-a", "boot-b", "boot-c"]),
    )
    def heard_from_an_agent(self, data: st.DataObject, name: str, state: RecordState | None, boot: str) -> None:
        self.hear(name, state, boot, data.draw(st.integers(0, len(self.grants) - 1)))

    def hear(self, name: str, state: RecordState | None, boot: str, which: int) -> None:
        if not self.grants:
            return
        grant, _ = self.grants[which]
        report = Report(state, boot, "")
        try:
            record = self.loop.run_until_complete(self.points[name].records.report(grant, report))
        except PxedError:
            record = self.record()  # it may have been written before the process died
            if record is None or record.state is not RecordState.RUNNING or record.agent_boot != boot:
                return
        if record is not None:
            self.check_is_latest(grant)
            self.reference.begun(f"{boot} in try {grant.try_number}")

    @rule(name=POINTS, moment=st.sampled_from(["before", "after"]))
    def dies_at_the_next_change(self, name: str, moment: str) -> None:
        self.points[name].writer.dies = moment

    @rule(name=POINTS)
    def is_started_again(self, name: str) -> None:
        self.points[name].start()

    @rule(seconds=SECONDS)
    def time_goes_by(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(days=DAYS)
    def clock_jumps(self, days: int) -> None:
        self.clock.now += timedelta(days=days)

    @rule()
    def cleared(self) -> None:
        record = self.record()
        if record is not None:
            self.site.delete_record(record.id)
        self.reference.cleared()
        self.runs += 1

    @rule(enabled=st.booleans())
    def edited(self, enabled: bool) -> None:
        self.site.set_enabled(self.advertisement.id, enabled)

    @rule(protected=st.booleans())
    def protected(self, protected: bool) -> None:
        self.site.set_protected(self.computer.id, protected)

    @rule(stop=st.booleans())
    def stopped(self, stop: bool) -> None:
        _ = self.site.stop_all() if stop else self.site.resume()

    @invariant()
    def tries_are_bounded(self) -> None:
        record = self.record()
        assert record is None or record.tries <= min(ATTEMPTS, self.reference.run.asked)

    @invariant()
    def a_try_never_goes_back(self) -> None:
        last, record = self.last, self.record()
        if last and record and (last.id, last.tries) == (record.id, record.tries):
            assert list(RecordState).index(record.state) >= list(RecordState).index(last.state)
            assert last.agent_boot in {"", record.agent_boot}
        self.last = record

    @invariant()
    def nobody_is_stuck(self) -> None:
        """A boot at any later time gets it while it may: nothing waits for a dead process or a lost message."""
        if self.advertisement_is_free():
            facts, later = self.facts(Stage.FIRMWARE), self.clock.now + BOOT_WINDOW
            record = self.record()
            plan, evidence = self.site.look_up(MAC, [GUID])
            for point in self.points.values():
                verdict = decide(facts, evidence, plan, point.config, later)
                given = isinstance(verdict, Boot) and verdict.mandatory
                assert given == self.reference.must_get_it(record.tries if record else 0), verdict.trail

    def ask(self, name: str, stage: Stage) -> Verdict:
        self.reference.run.asked += 1
        return self.points[name].verdicts.decide(self.facts(stage))

    @staticmethod
    def facts(stage: Stage) -> Facts:
        client = Client.PXE if stage in {Stage.FIRMWARE, Stage.REQUEST} else Client.IPXE
        return Facts(MAC, GUID, architecture(7), client, stage, "eth0")

    def record(self) -> PxeRecord | None:
        return next(iter(self.site.records(str(self.computer.id))), None)

    def check_is_latest(self, grant: Grant) -> None:
        """Nothing of an older run or try has changed anything."""
        (_, run) = next(each for each in self.grants if each[0] == grant)
        record = self.record()
        assert record is not None
        assert (run, grant.record_id, grant.try_number) == (self.runs, record.id, record.tries)

    def advertisement_is_free(self) -> bool:
        advertisement, restraints = self.site.advertisement(self.advertisement.id), self.site.restraints()
        started = advertisement.start <= self.clock.now
        held = restraints.stop is not None or self.site.is_protected(self.computer.id)
        return advertisement.enabled and started and not held


TestExactlyOnce = ExactlyOnce.TestCase
TestExactlyOnce.settings = settings(max_examples=5_000 if AT_LENGTH else 100, stateful_step_count=40)
