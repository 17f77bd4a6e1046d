"""`python -m bench [--quick] [--only PART] [--docs DIRECTORY]`: runs the benchmarks and writes the page."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from bench import report
from bench.peers import find_peers, versions
from bench.result import Result
from bench.tftp import CACHE

_DOCS = Path(__file__).parent.parent / "docs"
_PARTS = ("tftp", "answers", "http", "boot")
"""modules of this package with a function `run(quick) -> list[Result]`"""


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures pxed beside its peers; needs root.")
    parser.add_argument("--quick", action="store_true", help="few rounds and small files")
    parser.add_argument("--only", action="append", choices=_PARTS, help="this part alone; may come several times")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="where benchmarks.md is written (%(default)s)")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("the benchmark makes network namespaces, which needs root")
    results: list[Result] = []
    for part in chosen.only or _PARTS:
        for result in _run(part, quick=chosen.quick):
            results.append(result)
            print(report.line(result), flush=True)
    page = report.write(results, chosen.docs, quick=chosen.quick, versions=versions(find_peers(CACHE)))
    print(f"written: {page}")


def _run(part: str, *, quick: bool) -> list[Result]:
    """The results of one part; a part that cannot run says why and leaves the others alone."""
    try:
        return list(importlib.import_module(f"bench.{part}").run(quick))
    except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, hours of the other parts' figures are kept
        print(f"{part} could not be measured: {type(error).__name__}: {error}", file=sys.stderr)
        return []


if __name__ == "__main__":
    main()
