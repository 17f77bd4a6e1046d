"""Verdicts that are kept for clients that are alike: never another one than a fresh decision would be."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.config import Config
from pxed.policy import alike
from pxed.policy.alike import Kept, common, is_by_collections, likeness, next_change
from pxed.policy.decide import decide
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.verdict import Abort, Boot, Verdict
from pxed.site.identity import IdentifierList, Identifiers
from pxed.site.model import (
    Collection,
    CollectionRule,
    Computer,
    Evidence,
    Kind,
    Known,
    PasswordScope,
    Plan,
    RecordState,
    RuleKind,
)
from pxed.wire.architecture import ARCHITECTURES
from tests.policy.test_decide import FACTS, GUID, LAB, NOW, OTHER, PC1, advertisement, configured, known, plan, record
from tests.policy.test_identify import listed

EVERYBODY, FIRMWARE = -1, -3
HOURS = st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))
COMPUTERS = tuple(
    Computer(number, f"PC{number}", (f"52:54:00:00:00:0{number}",), GUID if number % 2 else None, protected=number > 3)
    for number in range(1, 6)
)
RECORDS = st.builds(record, st.integers(1, 4), st.sampled_from(RecordState), st.integers(1, 4))
KNOWN = st.builds(
    Known,
    st.sampled_from(COMPUTERS),
    st.frozensets(st.sampled_from([LAB, OTHER]), max_size=2),
    st.lists(RECORDS, max_size=1).map(tuple),
)
EVIDENCE = st.one_of(
    st.builds(Evidence, st.none() | KNOWN, st.lists(KNOWN, max_size=1).map(tuple), st.just(())),
    KNOWN.map(lambda known: Evidence(known, (known,))),
    st.lists(RECORDS, max_size=2).map(lambda records: Evidence(None, (), tuple(records))),
)
CLIENTS = st.builds(
    Facts,
    st.sampled_from(["52:54:00:00:00:01", "52:54:00:00:00:02"]),
    st.sampled_from([None, GUID]),
    st.sampled_from([ARCHITECTURES[code] for code in (0, 7, 11)]),
    st.sampled_from(Client),
    st.sampled_from(Stage),
    st.sampled_from(["eth0", "eth1"]),
    waited=st.sampled_from([float("inf"), 0.0, 3.0]),
)
ADVERTISEMENTS = st.lists(
    st.builds(
        advertisement,
        st.integers(1, 4),
        st.sampled_from([Kind.OPTIONAL, Kind.OPTIONAL, Kind.MANDATORY]),
        collection_id=st.sampled_from([LAB, LAB, OTHER, EVERYBODY, FIRMWARE]),
        include_subcollections=st.booleans(),
        enabled=st.sampled_from([True, True, False]),
        start=HOURS,
        expires=st.none() | HOURS,
        assignments=st.sampled_from([(), ("2026-05-04 13:00",), ("every 2 hours from 2026-05-04 10:00",)]),
        zone=st.sampled_from(["UTC", "Nowhere"]),
    ),
    max_size=4,
    unique_by=lambda each: each.id,
)
PASSWORDS = st.dictionaries(
    st.sampled_from([(PasswordScope.SITE, 0), (PasswordScope.COLLECTION, OTHER), (PasswordScope.ADVERTISEMENT, 2)]),
    st.sampled_from([("",), ("bob",)]),
)
LISTED = st.builds(
    Identifiers,
    st.dictionaries(st.just("52:54:00:00:00:01"), st.just(listed(IdentifierList.SHARED, "52:54:00:00:00:01"))),
    st.dictionaries(st.just(GUID), st.just(listed(IdentifierList.SHARED, str(GUID)))),
)
RULES = st.lists(
    st.sampled_from(
        [
            CollectionRule(RuleKind.NAME, "*1"),
            CollectionRule(RuleKind.NAME, "PC[23]"),
            CollectionRule(RuleKind.MAC, "52:54:00:00:00:04"),
            CollectionRule(RuleKind.ARCHITECTURE, "bios"),
            CollectionRule(RuleKind.GUID, str(GUID)),
        ]
    ),
    max_size=2,
).map(tuple)
COLLECTIONS = st.builds(
    lambda rules, others: (
        Collection(LAB, "lab", "", rules=rules),
        Collection(OTHER, "other", "", LAB, rules=others),
        Collection(EVERYBODY, "all-computers", "", builtin="all"),
        Collection(FIRMWARE, "unknown-bios", "", builtin="unknown:bios"),
    ),
    RULES,
    RULES,
)
PLANS = st.builds(
    lambda advertisements, collections, passwords, ignored, shared: replace(
        plan(*advertisements), collections=collections, passwords=passwords, ignored=ignored, shared=shared
    ),
    ADVERTISEMENTS,
    COLLECTIONS,
    PASSWORDS,
    st.just(Identifiers()) | LISTED,
    st.just(Identifiers()) | LISTED,
)
CONFIGS = st.builds(
    configured,
    unknown_computers=st.sampled_from(["ignore", "approval", "lab", "gone"]),
    nothing_to_do=st.sampled_from(["abort", "silent"]),
    delay_seconds=st.sampled_from([0.0, 2.0]),
)


def sentences(verdict: Verdict) -> list[tuple[str, str]]:
    return [(finding.rule, finding.text) for finding in verdict.trail if finding.rule != "identity"]


@given(
    st.lists(PLANS, min_size=1, max_size=2),
    st.lists(CONFIGS, min_size=1, max_size=2),
    st.lists(st.tuples(CLIENTS, EVIDENCE, HOURS, st.integers(0, 1), st.integers(0, 1)), max_size=12),
)
def test_what_is_kept_is_what_would_be_decided(
    plans: list[Plan], configs: list[Config], asked: list[tuple[Facts, Evidence, datetime, int, int]]
) -> None:
    kept = Kept()
    for facts, evidence, now, which_plan, which_config in asked:
        terms = evidence, plans[which_plan % len(plans)], configs[which_config % len(configs)], now
        verdict, fresh = kept.decide(facts, *terms), decide(facts, *terms)
        assert sentences(verdict) == sentences(fresh)
        assert verdict in (fresh, common(fresh))


@given(PLANS, CONFIGS, HOURS, CLIENTS, EVIDENCE, EVIDENCE)
def test_who_is_alike_gets_the_same(
    plan: Plan, config: Config, now: datetime, facts: Facts, one: Evidence, other: Evidence
) -> None:
    if likeness(facts, one, plan) is not None and likeness(facts, one, plan) == likeness(facts, other, plan):
        shared = [common(decide(facts, evidence, plan, config, now)) for evidence in (one, other)]
        assert shared[0] == shared[1]


@given(PLANS, CONFIGS, HOURS, HOURS, CLIENTS, EVIDENCE)
def test_a_plan_says_when_it_will_decide_otherwise(
    plan: Plan, config: Config, now: datetime, later: datetime, facts: Facts, evidence: Evidence
) -> None:
    end = next_change(plan, now)
    if now <= later and (end is None or later < end):
        first, second = (common(decide(facts, evidence, plan, config, when)) for when in (now, later))
        assert first == second


@given(
    st.lists(PLANS, min_size=1, max_size=2),
    st.lists(CONFIGS, min_size=1, max_size=2),
    st.lists(st.tuples(CLIENTS, EVIDENCE, HOURS, st.integers(0, 1), st.integers(0, 1), st.booleans()), max_size=12),
    HOURS,
)
def test_what_is_found_is_what_would_be_decided_as_long_as_it_says(
    plans: list[Plan],
    configs: list[Config],
    asked: list[tuple[Facts, Evidence, datetime, int, int, bool]],
    later: datetime,
) -> None:
    """And it is found if it was decided for one who has somebody alike; looking for it decides nothing."""
    kept = Kept()
    for facts, evidence, now, which_plan, which_config, is_decided in asked:
        terms = evidence, plans[which_plan % len(plans)], configs[which_config % len(configs)]
        if is_decided:
            verdict = kept.decide(facts, *terms, now)
        with patch.object(alike, "decide", side_effect=AssertionError):
            found = kept.find(facts, *terms, now)
        if is_decided and likeness(facts, *terms[:2]) is not None and common(verdict) == verdict:
            assert found
            assert found.verdict == verdict
        if found is None:
            continue
        assert found.since <= now
        assert found.until is None or now < found.until
        for when in (now, later):
            if found.since <= when and (found.until is None or when < found.until):
                assert found.verdict == common(decide(facts, *terms, when))
                assert sentences(found.verdict) == sentences(decide(facts, *terms, when))


@pytest.mark.parametrize(("rule", "alike"), [(None, True), (CollectionRule(RuleKind.NAME, "PC*"), False)])
def test_a_rule_looks_at_more_than_collections(rule: CollectionRule | None, alike: bool) -> None:
    lab = Collection(LAB, "lab", "", rules=(rule,) if rule else ())
    assert is_by_collections(replace(plan(), collections=(lab, Collection(OTHER, "other", "")))) == alike


@pytest.fixture
def decisions() -> list[Facts]:
    return []


@pytest.fixture
def ask(decisions: list[Facts]) -> Callable[..., Verdict]:
    kept = Kept()
    config = Config()

    def counted(facts: Facts, *terms: object) -> Verdict:
        decisions.append(facts)
        return decide(facts, *terms)  # type: ignore[arg-type]

    def ask(evidence: Evidence, site: Plan, facts: Facts = FACTS, now: datetime = NOW) -> Verdict:
        with patch.object(alike, "decide", counted):
            return kept.decide(facts, evidence, site, config, now)

    return ask


def test_a_storm_of_computers_without_records_is_one_decision(
    ask: Callable[..., Verdict], decisions: list[Facts]
) -> None:
    site = plan(advertisement(1, Kind.OPTIONAL))
    verdicts = {
        id(ask(Evidence(known(replace(PC1, id=number, name=f"PC{number}")), ()), site)) for number in range(100)
    }
    assert (len(verdicts), len(decisions)) == (1, 1)
    ask(Evidence(None, ()), site)
    assert len(decisions) == 2


def test_a_mandatory_advertisement_is_decided_for_each(ask: Callable[..., Verdict], decisions: list[Facts]) -> None:
    site = plan(advertisement(1))
    for _ in range(3):
        verdict = ask(Evidence(known(), ()), site)
        assert isinstance(verdict, Boot)
        assert verdict.identity is not None
    assert len(decisions) == 3


def test_the_start_of_an_advertisement_ends_what_was_kept(ask: Callable[..., Verdict]) -> None:
    site = plan(advertisement(1, Kind.OPTIONAL, start=NOW + timedelta(hours=1)))
    assert [
        ask(Evidence(known(), ()), site, now=NOW + timedelta(minutes=minutes)).rule for minutes in (0, 59, 60, 0)
    ] == ["nothing", "nothing", "optional", "nothing"]


def test_invented_kinds_of_machines_do_not_grow_it() -> None:
    kept = Kept()
    site = plan()
    for number in range(5000):
        kept.decide(FACTS._replace(interface=f"eth{number}"), Evidence(known(), ()), site, Config(), NOW)
    assert len(kept._verdicts) <= 4096


@pytest.mark.parametrize("list_of", ["ignored", "shared"])
def test_one_that_is_on_a_list_does_not_get_what_was_kept_for_others(ask: Callable[..., Verdict], list_of: str) -> None:
    listing = Identifiers({"52:54:00:00:00:01": listed(IdentifierList(list_of), "52:54:00:00:00:01")}, {})
    site = replace(plan(), **{list_of: listing})  # type: ignore[arg-type]
    others, one = FACTS._replace(guid=None), FACTS._replace(guid=None, mac="52:54:00:00:00:01")
    unknown = Evidence(None, ())
    kept = ask(unknown, site, others)
    assert ask(unknown, site, others) is kept
    verdict = ask(unknown, site, one)
    assert verdict is not kept
    assert sentences(verdict) == sentences(decide(one, unknown, site, Config(), NOW))


def test_one_with_an_ignored_guid_does_not_either(ask: Callable[..., Verdict]) -> None:
    site = replace(plan(), ignored=Identifiers({}, {GUID: listed(IdentifierList.IGNORED, str(GUID))}))
    unknown = Evidence(None, ())
    assert ask(unknown, site, FACTS._replace(guid=None)).rule == "unknown-support"
    assert ask(unknown, site, FACTS).rule == "ignore-list"


def test_a_rule_that_holds_one_of_two_keeps_them_apart() -> None:
    lab = Collection(LAB, "lab", "", rules=(CollectionRule(RuleKind.NAME, "PC1"),))
    site = replace(plan(advertisement(1, Kind.OPTIONAL)), collections=(lab,))
    kept, config = Kept(), Config()
    for name, outcome in (("PC1", Boot), ("PC2", Abort), ("PC1", Boot)):
        evidence = Evidence(Known(replace(PC1, name=name), frozenset(), ()), ())
        assert isinstance(kept.decide(FACTS, evidence, site, config, NOW), outcome)


def test_what_is_kept_is_found_as_long_as_it_holds() -> None:
    kept, config, everybody = Kept(), Config(), Evidence(known(), ())
    opens = NOW + timedelta(hours=1)
    site = plan(advertisement(1, Kind.OPTIONAL, start=opens))
    kept.decide(FACTS, everybody, site, config, NOW)
    found = kept.find(FACTS, everybody, site, config, opens - timedelta(seconds=1))
    assert found
    assert (found.verdict.rule, found.since, found.until) == ("nothing", NOW, opens)
    for other in [
        (plan(*site.advertisements), config, NOW),
        (site, Config(), NOW),
        (site, config, opens),
        (site, config, NOW - timedelta(seconds=1)),
    ]:
        assert kept.find(FACTS, everybody, *other) is None
