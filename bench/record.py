"""The figures of all runs so far: docs/benchmarks/results.json, where a load measured again takes its old place.

So a benchmark may be run in parts, on several days, and be taken up again where it was broken off.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.result import Result


class Record:
    """The results in the file at `path`, in the order of `loads`, which are all that there are."""

    def __init__(self, path: Path, loads: Sequence[str]) -> None:
        self._path = path
        self._places = {load: place for place, load in enumerate(loads)}
        known = [Result(**fields) for fields in json.loads(path.read_text())] if path.exists() else []
        self.results = self._sorted(result for result in known if result.load in self._places)

    def measured(self, *, quick: bool) -> Collection[str]:
        """The loads that have results of a quick run or, if not `quick`, of a full one."""
        return {result.load for result in self.results if result.quick == quick}

    def unmeasured(self) -> list[str]:
        """The loads that have no results."""
        return [load for load in self._places if load not in {result.load for result in self.results}]

    def replace(self, load: str, results: Sequence[Result], *, quick: bool, date: str) -> None:
        """What `load` came to on `date`, instead of what it was before; written to the file at once."""
        for result in results:
            result.load, result.quick, result.date = load, quick, date
        others = [result for result in self.results if result.load != load]
        self.results = self._sorted([*others, *results])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps([asdict(result) for result in self.results], indent=1) + "\n")
        beside.replace(self._path)

    def _sorted(self, results: Iterable[Result]) -> list[Result]:
        return sorted(results, key=lambda result: self._places[result.load])
