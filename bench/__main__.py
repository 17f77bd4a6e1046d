"""`python -m bench [--quick] [--resume] [--only LOAD] [--docs DIRECTORY]`: runs the benchmarks and writes the page.

A part is a module of this package: `run(quick) -> list[Result]` for one that is measured as a whole, or `LOADS`, a
mapping from the names of its loads to such functions; `QUICK` says what it does otherwise in a quick run, and what it
leaves out. `--only tftp` runs all loads of a part, `--only tftp/loss-w4` one.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from bench import report
from bench.packages import CACHE
from bench.peers import find_peers, versions
from bench.record import Record
from bench.result import Result

_PROJECT = Path(__file__).parent.parent
_DOCS, _QUICK_DOCS = _PROJECT / "docs", _PROJECT / "build"
_PARTS = ("tftp", "answers", "http", "storm", "start", "boot")

Run = Callable[[bool], Iterable[Result]]
"""from whether it shall be quick to what was measured"""


def main() -> None:
    """The program."""
    loads = {load: run for part in _PARTS for load, run in _loads(part)}
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures pxed beside its peers; needs root.")
    parser.add_argument("--quick", action="store_true", help="few rounds and small files")
    parser.add_argument("--resume", action="store_true", help="leave out what has been measured, as quickly or not")
    parser.add_argument(
        "--only", action="append", choices=[*_PARTS, *loads], metavar="LOAD", help="this part, or load of a part, alone"
    )
    parser.add_argument("--docs", type=Path, help="where benchmarks.md is written: docs/, or build/ if it is quick")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("the benchmark makes network namespaces, which needs root")
    # Whoever ends it early finds no namespace and no server left behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    docs: Path = chosen.docs or (_QUICK_DOCS if chosen.quick else _DOCS)
    record = Record(docs / "benchmarks" / "results.json", list(loads))
    done = record.measured(quick=chosen.quick) if chosen.resume else ()
    for load, run in loads.items():
        if load in done or (chosen.only and not {load, load.partition("/")[0]} & set(chosen.only)):
            continue
        begun = time.monotonic()
        results = _run(load, run, quick=chosen.quick)
        if results:
            record.replace(load, results, quick=chosen.quick, date=f"{datetime.now(UTC):%Y-%m-%d}")
        for result in results:
            print(report.line(result), flush=True)
        if results:
            print(f"({load}: {time.monotonic() - begun:.0f} s)", flush=True)
    page = report.write(
        record.results,
        docs,
        versions=versions(find_peers(CACHE)),
        unmeasured=record.unmeasured(),
        quick=[_module(part).QUICK for part in _PARTS],
    )
    print(f"written: {page}")


def _module(part: str) -> ModuleType:
    return importlib.import_module(f"bench.{part}")


def _loads(part: str) -> list[tuple[str, Run]]:
    module = _module(part)
    several: Mapping[str, Run] | None = getattr(module, "LOADS", None)
    return [(part, module.run)] if several is None else [(f"{part}/{name}", run) for name, run in several.items()]


def _run(load: str, run: Run, *, quick: bool) -> list[Result]:
    """The results of one load; one that cannot run says why and leaves the others alone."""
    try:
        return list(run(quick))
    except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the figures of the other loads are kept
        traceback.print_exc()
        print(f"{load} could not be measured: {type(error).__name__}: {error}", file=sys.stderr)
        return []


if __name__ == "__main__":
    main()
