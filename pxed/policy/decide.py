"""The decision: numbered rules, asked in order, the first that ends it makes the verdict.

Every rule is a function of the `Case` that returns a verdict to end the decision or None to go on, and leaves a finding
either way. The rule's name is the function's, with dashes. Nothing here reads a clock, a socket or a database.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime

from pxed.config import Config
from pxed.policy.advertised import NO_MANDATORY, Names, NewestPassedOver, candidates, due
from pxed.policy.case import Case
from pxed.policy.facts import Client, Facts
from pxed.policy.guard import HandOut, excess, objection
from pxed.policy.identify import Standing, identify
from pxed.policy.membership import memberships
from pxed.policy.password import password
from pxed.policy.record import is_anothers, is_claimed
from pxed.policy.verdict import Abort, Boot, Finding, Ignore, Verdict, Wait
from pxed.policy.words import Words, phrase
from pxed.site.model import Evidence, Kind, Plan

NOT_HELD_BACK = "nothing holds it back"
"""What the rule `guard` finds if it lets something pass."""
NOT_NEEDED = "not needed"
"""What a rule finds that has nothing to look at."""

Rule = Callable[[Case], "Words | Verdict"]
"""A rule returns what it found to go on, or the verdict that ends the decision."""


def decide(facts: Facts, evidence: Evidence, plan: Plan, config: Config, now: datetime) -> Verdict:
    """What the client of `facts` shall do now, by what the site knows (`evidence`, `plan`) and `config` says."""
    case = Case(facts, evidence, plan, config, now)
    for name, rule in _NAMED_RULES:
        outcome = rule(case)
        if isinstance(outcome, Verdict):
            return outcome
        case.trail.append(Finding(name, outcome))
    raise AssertionError("the last rule ends every decision")


def is_held_back(verdict: Verdict) -> bool:
    """Whether the guard kept something back that was due."""
    found = next((finding.words for finding in verdict.trail if finding.rule == name_of(guard)), NOT_NEEDED)
    return found not in (NOT_NEEDED, NOT_HELD_BACK)


@functools.cache
def name_of(rule: Rule) -> str:
    """The rule's name in logs and trails: `unknown-support` for `unknown_support`."""
    return rule.__name__.replace("_", "-")


def service_enabled(case: Case) -> Words | Verdict:
    """1. The service point is switched on."""
    if case.config.service.enabled:
        return "the service point is switched on"
    return _ignore(case, service_enabled, "the service point is switched off: service.enabled = false")


def pxe_client(case: Case) -> Words | Verdict:
    """2. The packet is a network boot request."""
    if case.facts.client is Client.OTHER:
        return _ignore(case, pxe_client, "an ordinary DHCP client, no network boot request")
    return phrase("a network boot request: {}, {}", case.facts.client, case.facts.architecture.name)


def ignore_list(case: Case) -> Words | Verdict:
    """3. Whoever shows an identifier of the ignore list gets no answer."""
    facts, ignored = case.facts, case.plan.ignored
    listed = ignored.macs.get(facts.mac) or (ignored.guids.get(facts.guid) if facts.guid else None)
    if listed is None:
        return "neither MAC address nor GUID is on the ignore list"
    return _ignore(case, ignore_list, phrase("{}", listed))


def delay(case: Case) -> Words | Verdict:
    """4. The configured delay has passed for this client, so that another PXE server could answer first.

    By our own clock since the first packet of this boot: `secs` is no clock (iPXE keeps flags in it, dhcp.c
    dhcp_create_request). Port 4011 is never delayed, since EDK2's first try there may end within a second.
    """
    seconds = case.config.responder.delay_seconds
    if case.facts.waited >= seconds:
        return phrase("the delay of {:g} s has passed or does not apply", seconds)
    left = seconds - case.facts.waited
    text = f"waits {left:.1f} s more of {seconds:g} s, for another PXE server to answer first"
    return _ignore(case, delay, text, retry_after=left)


def identity(case: Case) -> Words | Verdict:
    """5. Known, unknown or conflict."""
    case.identity = identify(case.facts, case.evidence, case.plan)
    if case.identity.computer is not None:
        case.membership = memberships(case.plan).of_computer(
            case.identity.computer, case.identity.collection_ids, case.firmware
        )
    return case.identity.words


