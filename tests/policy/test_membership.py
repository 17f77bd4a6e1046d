"""In which collections a computer is, and which advertisements reach it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.policy.decide import decide
from pxed.policy.membership import Membership, Memberships
from pxed.policy.verdict import Abort, Boot
from pxed.site.model import Collection, CollectionRule, Computer, Evidence, Known, RuleKind
from pxed.wire.architecture import architecture
from tests.policy.test_decide import FACTS, NOW, PC1, advertisement, configured, plan

ALL = Collection(-1, "all-computers", "", builtin="all")
UNKNOWN = Collection(-2, "unknown-computers", "", builtin="unknown")
UNKNOWN_BIOS = Collection(-3, "unknown-bios", "", -2, "unknown:bios")
UNKNOWN_UEFI = Collection(-4, "unknown-uefi-amd64", "", -2, "unknown:uefi-amd64")
LAB = Collection(10, "Lab", "")
LEFT = Collection(11, "Left", "", 10)
ROW = Collection(12, "Row", "", 11, rules=(CollectionRule(RuleKind.NAME, "PC*"), CollectionRule(RuleKind.MAC, "52")))
FIRMWARE = Collection(13, "Modern", "", rules=(CollectionRule(RuleKind.ARCHITECTURE, "uefi-amd64"),))
SITE = (ALL, UNKNOWN, UNKNOWN_BIOS, UNKNOWN_UEFI, LAB, LEFT, ROW, FIRMWARE)


def of(computer: Computer, *direct: int, firmware: str = "bios") -> Membership:
    return Memberships(SITE).of_computer(computer, frozenset(direct), firmware)


def test_a_member_is_in_its_collection_and_below_those_above() -> None:
    membership = of(replace(PC1, name="x", macs=()), 11)
    assert membership.own == {-1, 11}
    assert membership.above == {-1, 11, 10}


def test_every_known_computer_is_in_all_computers() -> None:
    assert of(replace(PC1, name="x", macs=())).own == {-1}


def test_rules_hold_by_name_mac_and_the_firmware_that_asks() -> None:
    assert of(PC1).own == {-1, 12}
    assert of(PC1, firmware="uefi-amd64").own == {-1, 12, 13}
    assert of(PC1).above == {-1, 12, 11, 10}


@pytest.mark.parametrize(("firmware", "kinds"), [("bios", {-2, -3}), ("uefi-amd64", {-2, -4}), ("", {-2})])
def test_an_unknown_computer_is_in_its_collection_and_in_those_of_its_kind(firmware: str, kinds: set[int]) -> None:
    membership = Memberships(SITE).of_unknown(11, firmware)
    assert membership.own == {11} | kinds
    assert membership.above == {11, 10} | kinds


def test_an_unknown_computer_is_none_of_all_known_ones() -> None:
    assert Memberships(SITE).of_unknown(-1, "bios").own == {-2, -3}


@pytest.mark.parametrize(
    ("collection_id", "include", "reached"),
    [(12, False, True), (12, True, True), (10, True, True), (10, False, False), (13, True, False), (-1, False, True)],
)
def test_an_advertisement_reaches_subcollections_if_it_includes_them(
    collection_id: int, include: bool, reached: bool
) -> None:
    site = replace(
        plan(advertisement(1, collection_id=collection_id, include_subcollections=include)), collections=SITE
    )
    facts = FACTS._replace(architecture=architecture(0))
    verdict = decide(facts, Evidence(Known(PC1, frozenset(), ()), ()), site, configured(), NOW)
    assert isinstance(verdict, Boot if reached else Abort)


def test_an_unknown_computer_gets_what_is_advertised_to_its_firmware() -> None:
    site = replace(plan(advertisement(1, collection_id=-4)), collections=SITE)
    config = configured(unknown_computers="lab")
    assert isinstance(decide(FACTS, Evidence(None, ()), site, config, NOW), Boot)
    bios = FACTS._replace(architecture=architecture(0))
    assert isinstance(decide(bios, Evidence(None, ()), site, config, NOW), Abort)


def test_ways_tell_why() -> None:
    ways = Memberships(SITE).ways(PC1, frozenset({10, 12}), "uefi-amd64")
    assert {way.collection.name: way.how for way in ways} == {
        "all-computers": ("built in",),
        "Lab": ("direct", "subcollection Lab/Left/Row"),
        "Left": ("subcollection Left/Row",),
        "Modern": ("by rule architecture uefi-amd64",),
        "Row": ("by rule mac 52", "by rule name PC*", "direct"),
    }


@given(st.lists(st.integers(-1, 8), min_size=9, max_size=9), st.frozensets(st.integers(0, 8)))
def test_above_is_every_collection_on_the_way_to_the_top(parents: list[int], direct: frozenset[int]) -> None:
    # a parent has a lower number, so there is no circle
    parent = {number: above if 0 <= above < number else None for number, above in enumerate(parents)}
    compiled = Memberships(Collection(number, str(number), "", above) for number, above in parent.items())
    expected: frozenset[int] = frozenset()
    for number in direct:
        at: int | None = number
        while at is not None:
            expected |= {at}
            at = parent[at]
    membership = compiled.of_computer(PC1, direct, "bios")
    assert (membership.own, membership.above) == (direct, expected)
    ways = compiled.ways(PC1, direct, "bios")
    assert {way.collection.id for way in ways} == expected
    assert all(way.how for way in ways)
