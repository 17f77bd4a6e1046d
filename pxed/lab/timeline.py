"""The demo's account of itself: events as they happen, then a table of what was observed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

_OBSERVED = "observed"
_MISSING = "NOT OBSERVED"
_NOT_REACHED = "not reached"


@dataclass(slots=True)
class _Step:
    title: str
    outcome: str = _NOT_REACHED
    seconds: float = 0.0


class Timeline:
    """Prints to standard output: coloured by rich on a terminal, plain otherwise."""

    def __init__(self, titles: list[str], console: Console | None) -> None:
        """`titles`: the steps in order. `console`: None for plain text."""
        self._steps = [_Step(title) for title in titles]
        self._console = console
        self._latest = ""

    def event(self, at: float | None, who: str, what: str) -> None:
        """One line: seconds since power-on (None for what is no machine), who, what."""
        time = "" if at is None else f"{at:.1f} s"
        line = f"{time:>9}  {who:<12} {what}"
        if line == self._latest:  # firmware repaints its lines
            return
        self._latest = line
        self._print(line, "dim" if at is None else "")

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        """What is done in the block is step `number`, counted from 1; it was observed if the block does not raise."""
        step = self._steps[number - 1]
        self._print(f"{number}. {step.title}", "bold")
        began, step.outcome = monotonic(), _MISSING
        try:
            yield
            step.outcome = _OBSERVED
        finally:
            step.seconds = monotonic() - began

    @property
    def complete(self) -> bool:
        """Whether every step was observed."""
        return all(step.outcome == _OBSERVED for step in self._steps)

    def table(self) -> None:
        """The steps, their outcomes and how long they took."""
        self._print("", "")
        for number, step in enumerate(self._steps, 1):
            time = "" if step.outcome == _NOT_REACHED else f"{step.seconds:.0f} s"
            style = "green" if step.outcome == _OBSERVED else "red"
            self._print(f"{number}  {step.outcome:<13}{time:>6}  {step.title}", style)

    def _print(self, line: str, style: str) -> None:
        if self._console is None:
            click.echo(line)
        else:
            self._console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