def unknown_support(case: Case) -> Words | Verdict:
    """6. Unknown computers are served only if a collection is set for them, or once somebody approves of them."""
    who = case.known_identity
    if who.standing is not Standing.UNKNOWN:
        return NOT_NEEDED
    setting = case.config.responder.unknown_computers
    if setting == "ignore":
        return _ignore(case, unknown_support, 'unknown computers are ignored: responder.unknown_computers = "ignore"')
    if setting == "approval":
        if who.doubt:
            return _ignore(case, unknown_support, f"cannot be approved of: {who.doubt}")
        text = 'unknown and not approved of yet: responder.unknown_computers = "approval"'
        return Wait(_trail(case, unknown_support, text), who)
    collection_id = case.plan.collection_ids.get(setting)
    if collection_id is None:
        return _ignore(case, unknown_support, f"responder.unknown_computers names collection {setting!r}: none such")
    case.membership = memberships(case.plan).of_unknown(collection_id, case.firmware)
    return phrase("treated as a member of collection {!r}", setting)


def another_point(case: Case) -> Words | Verdict:
    """9. A computer that another service point of this site serves in this boot is left to it."""
    record = case.known_identity.record_of(case.due.advertisement.id) if case.due else None
    if record is None or not is_anothers(record, case.facts.stage, case.now, case.config.point):
        return "no other service point serves this boot"
    return _ignore(case, another_point, phrase("service point {!r} serves this boot", record.point))


def guard(case: Case) -> Words | Verdict:
    """10. What may hold a mandatory advertisement back although it is due.

    A try that was claimed before is counted already, so the limits do not stop it on its way.
    """
    if case.due is None:
        return NOT_NEEDED
    advertisement, who = case.due.advertisement, case.known_identity
    restraints, settings, tally = case.plan.restraints, case.config.guard, case.evidence.tally
    hand_out = HandOut(advertisement, who.computer, case.membership.above)
    reason = objection(hand_out, restraints, settings)
    if reason is None and tally is not None:
        record = who.record_of(advertisement.id)
        claimed = record is not None and is_claimed(record, case.facts.stage, case.now)
        reason = None if claimed else excess(hand_out, restraints, settings, tally)
    if reason is None:
        return NOT_HELD_BACK
    case.held_back = phrase("{!r} is held back: {}", advertisement.name, reason)
    case.due = None
    return case.held_back


def mandatory(case: Case) -> Words | Verdict:
    """11. What is due and not held back boots without a question."""
    if case.due is None:
        return "nothing is due"
    trail = _trail(case, mandatory, _found_by(case, due))
    return Boot(
        trail,
        case.identity,
        choices=(case.due,),
        mandatory=True,
        collections=case.membership.above,
        architecture=case.facts.architecture.code,
    )


def optional(case: Case) -> Words | Verdict:
    """12. The optional ones: one behind F12, several as a menu behind F12."""
    chosen = tuple(choice for choice in case.candidates if choice.advertisement.kind is Kind.OPTIONAL)
    if not chosen:
        return "no optional advertisement"
    return Boot(_trail(case, optional, phrase("F12 offers {}", Names(chosen))), case.identity, choices=chosen)


def nothing(case: Case) -> Words | Verdict:
    """13. Known, but nothing to do, with what the rule `due` found or the guard, or else what was passed over: that is
    what people ask about."""
    why = case.held_back or _found_by(case, due)
    if why == NO_MANDATORY and case.passed_over:
        why = phrase("{}{}", why, NewestPassedOver(case.passed_over))
    if case.config.responder.nothing_to_do == "silent":
        silence = 'nothing to do, so silence (responder.nothing_to_do = "silent"): {}'
        return _ignore(case, nothing, phrase(silence, why))
    return Abort(_trail(case, nothing, phrase("nothing to do: {}", why)), case.identity)


RULES: tuple[Rule, ...] = (
    service_enabled,
    pxe_client,
    ignore_list,
    delay,
    identity,
    unknown_support,
    candidates,
    due,
    another_point,
    guard,
    password,
    mandatory,
    optional,
    nothing,
)


_NAMED_RULES = tuple((name_of(rule), rule) for rule in RULES)


def _found_by(case: Case, rule: Rule) -> Words:
    """What `rule`, which was asked before, found."""
    return next(finding.words for finding in case.trail if finding.rule == name_of(rule))


def _trail(case: Case, rule: Rule, text: Words) -> tuple[Finding, ...]:
    return (*case.trail, Finding(name_of(rule), text))


def _ignore(case: Case, rule: Rule, text: Words, retry_after: float | None = None) -> Ignore:
    return Ignore(_trail(case, rule, text), case.identity, retry_after)
