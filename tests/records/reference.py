"""What `exactly once` means, written as plainly as it can be said: the model that the real thing is compared with.

One computer and one mandatory advertisement. A *run* lasts from the beginning, or from a clear, to the next clear.
Nothing here knows of states, windows of time, service points or transactions.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Run:
    """What happened since the record was cleared last."""

    asked: int = 0
    """how many packets came from the computer, each of which may be the first of a boot"""
    image_fetched: bool = False
    """the service knows that one boot image was fetched whole, or its agent has begun"""
    begun_by: set[str] = field(default_factory=set)
    """boot ids of the systems that were given the task sequence"""
    claims: dict[int, str] = field(default_factory=dict)
    """which service point handed each try out"""


@dataclass
class Reference:
    """The promises, as they are kept or broken."""

    attempts: int
    run: Run = field(default_factory=Run)

    def cleared(self) -> None:
        self.run = Run()

    def handed_out(self, try_number: int, point: str) -> None:
        assert not self.run.image_fetched, "handed out although it counts as run"
        assert try_number <= self.attempts, "more tries than there may be"
        assert try_number <= self.run.asked, "a try that nobody asked for"
        assert self.run.claims.setdefault(try_number, point) == point, "two service points hand the same try out"

    def fetched(self) -> None:
        self.run.image_fetched = True

    def begun(self, boot: str) -> None:
        self.run.begun_by.add(boot)
        self.run.image_fetched = True
        assert len(self.run.begun_by) == 1, "installed twice without a clear"

    def must_get_it(self, tries: int) -> bool:
        """Whether the next boot has to be given it: nothing was fetched, and tries are left."""
        return not self.run.image_fetched and tries < self.attempts
