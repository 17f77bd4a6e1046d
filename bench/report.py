"""The page of results: docs/benchmarks.md with a table and a plot for each load."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from bench.result import SUBJECT, Result

_WIDTH, _LABEL, _BAR, _GAP = 720, 150, 18, 8
"""pixels"""
_ROOM = 400
"""pixels of the longest bar"""
_SINGLE = "most figures are of one round: they show about where a server stands, not that a bar is met by a few percent"


def write(
    results: list[Result], docs: Path, *, versions: str, unmeasured: Sequence[str] = (), quick: Sequence[str] = ()
) -> Path:
    """`docs`/benchmarks.md and its plots; the page's path.

    It names the loads that were `unmeasured`; if some results are of a quick run, `quick` says how that one differs.
    """
    plots = docs / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    page = docs / "benchmarks.md"
    parts = [_head(results, versions=versions), *_less(unmeasured, quick if any(one.quick for one in results) else ())]
    for area, group in groupby(results, key=lambda result: result.area):
        parts.append(f"## {area}\n")
        for result in group:
            parts.append(_section(result, plots))
    page.write_text("\n".join(parts))
    return page


def machine() -> str:
    """Processor, kernel, distribution and Python of this machine, in one line."""
    cpus = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    name = cpus[0] if cpus else platform.machine()
    system = re.search(r'^PRETTY_NAME="?([^"\n]+)', Path("/etc/os-release").read_text(), re.MULTILINE)
    kernel = platform.release().partition("-")[0]
    distribution = system[1] if system else "Linux"
    return f"{max(len(cpus), 1)} x {name}, Linux {kernel}, {distribution}, Python {platform.python_version()}"


def verdict(result: Result) -> str:
    """What came of the bar: a sentence, empty if there is none."""
    met = result.met()
    if met is None:
        return ""
    word = "met" if met else "**missed**"
    relation = "at least" if result.better == "higher" else "at most"
    if result.limit is not None:
        return f"bar {relation} {result.limit:g} {result.unit}".rstrip() + f": {word}"
    return f"bar {relation} {result.bar:g} of the best peer: {word}"


def line(result: Result) -> str:
    """One line for a terminal."""
    ratio, best = result.ratio(), result.best_peer()
    if SUBJECT in result.samples:
        figure = _with_unit(result, SUBJECT)
    else:
        figure = f"{best}: {_with_unit(result, best)}" if best else "no figure"
    against = f", {ratio:.2f} of {best}" if ratio is not None else ""
    said = verdict(result).replace("*", "")
    return f"{result.area}: {result.name}: {figure}{against}" + (f" ({said})" if said else "")


def _length(results: list[Result]) -> str:
    """Which runs the figures are from."""
    dates = sorted({result.date for result in results if result.date})
    when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "undated"
    quick = sum(result.quick for result in results)
    if not quick:
        return f"full runs, {when}"
    return f"{'quick runs' if quick == len(results) else 'full and quick runs'}, {when}"


def _less(unmeasured: Sequence[str], quick: Sequence[str]) -> list[str]:
    """What there is no figure of, and what figures of a quick run rest on."""
    lines = [f"* {sentence}" for sentence in (_SINGLE, *quick)] if quick else []
    if unmeasured:
        lines.append(f"* no figures: {', '.join(f'`{load}`' for load in unmeasured)}")
    title = "What a quick run leaves out" if quick else "What was not measured"
    return [f"## {title}\n", *lines, ""] if lines else []


def _head(results: list[Result], *, versions: str) -> str:
    rows = ["| load | pxed | best peer | ratio | bar |", "|---|---|---|---|---|"]
    for result in results:
        best, ratio = result.best_peer(), result.ratio()
        if result.met() is None and (best is None or SUBJECT in result.samples):
            continue
        own = _with_unit(result, SUBJECT) if SUBJECT in result.samples else ""
        peer = f"{best}: {_figure(result.median(best)) if own else _with_unit(result, best)}" if best else ""
        shown = f"{ratio:.2f}" if ratio is not None else ""
        rows.append(f"| {result.name} | {own} | {peer} | {shown} | {verdict(result)} |")
    return f"""\
# Benchmarks

