"""What verbs print. Data goes to stdout: a table for people on a terminal, aligned plain text in a pipe or if it is
long, JSON if asked for. Messages go to stderr.

A row is a mapping with everything there is; JSON has it whole, a table has the columns that it names. Much of it was
said by strangers on the network or by running systems, so nothing that could steer a terminal is printed as it came.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

Row = Mapping[str, Any]

_AT_ONCE = 1000
"""Rows that are read before the first is written: by them the columns are measured."""


def print_rows(rows: Iterable[Row], columns: Mapping[str, str], *, as_json: bool, empty: str) -> None:
    """A listing: `columns` maps keys of a row to headings; `empty` is the message if there are no rows,
    if there has to be one."""
    if as_json:
        _print_json_list(rows)
        return
    lines = ([cell(row[key]) for key in columns] for row in rows)
    first = list(islice(lines, _AT_ONCE))
    if not first:
        if empty:
            say(empty)
    elif sys.stdout.isatty() and len(first) < _AT_ONCE:
        _print_rich_table(list(columns.values()), first)
    else:
        _print_aligned([[heading.upper() for heading in columns.values()], *first], lines)


def print_csv(rows: Iterable[Row], columns: Mapping[str, str]) -> None:
    """A listing for a spreadsheet: a line of headings, then one a row (RFC 4180), times in UTC."""
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(columns.values())
    for row in rows:
        writer.writerow(_csv_cell(row[key]) for key in columns)


def print_fields(fields: Row, *, as_json: bool) -> None:
    """One thing, a line a field; what is empty is left out of the text."""
    if as_json:
        print_json(fields)
        return
    lines: list[list[str]] = []
    for key, value in fields.items():
        label = f"{key.replace('_', ' ')}:"
        for each in value if _is_list_of_rows(value) else [value]:
            if text := cell(each):
                lines.append([label, text])
                label = ""
    if lines:
        _print_aligned(lines)


def print_json(data: object) -> None:
    """One JSON document, for people to read as well."""
    click.echo(json.dumps(data, default=_json_value, indent=2))


def print_json_line(data: object) -> None:
    """One of many JSON documents, a line each."""
    click.echo(json.dumps(data, default=_json_value))


def say(text: str) -> None:
    """A message to the person, on stderr; it may have several lines."""
    click.echo("\n".join(map(printable, text.split("\n"))), err=True)


def cell(value: object) -> str:
    """One value as text: times in the local time zone, lists with commas, nothing that steers a terminal."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
        case Mapping():
            return ", ".join(f"{key.replace('_', ' ')} {text}" for key, each in value.items() if (text := cell(each)))
        case list() | tuple():
            return ", ".join(cell(each) for each in value)
        case _:
            return printable(str(value))


def printable(text: str) -> str:
    r"""`text` with what is not printable written as an escape: '\x1b[2J' for the sequence that clears a screen."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _is_list_of_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _csv_cell(value: object) -> object:
    return _json_value(value) if isinstance(value, datetime) else cell(value)


def _json_value(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case uuid.UUID() | Path():
            return str(value)
        case set() | frozenset():
            return sorted(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")


def _print_json_list(rows: Iterable[Row]) -> None:
    """An array, an object a line: written as it is read, since a site may have a million computers."""
    before = "["
    texts = (f"\n  {json.dumps(row, default=_json_value)}" for row in rows)
    while chunk := ",".join(islice(texts, _AT_ONCE)):
        click.echo(before + chunk, nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def _print_aligned(lines: Sequence[Sequence[str]], more: Iterable[Sequence[str]] = ()) -> None:
    """`lines` set the widths; `more`, which may be a million, are written as they are read."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rest = iter(more)
    while lines:
        padded = ([text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in lines)
        click.echo("\n".join("  ".join(line).rstrip() for line in padded))
        lines = list(islice(rest, _AT_ONCE))


def _print_rich_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))  # Text: square brackets in a value are no markup
    # rich by itself would keep bold with NO_COLOR; without a colour system it sends no escape sequence at all
    Console(color_system=None if os.environ.get("NO_COLOR") else "auto").print(table)
