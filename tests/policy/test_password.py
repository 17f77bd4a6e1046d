"""Which choices need a password, and which one."""

from dataclasses import replace

import pytest

from pxed.policy.password import lock_of
from pxed.policy.verdict import Abort, Boot, Lock, Verdict
from pxed.site.model import Kind, PasswordScope, Plan
from tests.policy.test_decide import LAB, advertisement, ask, plan

SITE = PasswordScope.SITE, 0
COLLECTION = PasswordScope.COLLECTION, LAB
ADVERTISEMENT = PasswordScope.ADVERTISEMENT, 1


def found(verdict: Verdict) -> str:
    return next(finding.text for finding in verdict.trail if finding.rule == "password")


@pytest.mark.parametrize(
    ("set_for", "wins"),
    [
        ([SITE, COLLECTION, ADVERTISEMENT], ADVERTISEMENT),
        ([SITE, COLLECTION], COLLECTION),
        ([SITE], SITE),
        ([(PasswordScope.COLLECTION, LAB + 1), (PasswordScope.ADVERTISEMENT, 2)], None),
        ([], None),
    ],
)
def test_the_most_exact_password_wins(
    set_for: list[tuple[PasswordScope, int]], wins: tuple[PasswordScope, int] | None
) -> None:
    site = Plan(1, passwords=dict.fromkeys(set_for, ("bob",)))
    assert lock_of(advertisement(1), site) == (Lock(*wins, ("bob",)) if wins else None)


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
