"""`pxed sequence`: task sequences, each tied to a boot image."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.names import find_sequence
from pxed.cli.output import print_fields, print_rows
from pxed.cli.session import Session
from pxed.errors import UsageError

if TYPE_CHECKING:
    from pxed.sequence.model import Step
    from pxed.site.model import TaskSequence

_COLUMNS = {"name": "Name", "boot_image": "Boot image", "steps": "Steps", "enabled": "Enabled"}


@click.group(cls=VerbGroup)
def command() -> None:
    """Add, list, show, disable and remove task sequences: what a boot image does on a computer, step by step.

    \b
    Example:
      pxed sequence list
    """


@command.command
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--boot-image", required=True, help="The boot image that carries it out.")
@click.pass_obj
def add(session: Session, name: str, file: Path, boot_image: str) -> None:
    """Add the task sequence in a file, or overwrite it.

    FILE is TOML if its name ends in .toml, otherwise JSON; `-` is JSON on standard input. Computers that run the old
    one already go on with what they got.

    A step is a command line for /bin/sh or a group of steps. The first one that fails ends the sequence as failed;
    with continue_on_error it goes on after that step, or after the rest of that group.

    \b
      [[steps]]
      kind = "command"
      name = "write the disk"
      run = "wget -qO- http://192.0.2.1/disk.img.gz | gunzip | dd of=/dev/vda"

    \b
      [[steps]]
      kind = "group"
      name = "tidy up"
      continue_on_error = true

    \b
      [[steps.steps]]
      kind = "command"
      name = "tell the inventory"
      run = "wget -qO- http://192.0.2.1/installed/$PXED_COMPUTER"

    \b
    Example:
      pxed sequence add install install.toml --boot-image debian
    """
    from pxed.sequence.model import parse, parse_toml, to_json

    try:
        text = (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode()
        document = parse_toml(text) if file.suffix == ".toml" else parse(text)
    except ValueError as error:  # UnicodeDecodeError and TOMLDecodeError are of its kind
        raise UsageError(f"{file}: {error}") from None
    with session.writing() as tx:
        sequence = tx.put_sequence(name, boot_image, to_json(document))
    session.report(_fields(sequence), f"task sequence {name} is kept")


@command.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List task sequences by name.

    \b
    Example:
      pxed sequence list --json
    """
    with session.reading() as tx:
        rows = [_fields(sequence) for sequence in tx.sequences()]
    shown = (row | {"steps": len(row["document"]["steps"])} for row in rows)
    print_rows(rows if session.as_json else shown, _COLUMNS, as_json=session.as_json, empty="no task sequences")


@command.command
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show a task sequence with its steps.

    \b
    Example:
      pxed sequence show install
    """
    from pxed.sequence.model import parse

    with session.reading() as tx:
        sequence = find_sequence(tx, name)
        advertisements = [each.name for each in tx.advertisements() if each.sequence == name]
    fields = _fields(sequence) | {"advertisements": advertisements}
    if not session.as_json:
        del fields["document"]
        fields["steps"] = list(_outline(parse(sequence.document).steps))
    print_fields(fields, as_json=session.as_json)


@command.command
@click.argument("name")
@click.pass_obj
def disable(session: Session, name: str) -> None:
    """Give a task sequence to nobody, whatever advertises it. Computers that run it already go on.

    \b
    Example:
      pxed sequence disable install
    """
    _set_enabled(session, name, False)


@command.command
@click.argument("name")
@click.pass_obj
def enable(session: Session, name: str) -> None:
    """Put a task sequence into force again, for whatever advertises it.

    \b
    Example:
      pxed sequence enable install
    """
    _set_enabled(session, name, True)


@command.command
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Remove a task sequence that is not advertised.

    \b
    Example:
      pxed sequence remove install
    """
    with session.writing() as tx:
        tx.remove_sequence(name)
    session.report([name], f"task sequence {name} is removed")


def _set_enabled(session: Session, name: str, enabled: bool) -> None:
    with session.writing() as tx:
        sequence = tx.enable_sequence(name, enabled)
    session.report(_fields(sequence), f"task sequence {name} is {'enabled' if enabled else 'disabled'}")


def _fields(sequence: TaskSequence) -> dict[str, Any]:
    return asdict(sequence) | {"document": json.loads(sequence.document)}


def _outline(steps: Iterable[Step], above: str = "") -> Iterator[dict[str, str]]:
    """A row a step, groups before their steps, numbered 1, 2, 2.1, ..."""
    from pxed.sequence.model import Group

    for number, step in enumerate(steps, 1):
        place = f"{above}{number}"
        tolerant = "yes" if step.continue_on_error else ""
        what = "" if isinstance(step, Group) else step.run
        yield {place: step.name, "run": what, "continue_on_error": tolerant}
        if isinstance(step, Group):
            yield from _outline(step.steps, f"{place}.")