Written by `make bench`: {_length(results)}. All servers did the same work on the same machine in turn, round
after round; figures are medians over the rounds, with the smallest and the largest beside them. Ratios are the medians
of what they are in each round, since the machine is not equally fast all the time. Loads measured on different days
may be of different machines. The server runs on one processor and the load on another, in two network namespaces with
a virtual cable between them, where the kernel cuts a server's batch into single frames, as for a plain network card,
unless a title says that the card does it. TCP finds its pace by CUBIC, Linux's default, whatever the machine's is.

What the kernel does to receive a frame at the load's end is done by the processor that sent it and counts as the
server's, for every server alike; on a network it is the client's. To have little of it in the figures, the load's end
of TFTP takes frames together that come in one go (GRO), as the drivers of most network cards do, but where datagrams
are lost. Titles with "frames taken one by one" show what is measured without that.

The load never sleeps and compares every octet. Figures in lock step depend on that: a load that slept until the next
block came would have to be woken up for it, and one client's rate would be that of the scheduler, with every server.
Each table of rates says how many blocks waited for the load when it looked: few if the server is what is measured.
A full run measures TFTP once again if something else used the machine, and the quieter of both tries counts; a wide
spread shows what is left of such disturbance. Servers that do not belong to the fast ones are measured once.

* machine: {machine()}
* servers: {versions}

## Against the bars

{chr(10).join(rows)}
"""


def _section(result: Result, plots: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", f"{result.area} {result.name}".lower()).strip("-")
    lines = [f"### {_title(result.name)}{' (quick run)' if result.quick else ''}", ""]
    if result.samples:
        (plots / f"{name}.svg").write_text(plot(result))
        lines += [
            f"| server | {result.unit or 'ratio'} | smallest to largest | to the best peer |",
            "|---|---|---|---|",
        ]
        for server in _ranked(result):
            ratio = result.ratio(server)
            low, high = map(_figure, result.spread(server))
            shown = f"{ratio:.2f}" if ratio is not None else ""
            lines.append(f"| {server} | {_figure(result.median(server))} | {low} to {high} | {shown} |")
        lines += ["", f"![{result.name}](benchmarks/{name}.svg)", ""]
    if result.picture:
        (plots / f"{name}-picture.svg").write_text(result.picture)
        lines += [f"![{result.name}, in phases](benchmarks/{name}-picture.svg)", ""]
    if said := verdict(result):
        lines += [f"{_title(said)}.", ""]
    lines += [f"* {note}" for note in result.notes]
    return "\n".join(lines).rstrip() + "\n"


def plot(result: Result) -> str:
    """An SVG of horizontal bars, one a server, with a line from the smallest to the largest figure."""
    servers = _ranked(result)
    largest = max(max(result.samples[server]) for server in servers) or 1.0
    height = len(servers) * (_BAR + _GAP) + 2 * _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-size="12">',
        "<style>text { font-family: sans-serif }</style>",
        f"<title>{escape(result.name)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
    ]
    for index, server in enumerate(servers):
        top = _GAP + index * (_BAR + _GAP)
        figure = result.median(server)
        low, high = (_LABEL + value / largest * _ROOM for value in result.spread(server))
        colour = "#2a6fb0" if server.startswith(SUBJECT) else "#b5b5b5"
        middle = top + _BAR / 2
        parts += [
            f'<text x="{_LABEL - 8}" y="{top + 13}" text-anchor="end">{escape(server)}</text>',
            f'<rect x="{_LABEL}" y="{top}" width="{figure / largest * _ROOM:.1f}" height="{_BAR}" fill="{colour}"/>',
            f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" stroke="black" stroke-width="2"/>',
            f'<text x="{_LABEL + _ROOM + 8}" y="{top + 13}">{_figure(figure)} {escape(result.unit)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _ranked(result: Result) -> list[str]:
    return sorted(result.samples, key=result.median, reverse=result.better == "higher")


def _title(name: str) -> str:
    """With a capital letter, but for a command."""
    return name if name.startswith(SUBJECT) else name[0].upper() + name[1:]


def _with_unit(result: Result, server: str) -> str:
    return f"{_figure(result.median(server))} {result.unit}".rstrip()


def _figure(value: float) -> str:
    """A number for people: three digits, or whole ones with separators."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
