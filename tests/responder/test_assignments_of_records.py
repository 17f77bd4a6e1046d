"""A recurring advertisement on one computer: what the decision says and what the records keep, week by week."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pxed.boot.token import Grant
from pxed.config import Config
from pxed.errors import Refused
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.verdict import Boot
from pxed.records import Records, Report
from pxed.site.boot_image import Cpu
from pxed.site.draft import Draft
from pxed.site.model import Kind, PxeRecord, RecordState, Rerun
from pxed.verdicts import Verdicts
from pxed.wire.architecture import architecture
from tests.site_in_memory import MemorySite
from tests.support import GUID, MAC, NOW, Clock, DirectWriter, add_computer, advertise

FACTS = Facts(MAC, GUID, architecture(7), Client.PXE, Stage.FIRMWARE, "eth0")
WEEK = timedelta(weeks=1)


class Bench:
    """NOW is a Monday, noon."""

    def __init__(self, rerun: Rerun) -> None:
        self.clock = Clock()
        self.site = MemorySite(now=NOW)
        self.subject = str(add_computer(self.site).id)
        made = advertise(self.site, Kind.MANDATORY)
        draft = replace(Draft.of(made), start=NOW - WEEK, assignments=("weekly mon 11:30",), rerun=rerun)
        self.site.change_advertisement(made.id, draft)
        self.records = Records(DirectWriter(self.site), Config(), self.clock)
        self.verdicts = Verdicts(self.site, self.records, Config(), self.clock)
        self.verdict: Boot

    def boots(self) -> bool:
        verdict = self.verdicts.decide(FACTS)
        if not isinstance(verdict, Boot) or not verdict.mandatory:
            return False
        self.verdict = verdict
        return True

    async def claim(self) -> PxeRecord:
        """What the verdict that was given last allowed."""
        return await self.records.claim(self.verdict, self.verdict.choices[0])

    async def run(self, end: RecordState) -> PxeRecord:
        claimed = await self.claim()
        grant = Grant(claimed.id, claimed.tries, 1, Cpu.AMD64, int(self.clock.unix()) + 9)
        for state in (RecordState.RUNNING, end):
            assert await self.records.report(grant, Report(state, "boot", ""))
        return claimed


@pytest.mark.parametrize("end", [RecordState.SUCCEEDED, RecordState.FAILED])
@pytest.mark.parametrize("rerun", Rerun)
async def test_each_week(rerun: Rerun, end: RecordState) -> None:
    bench = Bench(rerun)
    assert bench.boots()
    first = await bench.run(end)
    assert first.assigned_at == NOW - timedelta(minutes=30)
    for _ in range(2):  # for the same assignment never again
        bench.clock.advance(3600)
        assert not bench.boots()
        with pytest.raises(Refused):
            await bench.claim()
    bench.clock.now = NOW + WEEK
    again = {
        Rerun.NEVER: False,
        Rerun.ALWAYS: True,
        Rerun.IF_FAILED: end is RecordState.FAILED,
        Rerun.IF_SUCCEEDED: end is RecordState.SUCCEEDED,
    }
    assert bench.boots() is again[rerun]
    if again[rerun]:
        second = await bench.run(end)
        assert (second.tries, second.assigned_at) == (1, first.assigned_at + WEEK)
        assert second.id != first.id  # what the older run left behind finds nothing to change
        assert [record.id for record in bench.site.records(bench.subject)] == [second.id]
        bench.clock.advance(3600)
        assert not bench.boots()
