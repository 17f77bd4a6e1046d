"""`pxed computer import`: many computers from a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.names import find_collection
from pxed.cli.output import Row, print_rows, say
from pxed.cli.session import Session
from pxed.errors import Refused

if TYPE_CHECKING:
    from pxed.site.importer import ImportPlan

_COLUMNS = {
    "line": "Line",
    "name": "Computer",
    "guid": "GUID",
    "macs": "MAC addresses",
    "source": "Source",
    "variables": "Variables",
    "change": "Change",
    "text": "What",
}
_PREVIEWED = 20
"""lines that people are shown"""
_BAD_SHOWN = 20
"""bad lines that people are shown: if the columns are named wrongly, every line is bad"""


@click.command
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--columns", default="name,guid,mac", show_default=True, metavar="LIST", help="What the fields mean.")
@click.option("--header/--no-header", help="Whether the first line names the columns; it is passed over then.")
@click.option("--collection", "collections", multiple=True, help="Put all of them into this one; may be repeated.")
@click.option("--preview", "--dry-run", is_flag=True, help="Show what the file says and would change; change nothing.")
@click.option("--skip-bad", is_flag=True, help="Import the good lines although there are bad ones.")
@click.pass_obj
def command(
    session: Session,
    file: Path,
    columns: str,
    header: bool,
    collections: tuple[str, ...],
    preview: bool,
    skip_bad: bool,
) -> None:
    """Import computers from a CSV file.

    FILE may be `-` for standard input. A column is name, guid, mac, source (the computer that it replaces),
    variable:NAME or ignore. GUID or MAC may be empty; several MACs are separated by spaces or semicolons, or stand in
    several columns. A computer that exists is overwritten; an empty source or variable leaves what it has. If any line
    is bad, nothing is imported.

    \b
    Example:
      pxed computer import computers.csv --columns name,mac,ignore,variable:Site --collection Lab --preview
    """
    from pxed.site.import_columns import advice
    from pxed.site.import_file import parse_columns, read_computers
    from pxed.site.importer import import_computers

    meaning = parse_columns(columns)
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    lines, bad = read_computers(data, header=header, columns=meaning)
    with session.writing() as tx:
        homes = [find_collection(tx, each) for each in collections]
        plan = import_computers(tx, lines, bad, collections=homes, skip_bad=skip_bad, dry_run=preview)
    for each in plan.bad[:_BAD_SHOWN]:
        say(f"line {each.number}: {each.reason}")
    if len(plan.bad) > _BAD_SHOWN:
        say(f"and {_count(len(plan.bad) - _BAD_SHOWN, 'more bad line')}; --json lists them all")
    if plan.bad and (better := advice(data, meaning, header=header)):
        say(better)
    if session.as_json:
        print_rows(_rows(plan), _COLUMNS, as_json=True, empty="")
    elif preview:
        _print_preview(plan, meaning.source is not None, bool(meaning.variables))
    if plan.bad and not skip_bad:
        raise Refused(f"nothing is imported: {_count(len(plan.bad), 'bad line')}; --skip-bad would leave them out")
    done = "would be " if preview else ""
    say(
        f"{_count(len(plan.added), 'computer')} {done}added, {len(plan.changed)} {done}changed, "
        f"{len(plan.unchanged)} unchanged" + (f", {_count(len(plan.bad), 'bad line')} left out" if plan.bad else "")
    )


def _print_preview(plan: ImportPlan, source: bool, variables: bool) -> None:
    """The first lines as they were understood, in the columns that there are."""
    unused = {key for key, used in (("source", source), ("variables", variables)) if not used}
    columns = {key: heading for key, heading in _COLUMNS.items() if key not in unused}
    print_rows(islice(_rows(plan), _PREVIEWED), columns, as_json=False, empty="no computers in the file")
    more = sum(map(len, (plan.added, plan.changed, plan.unchanged, plan.bad))) - _PREVIEWED
    if more > 0:
        say(f"and {_count(more, 'more line')}; --json lists them all")


def _rows(plan: ImportPlan) -> Iterator[Row]:
    """What an import did or would do, in the order of the file."""
    rows: list[dict[str, Any]] = [
        {
            "line": change.line.number,
            "name": change.line.name,
            "guid": change.line.guid,
            "macs": change.line.macs,
            "source": change.line.source,
            "variables": change.line.variables,
            "change": kind,
            "text": change.text,
        }
        for kind, changes in (("add", plan.added), ("change", plan.changed), ("keep", plan.unchanged))
        for change in changes
    ]
    nothing: dict[str, Any] = dict.fromkeys(_COLUMNS)
    rows += [nothing | {"line": each.number, "change": "bad", "text": each.reason} for each in plan.bad]
    return iter(sorted(rows, key=lambda row: row["line"]))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
