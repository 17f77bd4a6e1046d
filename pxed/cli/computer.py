"""`pxed computer`: the machines that the site knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from pxed.cli.approval import approve, reject
from pxed.cli.lazy import LazyVerb, VerbGroup
from pxed.cli.names import GuidType, MacType, find_collection
from pxed.cli.output import print_fields, print_rows
from pxed.cli.session import Session
from pxed.cli.subjects import find_computer

if TYPE_CHECKING:
    from pxed.site.model import Computer

_COLUMNS = {"name": "Name", "macs": "MAC addresses", "guid": "GUID"}


@click.group(cls=VerbGroup)
def command() -> None:
    """Add, import, approve, list, show and remove computers.

    \b
    Example:
      pxed computer list --collection Lab
    """


@command.command
@click.argument("name")
@click.option("--mac", "macs", type=MacType(), multiple=True, help="MAC address; may be given several times.")
@click.option("--guid", type=GuidType(), help="SMBIOS GUID, as firmware shows it.")
@click.option("--collection", "collections", multiple=True, help="Put it into this collection; may be repeated.")
@click.option("--source", metavar="NAME", help="The computer that it replaces; task sequences read it as PXED_SOURCE.")
@click.pass_obj
def add(
    session: Session,
    name: str,
    macs: tuple[str, ...],
    guid: UUID | None,
    collections: tuple[str, ...],
    source: str | None,
) -> None:
    """Add a computer, or overwrite the one that it is.

    A computer that has its name, its GUID or one of its MAC addresses is the same one.

    \b
    Example:
      pxed computer add ws-01 --mac 52:54:00:12:34:56 --collection Lab
    """
    with session.writing() as tx:
        homes = [find_collection(tx, each) for each in collections]
        computer = tx.put_computer(name, macs, guid)
        if source is not None:
            tx.set_source(computer, source)
            computer = replace(computer, source=source)
        for home in homes:
            tx.add_member(home.id, computer.id)
    session.report(_row(computer), f"computer {computer.name} is kept")


@command.command("list")
@click.option("--collection", help="Only the members of this one.")
@click.option("--subcollections", is_flag=True, help="And those of its subcollections.")
@click.pass_obj
def list_(session: Session, collection: str | None, subcollections: bool) -> None:
    """List computers by name.

    \b
    Example:
      pxed computer list --collection Lab --json
    """
    with session.reading() as tx:
        if collection is None:
            computers = tx.computers()
        else:
            home = find_collection(tx, collection)
            computers = tx.members(home.id, include_subcollections=subcollections)
        rows = (_row(computer) for computer in computers)
        print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no computers")


@command.command
@click.argument("computer")
@click.pass_obj
def show(session: Session, computer: str) -> None:
    """Show a computer, its collections and its PXE records.

    COMPUTER is a name, MAC address or GUID.

    \b
    Example:
      pxed computer show ws-01
    """
    from pxed.policy.membership import Memberships

    with session.reading() as tx:
        found = find_computer(tx, computer)
        advertisements = {each.id: each.name for each in tx.advertisements()}
        records = [
            {
                "advertisement": advertisements[record.advertisement_id],
                "state": record.state,
                "try": record.tries,
                "since": record.changed_at,
                "message": record.message,
            }
            for record in tx.records(str(found.id))
        ]
        variables = dict(tx.variables([found])[found.id])
        compiled = Memberships(tx.collections())
        ways = compiled.ways(found, frozenset(each.id for each in tx.collections(found.id)), found.firmware)
    collections = [{"name": way.collection.name, "how": way.how} for way in ways]
    print_fields(
        _row(found) | {"variables": variables, "collections": collections, "records": records},
        as_json=session.as_json,
    )


@command.command
@click.argument("computers", nargs=-1, required=True, metavar="COMPUTER...")
@click.pass_obj
def remove(session: Session, computers: tuple[str, ...]) -> None:
    """Remove computers, with what is known of their boots.

    \b
    Example:
      pxed computer remove ws-01 ws-02
    """
    with session.writing() as tx:
        found = list({computer.id: computer for computer in (find_computer(tx, key) for key in computers)}.values())
        for computer in found:
            tx.remove_computer(computer.id)
    session.report([computer.name for computer in found], *(f"computer {each.name} is removed" for each in found))


@command.command
@click.argument("computers", nargs=-1, required=True, metavar="COMPUTER...")
@click.pass_obj
def protect(session: Session, computers: tuple[str, ...]) -> None:
    """Never hand out anything mandatory to computers.

    Whatever is advertised to them; what a person chooses with F12 they get.

    \b
    Example:
      pxed computer protect fileserver
    """
    _set_protected(session, computers, True)


@command.command
@click.argument("computers", nargs=-1, required=True, metavar="COMPUTER...")
@click.pass_obj
def unprotect(session: Session, computers: tuple[str, ...]) -> None:
    """Let computers have what is mandatory again.

    \b
    Example:
      pxed computer unprotect fileserver
    """
    _set_protected(session, computers, False)


def _set_protected(session: Session, computers: tuple[str, ...], protected: bool) -> None:
    with session.writing() as tx:
        found = list({computer.id: computer for computer in (find_computer(tx, key) for key in computers)}.values())
        changed = {each.id for each in found if tx.set_protected(each.id, protected)}
    state = "protected" if protected else "not protected"
    session.report(
        [each.name for each in found if each.id in changed],
        *(f"computer {each.name} {'is' if each.id in changed else 'was already'} {state}" for each in found),
    )


def _row(computer: Computer) -> dict[str, Any]:
    """All that there is to print of a computer, written out: a site may have a million."""
    return {
        "id": computer.id,
        "name": computer.name,
        "macs": computer.macs,
        "guid": computer.guid,
        "protected": computer.protected,
        "source": computer.source,
        "firmware": computer.firmware,
    }


command.add_command(LazyVerb("import", "pxed.cli.computer_import:command", "Import computers from a CSV file."))
command.add_command(LazyVerb("variable", "pxed.cli.computer_variable:command", "Tell task sequences about a computer."))
command.add_command(approve)
command.add_command(reject)
