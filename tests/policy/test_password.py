"""Which choices need a password, and which one."""

from dataclasses import replace
from typing import Any

import pytest

from pxed.policy.membership import Memberships
from pxed.policy.password import lock_of, unattended
from pxed.policy.verdict import Abort, Boot, Lock, Verdict
from pxed.site.model import Collection, Kind, Password, PasswordScope, Plan
from tests.policy.test_decide import LAB, NOW, PC1, advertisement, ask, plan

SITE = PasswordScope.SITE, 0
COLLECTION = PasswordScope.COLLECTION, LAB
ADVERTISEMENT = PasswordScope.ADVERTISEMENT, 1


def found(verdict: Verdict) -> str:
    return next(finding.text for finding in verdict.trail if finding.rule == "password")


COLLECTIONS = (
    Collection(LAB, "Lab", ""),
    Collection(11, "Left", "", parent_id=LAB),
    Collection(12, "Window", "", parent_id=11),
    Collection(13, "Right", "", parent_id=LAB),
    Collection(20, "Other", ""),
)


def of_collection(number: int) -> tuple[PasswordScope, int]:
    return PasswordScope.COLLECTION, number


@pytest.mark.parametrize(
    ("set_for", "member_of", "wins"),
    [
        ([SITE, COLLECTION, ADVERTISEMENT], {LAB}, ADVERTISEMENT),
        ([SITE, COLLECTION], {LAB}, COLLECTION),
        ([SITE], {LAB}, SITE),
        ([of_collection(20), (PasswordScope.ADVERTISEMENT, 2)], {LAB, 20}, None),
        ([], {LAB}, None),
        ([COLLECTION, of_collection(11)], {12}, of_collection(11)),
        ([COLLECTION, of_collection(11), of_collection(12)], {12}, of_collection(12)),
        ([COLLECTION, of_collection(11)], {13}, COLLECTION),
        ([of_collection(13), of_collection(11)], {11, 13}, of_collection(11)),
        ([SITE, of_collection(12)], {11}, SITE),
    ],
)
def test_the_most_exact_password_wins(
    set_for: list[tuple[PasswordScope, int]], member_of: set[int], wins: tuple[PasswordScope, int] | None
) -> None:
    site = Plan(1, collections=COLLECTIONS, passwords=dict.fromkeys(set_for, ("bob",)))
    membership = Memberships(COLLECTIONS).of_computer(PC1, frozenset(member_of), "")
    assert lock_of(advertisement(1), membership, site) == (Lock(*wins, ("bob",)) if wins else None)


def test_without_subcollections_their_passwords_do_not_count() -> None:
    site = Plan(1, collections=COLLECTIONS, passwords={of_collection(11): ("bob",)})
    membership = Memberships(COLLECTIONS).of_computer(PC1, frozenset({LAB, 11}), "")
    assert lock_of(advertisement(1, include_subcollections=False), membership, site) is None
    assert lock_of(advertisement(1), membership, site) == Lock(*of_collection(11), ("bob",))


@pytest.mark.parametrize(
    ("locked", "changes", "alone"),
    [
        (SITE, {}, True),
        (ADVERTISEMENT, {}, True),
        (of_collection(12), {}, True),
        (of_collection(12), {"include_subcollections": False}, False),
        (COLLECTION, {"include_subcollections": False}, True),
        (of_collection(20), {}, False),
        (SITE, {"enabled": False}, False),
        (SITE, {"kind": Kind.OPTIONAL}, False),
    ],
)
def test_mandatory_ones_that_cannot_be_unattended(
    locked: tuple[PasswordScope, int], changes: dict[str, Any], alone: bool
) -> None:
    one = replace(advertisement(1), **changes)
    assert unattended([one], [Password(*locked, "", "jane", NOW)], COLLECTIONS) == ([one] if alone else [])


@pytest.mark.parametrize("kind", Kind)
def test_choices_carry_what_they_need(kind: Kind) -> None:
    site = replace(plan(advertisement(1, kind)), passwords={SITE: ("", "bob")})
    verdict = ask(site=site)
    assert isinstance(verdict, Boot)
    assert [choice.lock for choice in verdict.choices] == [Lock(*SITE, ("", "bob"))]
    assert found(verdict) == (
        "a password is needed for: 'ad1' (that of the site, for whoever knows the shared one, bob)"
    )


def test_of_several_choices_only_some_may_need_one() -> None:
    both = plan(advertisement(1, Kind.OPTIONAL), advertisement(2, Kind.OPTIONAL))
    verdict = ask(site=replace(both, passwords={ADVERTISEMENT: ("bob",)}))
    assert isinstance(verdict, Boot)
    assert {choice.advertisement.id: choice.lock is not None for choice in verdict.choices} == {1: True, 2: False}


def test_without_a_choice_nothing_needs_one() -> None:
    assert isinstance(verdict := ask(), Abort)
    assert found(verdict) == "no passwords are set"
    assert found(ask(site=replace(plan(), passwords={SITE: ("",)}))) == "a password is needed for: none"
