"""The one way to a verdict: asks the site, decides, and sees to it that what was decided is told and remembered.

Ports 67 and 4011 and the boot scripts all come here, so they cannot disagree. Nothing here waits: the site is read
through indexes, and what is to be remembered (history, sightings, offers) goes to the writer's queue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from pxed.bucket import Bucket
from pxed.config import Config
from pxed.errors import StoreError
from pxed.identities import Identities
from pxed.policy.alike import Kept, Lasting
from pxed.policy.counting import counted
from pxed.policy.decide import decide, ignore_list, name_of
from pxed.policy.facts import Facts, Stage
from pxed.policy.verdict import Boot, Finding, Ignore, Verdict
from pxed.records import Records
from pxed.site.model import Evidence, Plan, Sighting
from pxed.site.restraints import Stop
from pxed.site.store import Reader
from pxed.verdict_log import QUIET_RULES, TOLD_A_SECOND, TOLD_AT_ONCE, Soon, VerdictLog, at_once
from pxed.wire.architecture import LOADER_KEYS

log = logging.getLogger("pxed.verdict")

_NOT_REMEMBERED = QUIET_RULES | {name_of(ignore_list)}
"""Rules after which it does not matter who it was."""
_AT_ONCE, _A_SECOND = 1_000, 100
"""So many things are remembered of who asked at once, and so many a second in a storm that lasts: then the processor
belongs to the answers, and who was passed over is noticed with the next boot. What waits to be written is also what
the garbage collector has to look through, again and again, while nobody is answered."""


class Verdicts:
    """Decides for one service point; `config` may be exchanged while it runs."""

    def __init__(
        self,
        reader: Reader,
        records: Records,
        config: Config,
        clock: Callable[[], datetime],
        soon: Soon = at_once,
    ) -> None:
        self.config = config
        self._reader = reader
        self._records = records
        self._clock = clock
        self._kept = Kept()
        self._log = VerdictLog(records, soon)
        self._room = Bucket(_A_SECOND, _AT_ONCE)
        self._identities = Identities(records.later, self._room)
        self._pace = Bucket(TOLD_A_SECOND, TOLD_AT_ONCE)
        self._is_flood = False
        self._store_fault = ""
        self._stop: Stop | None = None

    def decide(self, facts: Facts) -> Verdict:
        """What `facts` shall do now. Where the database cannot be asked the verdict is silence, rule `database`."""
        (verdict,) = self._decide([facts], decide)
        return verdict

    def decide_all(self, clients: Sequence[Facts]) -> list[Verdict]:
        """The same for many at once, in their order; those that are alike share one without `identity`."""
        self._is_flood = not self._pace.spend(self._clock().timestamp(), len(clients))
        return self._decide(clients, self._kept.decide) if clients else []

    def is_flood(self) -> bool:
        """Whether more is decided than is told and remembered: of so many at the last time that anything was."""
        return self._is_flood

    def flush(self) -> None:
        """Tells of what was decided, if that waits."""
        self._log.flush()

    def passed_over(self, count: int) -> None:
        """So many clients more were answered with a verdict that is kept for all who are alike."""
        self._log.passed_over(count, self._clock())

    def kept_for(self, facts: Facts) -> tuple[Plan, Evidence, Lasting] | None:
        """The verdict that all clients like this one get, and what it was decided on; None if it has one of its own."""
        try:
            plan, evidence = self._reader.look_up(facts.mac, facts.guids)
        except StoreError:
            return None
        lasting = self._kept.find(facts, evidence, plan, self.config, self._clock())
        return (plan, evidence, lasting) if lasting else None

    def _decide(
        self, clients: Sequence[Facts], way: Callable[[Facts, Evidence, Plan, Config, datetime], Verdict]
    ) -> list[Verdict]:
        now = self._clock()
        try:
            plan, found = self._reader.look_up_all([(facts.mac, facts.guids) for facts in clients])
        except StoreError as error:
            self._note_fault(str(error))
            return [Ignore((Finding("database", f"cannot know: {error}"),), None)] * len(clients)
        self._note_fault("")
        self._note_stop(plan.restraints.stop)
        verdicts = []
        for facts, evidence in zip(clients, found, strict=True):
            verdict = way(facts, evidence, plan, self.config, now)
            try:
                verdict = counted(self._reader, verdict, facts, evidence, plan, self.config, now)
            except StoreError as error:
                self._note_fault(str(error))
                verdict = Ignore((Finding("database", f"cannot know: {error}"),), None)
            if verdict.rule not in _NOT_REMEMBERED:
                self._remember(facts, evidence, verdict, now)
            self._log.tell(facts, evidence, verdict, now)
            verdicts.append(verdict)
        return verdicts

    def _remember(self, facts: Facts, evidence: Evidence, verdict: Verdict, now: datetime) -> None:
        if facts.stage is Stage.SCRIPT:
            return
        if facts.guid is not None:
            self._identities.notice(facts.mac, facts.guid, facts.interface, now, conflict=evidence.disagrees)
        known = evidence.known
        code = facts.architecture.code
        if known is not None:
            if known.computer.firmware != LOADER_KEYS.get(code, "") and self._room.take(now.timestamp()):
                self._records.heard(known.computer.id, code)
        elif self._room.take(now.timestamp()):
            relay = str(facts.relay) if facts.relay else ""
            self._records.saw(Sighting(facts.mac, facts.guid, code, facts.interface, relay, now, now, 1))
        if isinstance(verdict, Boot) and verdict.starts_by_itself and verdict.identity is not None:
            self._records.offered(verdict.identity.subject, verdict.choices[0].advertisement, facts.stage, now)

    def _note_stop(self, stop: Stop | None) -> None:
        if stop != self._stop:
            self._stop = stop
            if stop:
                why = f": {stop.reason}" if stop.reason else ""
                log.warning("ALL MANDATORY HAND-OUTS ARE STOPPED by %s%s", stop.by, why)
            else:
                log.warning("mandatory hand-outs go on")

    def _note_fault(self, text: str) -> None:
        if text != self._store_fault:
            self._store_fault = text
            if text:
                log.error("the database cannot be asked, clients get silence: %s", text)
            else:
                log.warning("the database answers again")
