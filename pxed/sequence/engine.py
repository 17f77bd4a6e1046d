"""The walk through a task sequence: which step comes next, given how the last one ended.

The tree is laid out once as a flat plan in which every command knows where a failure leads; walking it is then moving
one number. Pure: the agent runs the commands, and a test runs none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pxed.sequence.model import CommandStep, Group, Sequence, Step


class Outcome(StrEnum):
    """How a walk stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Planned:
    """A command in the flat plan."""

    step: CommandStep
    groups: tuple[str, ...]
    """the names of the groups around it, outermost first"""
    on_failure: int | None
    """the number of the command that follows a failure of this one (it may be one past the end); None: all fails"""

    @property
    def title(self) -> str:
        """Its name with those of its groups: 'Tidy up / Remove the key'."""
        return " / ".join((*self.groups, self.step.name))


@dataclass(frozen=True, slots=True)
class Walk:
    """A place in a plan. `after` gives the next place; nothing changes in place."""

    plan: tuple[Planned, ...]
    position: int = 0
    outcome: Outcome = Outcome.RUNNING

    @property
    def current(self) -> Planned | None:
        """The command to run now; None once the walk is over."""
        return self.plan[self.position] if self.outcome is Outcome.RUNNING else None

    def after(self, exit_code: int) -> Walk:
        """Where the walk stands when the current command ended with `exit_code`."""
        current = self.current
        if current is None:
            raise ValueError("the walk is over")
        following = self.position + 1 if exit_code == 0 else current.on_failure
        if following is None:
            return replace(self, outcome=Outcome.FAILED)
        return replace(self, position=following, outcome=_outcome_at(following, self.plan))


def _outcome_at(position: int, plan: tuple[Planned, ...]) -> Outcome:
    return Outcome.RUNNING if position < len(plan) else Outcome.SUCCEEDED


def start(sequence: Sequence) -> Walk:
    """A walk before its first command."""
    return Walk(tuple(_laid_out(sequence.steps, (), 0, None)))


def _laid_out(steps: tuple[Step, ...], groups: tuple[str, ...], first: int, on_failure: int | None) -> list[Planned]:
    plan: list[Planned] = []
    for step in steps:
        begin = first + len(plan)
        end = begin + _length(step)
        way_out = end if step.continue_on_error else on_failure
        match step:
            case CommandStep():
                plan.append(Planned(step, groups, way_out))
            case Group():
                plan += _laid_out(step.steps, (*groups, step.name), begin, way_out)
    return plan


def _length(step: Step) -> int:
    return 1 if isinstance(step, CommandStep) else sum(map(_length, step.steps))
