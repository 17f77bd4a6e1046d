"""A verdict whose hand-out is limited: counted for, and decided once more with the numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pxed.config import Config
from pxed.policy.decide import decide
from pxed.policy.facts import Facts
from pxed.policy.guard import counts_needed, hand_out_of
from pxed.policy.verdict import Boot, Verdict
from pxed.site.model import Advertisement, Evidence, Plan
from pxed.site.restraints import Tally


class Counts(Protocol):
    """Whoever counts for the guard: a reader of the site, or somebody who asks it less often."""

    def tally(self, advertisement: Advertisement, now: datetime, *, with_size: bool) -> Tally:
        """As `Reader.tally`."""
        ...


def counted(
    counts: Counts, verdict: Verdict, facts: Facts, evidence: Evidence, plan: Plan, config: Config, now: datetime
) -> Verdict:
    """`verdict`, decided again with what the guard has to count, if it would hand something out that is limited.

    StoreError if that cannot be counted.
    """
    if not isinstance(verdict, Boot) or not verdict.mandatory:
        return verdict
    hand_out = hand_out_of(verdict)
    if not counts_needed(hand_out, plan.restraints, config.guard):
        return verdict
    tally = counts.tally(hand_out.advertisement, now, with_size=config.guard.collection_size > 0)
    return decide(facts, evidence._replace(tally=tally), plan, config, now)
