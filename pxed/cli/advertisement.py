"""`pxed advertisement`: what is advertised."""

from __future__ import annotations

from dataclasses import asdict

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.names import find_advertisement
from pxed.cli.output import print_fields, print_rows
from pxed.cli.session import Session

_COLUMNS = {
    "id": "Id",
    "name": "Name",
    "kind": "Kind",
    "sequence": "Sequence",
    "collection": "Collection",
    "enabled": "Enabled",
    "start": "Start",
    "expires": "Expires",
}


@click.group(cls=VerbGroup)
def command() -> None:
    """List, show, enable, disable and remove advertisements, named by id or by a name that only one has.

    \b
    Example:
      pxed advertisement list
    """


@command.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List advertisements, the newest first.

    \b
    Example:
      pxed advertisement list --json
    """
    with session.reading() as tx:
        rows = [asdict(each) for each in tx.advertisements()]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no advertisements")


@command.command
@click.argument("advertisement")
@click.pass_obj
def show(session: Session, advertisement: str) -> None:
    """Show an advertisement.

    \b
    Example:
      pxed advertisement show 3
    """
    with session.reading() as tx:
        found = find_advertisement(tx, advertisement)
    print_fields(asdict(found), as_json=session.as_json)


@command.command
@click.argument("advertisement")
@click.pass_obj
def enable(session: Session, advertisement: str) -> None:
    """Put an advertisement into force again.

    \b
    Example:
      pxed advertisement enable "install to Lab"
    """
    _set_enabled(session, advertisement, True)


@command.command
@click.argument("advertisement")
@click.pass_obj
def disable(session: Session, advertisement: str) -> None:
    """Offer an advertisement to nobody, and remember who ran it.

    \b
    Example:
      pxed advertisement disable 3
    """
    _set_enabled(session, advertisement, False)


@command.command
@click.argument("advertisement")
@click.pass_obj
def approve(session: Session, advertisement: str) -> None:
    """Agree to what somebody else advertises as mandatory.

    It is needed if guard.second_person is set. Whoever made the advertisement, or set one of its values, cannot agree
    to it, and every change of a value that decides asks for a new approval.

    \b
    Example:
      pxed advertisement approve 3
    """
    with session.writing() as tx:
        found = tx.approve(find_advertisement(tx, advertisement).id)
    session.report(asdict(found), f"advertisement {found.id}, {found.name}, is approved by {found.approved_by}")


@command.command
@click.argument("advertisement")
@click.pass_obj
def remove(session: Session, advertisement: str) -> None:
    """Remove an advertisement, and with it the records of who ran it.

    \b
    Example:
      pxed advertisement remove 3
    """
    with session.writing() as tx:
        gone = tx.remove_advertisement(find_advertisement(tx, advertisement).id)
    session.report(asdict(gone), f"advertisement {gone.id}, {gone.name}, is removed")


def _set_enabled(session: Session, advertisement: str, enabled: bool) -> None:
    with session.writing() as tx:
        found = tx.set_enabled(find_advertisement(tx, advertisement).id, enabled)
    session.report(asdict(found), f"advertisement {found.id}, {found.name}, is {'enabled' if enabled else 'disabled'}")
