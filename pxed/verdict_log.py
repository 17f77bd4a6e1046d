"""What is told of verdicts: a log line and a line of history for each that is news, and no more than somebody reads."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from pxed.bucket import Bucket
from pxed.policy.decide import is_held_back
from pxed.policy.facts import Facts
from pxed.policy.verdict import Abort, Boot, Verdict, Wait
from pxed.records import Records
from pxed.site.event import EventKind
from pxed.site.model import Computer, Evidence

log = logging.getLogger("pxed.verdict")

QUIET_RULES = frozenset({"service-enabled", "pxe-client", "delay"})
"""Rules that say nothing about a network boot: debug level only."""
_REPEAT = timedelta(seconds=60)
"""The same verdict for the same client within this time is a firmware's retry: debug level only."""
_REMEMBERED_CLIENTS = 4096
"""Bound of that memory: a stranger can invent MAC addresses, so the oldest go first."""
TOLD_AT_ONCE, TOLD_A_SECOND = 4_500, 150
"""So many verdicts are told at once, and so many a second in a storm that lasts; the others are counted. The journal
drops all of a service beyond 10,000 lines in 30 seconds (RateLimitBurst= in journald.conf(5)), history keeps a million
events, which a flood of packets would push out within a minute, and a storm is for answering."""
_COUNTED_SECONDS = 30
"""How often it is said how many were not told."""


Soon = Callable[[Callable[[], None]], object]
"""Calls something once, after what is under way: `call_soon` of an event loop."""


def at_once(call: Callable[[], None]) -> None:
    """Where no event loop runs."""
    call()


class VerdictLog:
    """Tells of the verdicts of one service point, `soon`: a third of an answer's time goes into it, and the answers of
    a batch shall leave before."""

    def __init__(self, records: Records, soon: Soon) -> None:
        self._records = records
        self._soon = soon
        self._to_tell: list[tuple[Facts, Evidence, Verdict, datetime]] = []
        self._last: OrderedDict[tuple[str, str], tuple[type[Verdict], str, datetime]] = OrderedDict()
        self._room = Bucket(TOLD_A_SECOND, TOLD_AT_ONCE)
        self._untold = 0
        self._untold_since = 0.0

    def tell(self, facts: Facts, evidence: Evidence, verdict: Verdict, now: datetime) -> None:
        """`verdict` is logged, and noted in the computer's history, unless it repeats the last one."""
        self._to_tell.append((facts, evidence, verdict, now))
        if len(self._to_tell) == 1:
            self._soon(self.flush)

    def flush(self) -> None:
        """Tells what waits."""
        waiting, self._to_tell = self._to_tell, []
        for each in waiting:
            self._tell(*each)

    def _tell(self, facts: Facts, evidence: Evidence, verdict: Verdict, now: datetime) -> None:
        if verdict.rule in QUIET_RULES or self._is_repeat(facts, verdict, now):
            if log.isEnabledFor(logging.DEBUG):
                self._log(logging.DEBUG, facts, evidence, verdict)
            return
        if not self._is_room(now):
            return
        if log.isEnabledFor(logging.INFO):
            self._log(logging.INFO, facts, evidence, verdict)
        who = _computer_of(evidence)
        if who is not None:
            text = f"{facts.stage}: {outcome_of(verdict)}: {verdict.reason} [{verdict.rule}]"
            kind = EventKind.GUARD if is_held_back(verdict) else EventKind.VERDICT
            self._records.note_verdict(str(who.id), text, now, kind)

    def passed_over(self, count: int, now: datetime) -> None:
        """So many verdicts more were not told."""
        if count and not self._untold:
            self._untold_since = now.timestamp()
        self._untold += count

    def _log(self, level: int, facts: Facts, evidence: Evidence, verdict: Verdict) -> None:
        who = _computer_of(evidence)
        log.log(
            level,
            "%s: %s",
            outcome_of(verdict),
            verdict.reason,
            extra={
                "mac": facts.mac,
                "guid": facts.guid,
                "iface": facts.interface,
                "arch": facts.architecture.name,
                "stage": facts.stage,
                "computer": who.name if who is not None and verdict.rule not in QUIET_RULES else "",
                "advertisement": verdict.choices[0].advertisement.name if isinstance(verdict, Boot) else "",
                "rule": verdict.rule,
            },
        )

    def _is_repeat(self, facts: Facts, verdict: Verdict, now: datetime) -> bool:
        key = facts.mac, facts.stage.value
        last = self._last.pop(key, None)
        self._last[key] = (type(verdict), verdict.rule, now)
        if len(self._last) > _REMEMBERED_CLIENTS:
            self._last.popitem(last=False)
        if last is None:
            return False
        kind, rule, when = last
        return kind is type(verdict) and rule == verdict.rule and timedelta(0) <= now - when < _REPEAT

    def _is_room(self, now: datetime) -> bool:
        """Whether one more verdict may be told; now and then says how many were not."""
        second = now.timestamp()
        # a clock that was set back has gone on all the same
        if self._untold and abs(second - self._untold_since) >= _COUNTED_SECONDS:
            log.warning("a storm of packets: %d verdicts more were neither logged nor kept", self._untold)
            self._untold = 0
        if self._room.take(second):
            return True
        self.passed_over(1, now)
        return False


def _computer_of(evidence: Evidence) -> Computer | None:
    """Whose history it is; in a conflict that of the computer with the MAC address."""
    return evidence.known.computer if evidence.known else None


def outcome_of(verdict: Verdict) -> str:
    """The verdict in a word or two, for logs and history."""
    match verdict:
        case Boot(starts_by_itself=True):
            return "boot"
        case Boot():
            return "boot on F12"
        case Wait():
            return "waits for approval"
        case Abort():
            return "local boot"
        case _:
            return "ignored"
