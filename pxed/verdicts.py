"""The one way to a verdict: asks the site, decides, logs, and remembers what was decided.

Ports 67 and 4011 and the boot scripts all come here, so they cannot disagree. Nothing here waits: the site is read
through indexes, and what is to be remembered (history, sightings, offers) goes to the writer's queue.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from pxed.config import Config
from pxed.errors import StoreError
from pxed.policy.decide import decide
from pxed.policy.facts import Facts, Stage
from pxed.policy.identify import Standing
from pxed.policy.verdict import Abort, Boot, Finding, Ignore, Verdict
from pxed.records import Records
from pxed.site.model import Sighting
from pxed.site.store import Reader

log = logging.getLogger("pxed.verdict")

_REPEAT = timedelta(seconds=60)
"""The same verdict for the same client within this time is a firmware's retry: logged at debug level only."""
_REMEMBERED_CLIENTS = 4096
"""Bound of that memory: a stranger can invent MAC addresses, so the oldest go first."""
_QUIET_RULES = frozenset({"service-enabled", "pxe-client", "delay"})
"""Rules that say nothing about a network boot: debug level only."""


class Verdicts:
    """Decides for one service point; `config` may be exchanged while it runs."""

    def __init__(self, reader: Reader, records: Records, config: Config, clock: Callable[[], datetime]) -> None:
        self.config = config
        self._reader = reader
        self._records = records
        self._clock = clock
        self._last: OrderedDict[str, tuple[str, str, datetime]] = OrderedDict()
        self._store_fault = ""

    def decide(self, facts: Facts) -> Verdict:
        """What `facts` shall do now. Where the database cannot be asked the verdict is silence, rule `database`."""
        now = self._clock()
        try:
            plan, evidence = self._reader.look_up(facts.mac, facts.guids)
        except StoreError as error:
            self._note_fault(str(error))
            verdict: Verdict = Ignore((Finding("database", f"cannot know: {error}"),), None)
        else:
            self._note_fault("")
            verdict = decide(facts, evidence, plan, self.config, now)
            self._remember(facts, verdict, now)
        self._log(facts, verdict, now)
        return verdict

    def _remember(self, facts: Facts, verdict: Verdict, now: datetime) -> None:
        identity = verdict.identity
        if identity is None:
            return
        if identity.standing is Standing.UNKNOWN and facts.stage is not Stage.SCRIPT:
            relay = str(facts.relay) if facts.relay else ""
            code = facts.architecture.code
            self._records.saw(Sighting(facts.mac, facts.guid, code, facts.interface, relay, now, now, 1))
        if isinstance(verdict, Boot) and verdict.mandatory and facts.stage is not Stage.SCRIPT:
            self._records.offered(identity.subject, verdict.choices[0].advertisement, facts.stage, now)

    def _log(self, facts: Facts, verdict: Verdict, now: datetime) -> None:
        outcome = outcome_of(verdict)
        level = logging.DEBUG if self._is_repeat(facts, verdict, outcome, now) else logging.INFO
        if not log.isEnabledFor(level):
            return
        identity = verdict.identity
        advertisement = verdict.choices[0].advertisement.name if isinstance(verdict, Boot) else ""
        log.log(
            level,
            "%s: %s",
            outcome,
            verdict.reason,
            extra={
                "mac": facts.mac,
                "guid": facts.guid,
                "iface": facts.interface,
                "arch": facts.architecture.name,
                "stage": facts.stage,
                "computer": identity.name if identity else "",
                "advertisement": advertisement,
                "rule": verdict.rule,
            },
        )

    def _is_repeat(self, facts: Facts, verdict: Verdict, outcome: str, now: datetime) -> bool:
        if verdict.rule in _QUIET_RULES:
            return True
        key, seen = f"{facts.mac} {facts.stage}", (outcome, verdict.rule, now)
        last = self._last.pop(key, None)
        self._last[key] = seen
        if len(self._last) > _REMEMBERED_CLIENTS:
            self._last.popitem(last=False)
        repeat = last is not None and last[:2] == seen[:2] and timedelta(0) <= now - last[2] < _REPEAT
        if not repeat and verdict.identity is not None and verdict.identity.standing is not Standing.UNKNOWN:
            text = f"{facts.stage}: {outcome}: {verdict.reason} [{verdict.rule}]"
            self._records.note_verdict(verdict.identity.subject, text, now)
        return repeat

    def _note_fault(self, text: str) -> None:
        if text != self._store_fault:
            self._store_fault = text
            if text:
                log.error("the database cannot be asked, clients get silence: %s", text)
            else:
                log.warning("the database answers again")


def outcome_of(verdict: Verdict) -> str:
    """The verdict in a word or two, for logs and history."""
    match verdict:
        case Boot(mandatory=True):
            return "boot"
        case Boot():
            return "boot on F12"
        case Abort():
            return "local boot"
        case _:
            return "ignored"
