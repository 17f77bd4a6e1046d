"""`pxed computer variable`: what a task sequence may read about the computer that it runs on."""

from __future__ import annotations

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.output import print_rows
from pxed.cli.session import Session
from pxed.cli.subjects import find_computer
from pxed.errors import NotFound, UsageError

_COLUMNS = {"name": "Name", "value": "Value"}


@click.group(cls=VerbGroup)
def command() -> None:
    """Tell task sequences about a computer.

    Every command of a task sequence has the variables of its computer in its environment. They are no place for
    secrets: whoever can claim the computer's MAC address on the network, once something is advertised to it, is told
    them, and they are listed and kept in the history as they are.

    \b
    Example:
      pxed computer variable set ws-01 Site=Vienna
    """


@command.command("set")
@click.argument("computer")
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.pass_obj
def set_(session: Session, computer: str, assignments: tuple[str, ...]) -> None:
    """Set variables of a computer.

    \b
    Example:
      pxed computer variable set ws-01 Site=Vienna "Owner=Jane Doe"
    """
    values: dict[str, str] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} is no NAME=VALUE")
        if name in values:
            raise UsageError(f"the variable {name} is given twice")
        values[name] = value
    with session.writing() as tx:
        found = find_computer(tx, computer)
        changed = tx.set_variables(found, values)
    session.report(values, f"computer {found.name}: {changed} of {len(values)} variables are changed")


@command.command("unset")
@click.argument("computer")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_obj
def unset(session: Session, computer: str, names: tuple[str, ...]) -> None:
    """Remove variables of a computer: all of those named, or none.

    \b
    Example:
      pxed computer variable unset ws-01 Site
    """
    with session.writing() as tx:
        found = find_computer(tx, computer)
        for name in dict.fromkeys(names):
            if not tx.unset_variable(found, name):
                raise NotFound(f"computer {found.name} has no variable {name}")
    session.report(list(dict.fromkeys(names)), f"computer {found.name}: {', '.join(dict.fromkeys(names))} removed")


@command.command("list")
@click.argument("computer")
@click.pass_obj
def list_(session: Session, computer: str) -> None:
    """List the variables of a computer by name.

    \b
    Example:
      pxed computer variable list ws-01
    """
    with session.reading() as tx:
        found = find_computer(tx, computer)
        values = tx.variables([found])[found.id]
    rows = [{"name": name, "value": value} for name, value in values.items()]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty=f"computer {found.name} has no variables")
