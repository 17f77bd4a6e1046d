"""`pxed collection`: named sets of computers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

import click

from pxed.cli.lazy import LazyVerb, VerbGroup
from pxed.cli.names import find_collection
from pxed.cli.output import Row, print_fields, print_rows
from pxed.cli.session import Session
from pxed.cli.subjects import find_computer

if TYPE_CHECKING:
    from pxed.site.model import Collection, Computer

_NAMES_SHOWN = 100
"""computers that people are shown"""
_COLUMNS = {"tree": "Name", "members": "Members", "rules": "Rules", "comment": "Comment"}


@click.group(cls=VerbGroup)
def command() -> None:
    """Put computers into named sets, to which task sequences are advertised.

    A collection has the computers that were put into it and those that fit one of its rules; it may have
    subcollections. all-computers has every known computer by itself, unknown-computers and those below it have the
    unknown ones that are served.

    \b
    Example:
      pxed collection list
    """


@command.command
@click.argument("name")
@click.option("--parent", metavar="NAME", help="Make it a subcollection of this one.")
@click.option("--comment", default="", help="A word for the listing.")
@click.pass_obj
def add(session: Session, name: str, parent: str | None, comment: str) -> None:
    """Add an empty collection.

    \b
    Example:
      pxed collection add Left --parent Lab --comment "Room 214, left side"
    """
    with session.writing() as tx:
        above = find_collection(tx, parent).id if parent is not None else None
        collection = tx.add_collection(name, comment, above)
    session.report(asdict(collection), f"collection {name} is added")


@command.command
@click.argument("name")
@click.option("--under", metavar="NAME", help="The collection of which it becomes a subcollection.")
@click.option("--to-top", is_flag=True, help="It becomes nobody's subcollection.")
@click.pass_obj
def move(session: Session, name: str, under: str | None, to_top: bool) -> None:
    """Move a collection within the tree, with all below it.

    \b
    Example:
      pxed collection move Left --under Lab
    """
    if (under is None) != to_top:
        raise click.UsageError("say either --under NAME or --to-top")
    with session.writing() as tx:
        above = find_collection(tx, under).id if under is not None else None
        moved = tx.move_collection(find_collection(tx, name).id, above)
    where = f"under {under}" if under is not None else "at the top"
    session.report([name] if moved else [], f"collection {name} is {where}{'' if moved else ' already'}")


@command.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List collections as a tree, built-in ones last.

    \b
    Example:
      pxed collection list --json
    """
    with session.reading() as tx:
        everything = tx.collections()
        counts = tx.count_all_members()
    names = {each.id: each.name for each in everything}
    rows: Iterable[Row] = (
        asdict(each)
        | {
            "parent": names.get(each.parent_id or 0),
            "members": counts.get(each.id, 0) if each.builtin in {"", "all"} else None,
            "tree": "  " * depth + each.name + (" (built in)" if each.builtin else ""),
        }
        for each, depth in _tree(everything)
    )
    if session.as_json:
        rows = ({key: row[key] for key in row if key != "tree"} for row in rows)
    else:
        rows = (dict(row) | {"rules": len(row["rules"]) or None} for row in rows)
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no collections")


def _tree(collections: Iterable[Collection]) -> Iterator[tuple[Collection, int]]:
    """Each after the one that it is below, with its depth; by name, built-in ones last."""
    below: dict[int | None, list[Collection]] = {}
    for each in sorted(collections, key=lambda each: (bool(each.builtin), each.name), reverse=True):
        below.setdefault(each.parent_id, []).append(each)
    waiting = [(each, 0) for each in below.get(None, ())]
    while waiting:
        each, depth = waiting.pop()
        yield each, depth
        waiting += [(inner, depth + 1) for inner in below.get(each.id, ())]


@command.command
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show a collection and what is in it.

    \b
    Example:
      pxed collection show Lab
    """
    with session.reading() as tx:
        found = find_collection(tx, name)
        everything = tx.collections()
        below = [each.name for each in everything if each.parent_id == found.id]
        names = (name for _, name in tx.member_names(found.id))
        shown = list(names) if session.as_json else list(islice(names, _NAMES_SHOWN))
        members = len(shown) if len(shown) < _NAMES_SHOWN or session.as_json else tx.count_members(found.id)
        if len(shown) < members:
            shown.append(f"and {members - len(shown)} more (pxed computer list --collection {name})")
        fields = asdict(found) | {
            "parent": next((each.name for each in everything if each.id == found.parent_id), None),
            "subcollections": below,
            "members": members,
            "with_subcollections": tx.count_members(found.id, include_subcollections=True) if below else members,
            "computers": shown,
            "advertisements": [each.name for each in tx.advertisements() if each.collection_id == found.id],
        }
    print_fields(fields, as_json=session.as_json)


@command.command
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Remove a collection, but not its computers.

    It must not be advertised to, and have no subcollections.

    \b
    Example:
      pxed collection remove Lab
    """
    with session.writing() as tx:
        tx.remove_collection(name)
    session.report([name], f"collection {name} is removed")


@command.command
@click.argument("name")
@click.argument("hand_outs", type=click.IntRange(0), required=False, metavar="[N]")
@click.option("--none", "unlimited", is_flag=True, help="Any number.")
@click.pass_obj
def limit(session: Session, name: str, hand_outs: int | None, unlimited: bool) -> None:
    """Limit how often something mandatory is handed out to it.

    At most N of its computers, and of those below it, get something mandatory within any hour, whichever advertisement
    it is. Whoever comes too early gets it at a later boot; 0 lets nobody.

    \b
    Example:
      pxed collection limit Servers 2
    """
    if (hand_outs is None) != unlimited:
        raise click.UsageError("say either a number or --none")
    with session.writing() as tx:
        changed = tx.limit_collection(find_collection(tx, name).id, hand_outs)
    what = "any number of" if hand_outs is None else f"at most {hand_outs}"
    was = "" if changed else " already"
    session.report({"collection": name, "per_hour": hand_outs}, f"collection {name}: {what} hand-outs an hour{was}")


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
    session.report(
        gone,
        *_messages(found, gone, f"is taken out of {name}", f"was not put into {name}"),
        *(f"computer {each.name} is a member of {name} by a rule" for each in found if _fits(each, collection)),
    )


def _fits(computer: Computer, collection: Collection) -> bool:
    from pxed.site.rules import fits

    return any(fits(rule, computer, computer.firmware) for rule in collection.rules)


def _messages(found: list[Computer], changed: list[str], done: str, was: str) -> list[str]:
    """A sentence for each computer."""
    return [f"computer {computer.name} {done if computer.name in changed else was}" for computer in found]


command.add_command(LazyVerb("rule", "pxed.cli.collection_rule:command", "Have members because of what they are."))
