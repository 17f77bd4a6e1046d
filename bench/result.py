"""What a benchmark measured: samples of each server on one load, and what they are worth against the best peer."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Literal

SUBJECT = "pxed"
"""the server under test: its samples, and those of variants of it such as `pxed, 2 workers`, are not a peer's"""


@dataclass
class Result:
    """One load and one quantity, measured for several servers.

    A server that cannot do the load has an entry in `notes` and no samples.
    """

    area: str
    """the section of the page: "TFTP", "Answers", "HTTP", ..."""
    name: str
    """the load and the quantity, such as "49 clients, window 4: throughput" """
    unit: str
    """such as "blocks/s"; "s", "MB" and the like may stand alone"""
    better: Literal["higher", "lower"] = "higher"
    bar: float | None = None
    """the ratio to the best peer that is aimed for: at least it if higher is better, else at most"""
    limit: float | None = None
    """a bar in `unit` itself, where no peer is compared"""
    samples: dict[str, list[float]] = field(default_factory=dict)
    """server -> one figure a round, in order of the rounds; `pxed` is the server under test"""
    notes: list[str] = field(default_factory=list)
    """sentences for the reader, such as why a server is missing"""
    picture: str = ""
    """an SVG of its own, shown beside the plot of the samples"""
    load: str = ""
    """what the result came from, as `--only` names it"""
    quick: bool = False
    """whether that was a quick run"""
    date: str = ""
    """of that run"""

    def add(self, server: str, figure: float) -> None:
        """One round's figure of `server`."""
        self.samples.setdefault(server, []).append(figure)

    def note(self, sentence: str) -> None:
        """A sentence for the reader, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def median(self, server: str) -> float:
        """Over the rounds; KeyError for a server that was not measured."""
        return median(self.samples[server])

    def spread(self, server: str) -> tuple[float, float]:
        """The smallest and the largest figure."""
        return min(self.samples[server]), max(self.samples[server])

    def best_peer(self) -> str | None:
        """The server other than pxed with the best median; None if none was measured."""
        peers = [server for server in self.samples if not server.startswith(SUBJECT)]
        choose = max if self.better == "higher" else min
        return choose(peers, key=self.median) if peers else None

    def ratio(self, server: str = SUBJECT) -> float | None:
        """How `server` compares with the best peer: the median of what it comes to round by round, so that a machine
        which is slower for a while is so for both. Of their medians if they were not measured as often. None if either
        is missing."""
        best = self.best_peer()
        if best is None or server not in self.samples or not all(self.samples[best]):
            return None
        if len(self.samples[server]) != len(self.samples[best]):
            return self.median(server) / self.median(best)
        return median(own / peer for own, peer in zip(self.samples[server], self.samples[best], strict=True))

    def met(self) -> bool | None:
        """Whether pxed reaches the bar; None if there is no bar, or nothing to compare."""
        if self.limit is not None and SUBJECT in self.samples:
            return self._reaches(self.median(SUBJECT), self.limit)
        ratio = self.ratio()
        return None if self.bar is None or ratio is None else self._reaches(ratio, self.bar)

    def _reaches(self, figure: float, wanted: float) -> bool:
        return figure >= wanted if self.better == "higher" else figure <= wanted
