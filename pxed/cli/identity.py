"""`pxed identity`: the lists of identifiers that are ignored or shared."""

from __future__ import annotations

from dataclasses import asdict

import click

from pxed.cli.conflicts import conflicts, settle
from pxed.cli.lazy import VerbGroup
from pxed.cli.names import Identifier, IdentifierType
from pxed.cli.output import print_rows
from pxed.cli.session import Session
from pxed.errors import NotFound
from pxed.site.identity import IdentifierList

_COLUMNS = {"kind": "Kind", "value": "Identifier", "comment": "Comment", "user": "By", "at": "Since"}


@click.group(cls=VerbGroup)
def command() -> None:
    """Say which identifiers are ignored or shared, and settle those that disagree.

    \b
    Example:
      pxed identity ignore list
    """


@command.group(cls=VerbGroup)
def ignore() -> None:
    """Keep the list of those who get no answer.

    Whoever shows one of these identifiers gets none, whatever else is true.

    \b
    Example:
      pxed identity ignore list
    """


@command.group(cls=VerbGroup)
def share() -> None:
    """Keep the list of what several computers show.

    These identifiers are no evidence of who somebody is. Docks and network adapters that travel are on it, and GUIDs
    that firmware comes with.

    \b
    Example:
      pxed identity share list
    """


@ignore.command("add")
@click.argument("identifiers", nargs=-1, required=True, type=IdentifierType(), metavar="MAC|GUID...")
@click.option("--comment", default="", help="Why.")
@click.pass_obj
def ignore_add(session: Session, identifiers: tuple[Identifier, ...], comment: str) -> None:
    """Ignore whoever shows one of these.

    \b
    Example:
      pxed identity ignore add 52:54:00:12:34:56 --comment "a printer"
    """
    _add(session, IdentifierList.IGNORED, identifiers, comment)


@ignore.command("remove")
@click.argument("identifiers", nargs=-1, required=True, type=IdentifierType(), metavar="MAC|GUID...")
@click.pass_obj
def ignore_remove(session: Session, identifiers: tuple[Identifier, ...]) -> None:
    """Ignore them no longer.

    \b
    Example:
      pxed identity ignore remove 52:54:00:12:34:56
    """
    _remove(session, IdentifierList.IGNORED, identifiers)


@ignore.command("list")
@click.pass_obj
def ignore_list(session: Session) -> None:
    """List what is ignored.

    \b
    Example:
      pxed identity ignore list --json
    """
    _list(session, IdentifierList.IGNORED)


@share.command("add")
@click.argument("identifiers", nargs=-1, required=True, type=IdentifierType(), metavar="MAC|GUID...")
@click.option("--comment", default="", help="What it is.")
@click.pass_obj
def share_add(session: Session, identifiers: tuple[Identifier, ...], comment: str) -> None:
    """Take these as evidence no longer.

    A computer that has one of them is known by its others alone.

    \b
    Example:
      pxed identity share add 52:54:00:12:34:56 --comment "dock of room 214"
    """
    _add(session, IdentifierList.SHARED, identifiers, comment)


@share.command("remove")
@click.argument("identifiers", nargs=-1, required=True, type=IdentifierType(), metavar="MAC|GUID...")
@click.pass_obj
def share_remove(session: Session, identifiers: tuple[Identifier, ...]) -> None:
    """Take these as evidence again.

    \b
    Example:
      pxed identity share remove 52:54:00:12:34:56
    """
    _remove(session, IdentifierList.SHARED, identifiers)


@share.command("list")
@click.pass_obj
def share_list(session: Session) -> None:
    """List what is shared, with what every site begins with.

    \b
    Example:
      pxed identity share list --json
    """
    _list(session, IdentifierList.SHARED)


def _add(session: Session, which: IdentifierList, identifiers: tuple[Identifier, ...], comment: str) -> None:
    messages = []
    with session.writing() as tx:
        for kind, value in identifiers:
            new = tx.list_identifier(which, kind, value, comment)
            owner = tx.find_computer(value)
            messages.append(
                f"{kind.label} {value} is {'put' if new else 'already'} on the {which.label} list"
                + (f"; computer {owner.name} has it" if owner else "")
            )
        rows = [asdict(listed) for listed in tx.listed(which) if (listed.kind, listed.value) in identifiers]
    session.report(rows, *messages)


def _remove(session: Session, which: IdentifierList, identifiers: tuple[Identifier, ...]) -> None:
    with session.writing() as tx:
        for kind, value in identifiers:
            if not tx.unlist_identifier(which, kind, value):
                raise NotFound(f"the {kind.label} {value} is not on the {which.label} list; nothing was changed")
    values = [value for _, value in identifiers]
    session.report(
        values, *(f"{kind.label} {value} is taken off the {which.label} list" for kind, value in identifiers)
    )


def _list(session: Session, which: IdentifierList) -> None:
    with session.reading() as tx:
        rows = [asdict(listed) for listed in tx.listed(which)]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty=f"no identifier is on the {which.label} list")


command.add_command(conflicts)
command.add_command(settle)
