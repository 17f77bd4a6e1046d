"""What holds a mandatory advertisement back although it is due."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pxed.config import Config, Guard
from pxed.policy.decide import decide, is_held_back
from pxed.policy.facts import Stage
from pxed.policy.guard import HandOut, counts_needed, must_be_meant
from pxed.policy.verdict import Abort, Boot, Verdict
from pxed.site.model import Evidence, Kind, RecordState
from pxed.site.restraints import THE_SITE, Limit, Restraints, Stop, Tally
from tests.policy.test_decide import FACTS, LAB, NOW, PC1, advertisement, known, plan, record

STOP = Stop(NOW - timedelta(hours=1), "jane", "wrong image")
LIMITED = Restraints(limits={LAB: Limit("lab", 2)})


def ask(
    restraints: Restraints | None = None,
    tally: Tally | None = None,
    evidence: Evidence | None = None,
    stage: Stage = Stage.FIRMWARE,
    changes: dict[str, Any] | None = None,
    **guard: Any,
) -> Verdict:
    site = replace(plan(advertisement(1, **(changes or {}))), restraints=restraints or Restraints())
    who = (evidence or Evidence(known(), ()))._replace(tally=tally)
    return decide(FACTS._replace(stage=stage), who, site, Config(guard=Guard(**guard)), NOW)


def assert_held_back(verdict: Verdict, *words: str) -> None:
    assert isinstance(verdict, Abort)
    assert is_held_back(verdict)
    for word in (*words, "'ad1' is held back"):
        assert word in verdict.reason


def test_nothing_set_holds_nothing_back() -> None:
    verdict = ask()
    assert isinstance(verdict, Boot)
    assert verdict.mandatory
    assert verdict.collections >= {LAB}
    assert not is_held_back(verdict)


def test_the_stop_of_everything_names_who_when_and_why() -> None:
    assert_held_back(ask(Restraints(STOP)), "ALL MANDATORY", "jane", "wrong image", "2026-05-04 11:00", "pxed resume")


def test_the_stop_leaves_what_a_person_chooses() -> None:
    site = replace(plan(advertisement(1), advertisement(2, Kind.OPTIONAL)), restraints=Restraints(STOP))
    verdict = decide(FACTS, Evidence(known(), ()), site, Config(), NOW)
    assert isinstance(verdict, Boot)
    assert not verdict.mandatory
    assert [choice.advertisement.id for choice in verdict.choices] == [2]
    assert is_held_back(verdict)


def test_a_try_under_way_is_stopped_as_well() -> None:
    loading = record(1, RecordState.LOADING, age=timedelta(minutes=1))
    evidence = Evidence(known(PC1, loading), ())
    assert_held_back(ask(Restraints(STOP), evidence=evidence, stage=Stage.SCRIPT))


def test_a_protected_computer_gets_nothing_mandatory() -> None:
    protected = replace(PC1, protected=True)
    assert_held_back(ask(evidence=Evidence(known(protected), ())), "PC1 is protected", "unprotect")


def test_a_second_person_is_waited_for() -> None:
    assert_held_back(ask(second_person=True, changes={"created_by": "jane"}), "other than jane", "approve 1")
    assert isinstance(ask(second_person=True, changes={"approved_by": "joe"}), Boot)


@pytest.mark.parametrize(("counted", "held"), [(0, False), (2, False), (3, True), (9, True)])
def test_the_limit_of_the_site(counted: int, held: bool) -> None:
    verdict = ask(tally=Tally({THE_SITE: counted}), hand_outs_per_hour=3)
    assert is_held_back(verdict) is held
    if held:
        assert_held_back(verdict, "the site had its 3 mandatory hand-outs of one hour", "later boot")


def test_the_limit_of_a_collection() -> None:
    assert isinstance(ask(LIMITED, Tally({LAB: 1, THE_SITE: 99})), Boot)
    assert_held_back(ask(LIMITED, Tally({LAB: 2})), "collection 'lab' had its 2")


def test_a_limit_of_another_collection_does_not_matter() -> None:
    assert isinstance(ask(Restraints(limits={99: Limit("other", 0)}), Tally({99: 7})), Boot)


def test_a_try_that_was_counted_is_not_stopped_by_a_limit_on_its_way() -> None:
    full = Tally({LAB: 2})
    loading = record(1, RecordState.LOADING, age=timedelta(minutes=1))
    offered = record(1, RecordState.OFFERED, age=timedelta(minutes=1))
    assert isinstance(ask(LIMITED, full, Evidence(known(PC1, loading), ()), Stage.SCRIPT), Boot)
    assert_held_back(ask(LIMITED, full, Evidence(known(PC1, offered), ()), Stage.SCRIPT))


@pytest.mark.parametrize(
    ("size", "confirmed", "held"), [(50, 0, False), (51, 0, True), (51, 51, False), (52, 51, True), (40, 30, False)]
)
def test_a_collection_that_outgrew_what_was_agreed_to(size: int, confirmed: int, held: bool) -> None:
    verdict = ask(tally=Tally({}, size), changes={"confirmed_size": confirmed}, collection_size=50)
    assert is_held_back(verdict) is held
    if held:
        assert_held_back(verdict, f"has {size} computers", f"--yes-really {size}")


def test_nobody_counts_where_nothing_is_limited() -> None:
    hand_out = HandOut(advertisement(1), PC1, {LAB})
    assert not counts_needed(hand_out, Restraints(limits={99: Limit("other", 1)}), Guard(second_person=True))
    assert counts_needed(hand_out, LIMITED, Guard())
    assert counts_needed(hand_out, Restraints(), Guard(hand_outs_per_hour=1))
    assert counts_needed(hand_out, Restraints(), Guard(collection_size=1))


class TestWhatHasToBeMeant:
    GUARD = Guard(collection_size=50)

    def test_a_small_collection_need_not(self) -> None:
        assert must_be_meant("lab", 50, [], self.GUARD, None) is None
        assert must_be_meant("lab", 5000, [], Guard(), None) is None

    def test_a_large_one_by_its_very_size(self) -> None:
        said = must_be_meant("lab", 51, [], self.GUARD, None)
        assert said is not None
        assert "--yes-really 51" in said
        assert must_be_meant("lab", 51, [], self.GUARD, 50) == "collection lab has 51 computers now, not 50"
        assert must_be_meant("lab", 51, [], self.GUARD, 51) is None

    def test_one_with_a_protected_computer(self) -> None:
        said = must_be_meant("lab", 5, ["a", "b", "c", "d"], Guard(), None)
        assert said is not None
        assert "a, b, c and others" in said
        assert must_be_meant("lab", 5, ["a"], Guard(), 5) is None
