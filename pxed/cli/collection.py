"""`pxed collection`: named sets of computers."""

from __future__ import annotations

from dataclasses import asdict

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.names import find_collection, find_computer
from pxed.cli.output import print_fields, print_rows
from pxed.cli.session import Session
from pxed.site.model import Computer

_COLUMNS = {"name": "Name", "members": "Members", "comment": "Comment"}


@click.group(cls=VerbGroup)
def command() -> None:
    """Put computers into named sets, to which task sequences are advertised.

    \b
    Example:
      pxed collection list
    """


@command.command
@click.argument("name")
@click.option("--comment", default="", help="A word for the listing.")
@click.pass_obj
def add(session: Session, name: str, comment: str) -> None:
    """Add an empty collection.

    \b
    Example:
      pxed collection add Lab --comment "Room 214"
    """
    with session.writing() as tx:
        collection = tx.add_collection(name, comment)
    session.report(asdict(collection), f"collection {name} is added")


@command.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List collections by name.

    \b
    Example:
      pxed collection list --json
    """
    with session.reading() as tx:
        rows = [asdict(collection) for collection in tx.collections()]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no collections")


@command.command
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show a collection, its computers and its advertisements.

    \b
    Example:
      pxed collection show Lab
    """
    with session.reading() as tx:
        found = find_collection(tx, name)
        fields = asdict(found) | {
            "computers": [computer.name for computer in tx.computers(found.id)],
            "advertisements": [each.name for each in tx.advertisements() if each.collection_id == found.id],
        }
    print_fields(fields, as_json=session.as_json)


@command.command
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Remove a collection, but not its computers.

    It must not be advertised to.

    \b
    Example:
      pxed collection remove Lab
    """
    with session.writing() as tx:
        tx.remove_collection(name)
    session.report([name], f"collection {name} is removed")


@command.command("add-member")
@click.argument("name")
@click.argument("computers", nargs=-1, required=True, metavar="COMPUTER...")
@click.pass_obj
def add_member(session: Session, name: str, computers: tuple[str, ...]) -> None:
    """Put computers into a collection.

    \b
    Example:
      pxed collection add-member Lab ws-01 52:54:00:12:34:56
    """
    with session.writing() as tx:
        collection = find_collection(tx, name)
        found = [find_computer(tx, key) for key in computers]
        new = [computer.name for computer in found if tx.add_member(collection.id, computer.id)]
    session.report(new, *_messages(found, new, f"is put into {name}", f"was in {name} already"))


@command.command("remove-member")
@click.argument("name")
@click.argument("computers", nargs=-1, required=True, metavar="COMPUTER...")
@click.pass_obj
def remove_member(session: Session, name: str, computers: tuple[str, ...]) -> None:
    """Take computers out of a collection.

    \b
    Example:
      pxed collection remove-member Lab ws-01
    """
    with session.writing() as tx:
        collection = find_collection(tx, name)
        found = [find_computer(tx, key) for key in computers]
        gone = [computer.name for computer in found if tx.remove_member(collection.id, computer.id)]
    session.report(gone, *_messages(found, gone, f"is taken out of {name}", f"is not in {name}"))


def _messages(found: list[Computer], changed: list[str], done: str, was: str) -> list[str]:
    """A sentence for each computer."""
    return [f"computer {computer.name} {done if computer.name in changed else was}" for computer in found]
