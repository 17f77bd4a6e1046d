"""Blocks a second, and processor time for a gigabyte: so many clients, each of which fetches a file once."""

from __future__ import annotations

from dataclasses import dataclass

from bench.peers import Server
from bench.result import Result
from bench.tftp_bench import AREA, Bench, bench, missing
from bench.tftp_content import BLOCK_SIZE, blocks_of
from bench.tftp_turn import BATCH


@dataclass(frozen=True, slots=True)
class Work:
    """A load, and what is aimed for, as ratios to the best peer."""

    clients: int
    window: int
    megabytes: int
    bar: float | None
    cpu_bar: float | None = None
    cut_by_card: bool = False
    taken_singly: bool = False
    """see `bench.network`, both"""
    rounds: int = 3
    seconds: float = 8.0
    """after which a slow server is stopped; what it did by then is its rate"""

    @property
    def is_variant(self) -> bool:
        """On another cable than the others; slow servers are left out."""
        return self.cut_by_card or self.taken_singly

    @property
    def title(self) -> str:
        """As in the table."""
        many = "one client" if self.clients == 1 else f"{self.clients:,} clients"
        card = ", a card that cuts messages up" if self.cut_by_card else ""
        singly = ", frames taken one by one" if self.taken_singly else ""
        return f"{many}, window {self.window}{card}{singly}"


def rates(full: Work, quick_one: Work | None, quick: bool) -> list[Result]:
    """All servers on `full`, the fast ones alone if it is a variant; or quickly on `quick_one`, if there is one."""
    work = quick_one if quick else full
    if work is None:
        return []
    rate = Result(AREA, f"{work.title}: throughput", "blocks/s", bar=work.bar)
    cpu = Result(AREA, f"{work.title}: processor time", "CPU s/GB", better="lower", bar=work.cpu_bar)
    rate.notes += missing()
    waiting: dict[str, float] = {}
    with bench(quick, two_workers=not quick and work.clients > 1) as there:
        there.net.cut_by_card(work.cut_by_card)
        there.net.take_together(not work.taken_singly)
        for turn in range(1 if quick else work.rounds):
            for server in there.fast if turn or work.is_variant else there.servers:
                _round(there, work, server, rate, cpu, waiting)
    most = min(work.clients, BATCH) * work.window
    found = ", ".join(f"{name} {number:.0f}" for name, number in waiting.items())
    rate.note(f"blocks that waited when the load looked, of {most} at most if the load were what is slow: {found}")
    return [rate] if work.cpu_bar is None and not work.is_variant else [rate, cpu]


def _round(there: Bench, work: Work, server: Server, rate: Result, cpu: Result, waiting: dict[str, float]) -> None:
    taken = there.tried(server, there.order(work.clients, work.window, blocks_of(work.megabytes), work.seconds), rate)
    if taken is None:
        return
    outcome = taken.outcome
    rate.add(server.name, outcome.blocks / outcome.seconds)
    waiting[server.name] = outcome.waiting
    if outcome.window == work.window:
        cpu.add(server.name, taken.cpu_seconds / (outcome.blocks * BLOCK_SIZE / 1e9))
