"""The walk: order, failures, and where a failure leads."""

from __future__ import annotations

import pytest

from pxed.sequence.engine import Outcome, Walk, start
from pxed.sequence.model import CommandStep, Group, Sequence


def command(name: str, *, go_on: bool = False) -> CommandStep:
    return CommandStep(name, f"run {name}", continue_on_error=go_on)


def walked(sequence: Sequence, failing: set[str]) -> tuple[list[str], Walk]:
    """The names in the order in which they ran, and the walk at its end."""
    walk, ran = start(sequence), []
    while current := walk.current:
        ran.append(current.step.name)
        walk = walk.after(1 if current.step.name in failing else 0)
    return ran, walk


TREE = Sequence(
    (
        command("a"),
        command("b", go_on=True),
        Group("tolerant", (command("c"), Group("strict", (command("d"), command("e"))), command("f")), True),
        Group("last", (command("g"), command("h"))),
    )
)


@pytest.mark.parametrize(
    ("failing", "ran", "outcome"),
    [
        ("", "abcdefgh", Outcome.SUCCEEDED),
        ("a", "a", Outcome.FAILED),
        ("b", "abcdefgh", Outcome.SUCCEEDED),
        ("c", "abcgh", Outcome.SUCCEEDED),
        ("d", "abcdgh", Outcome.SUCCEEDED),
        ("f", "abcdefgh", Outcome.SUCCEEDED),
        ("g", "abcdefg", Outcome.FAILED),
        ("h", "abcdefgh", Outcome.FAILED),
        ("bdg", "abcdg", Outcome.FAILED),
    ],
)
def test_failures_lead_where_the_document_says(failing: str, ran: str, outcome: Outcome) -> None:
    names, walk = walked(TREE, set(failing))
    assert ("".join(names), walk.outcome) == (ran, outcome)


def test_a_tolerated_failure_at_the_very_end_is_a_success() -> None:
    assert walked(Sequence((command("a", go_on=True),)), {"a"})[1].outcome is Outcome.SUCCEEDED


def test_a_title_names_the_groups() -> None:
    assert [planned.title for planned in start(TREE).plan][3] == "tolerant / strict / d"


def test_a_walk_that_is_over_goes_nowhere() -> None:
    _, walk = walked(TREE, {"a"})
    with pytest.raises(ValueError, match="over"):
        walk.after(0)
