"""`pxed computer approve` and `reject`: a word about a computer that was seen and is not known."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pxed.cli.names import find_collection
from pxed.cli.session import Session
from pxed.errors import NotFound

if TYPE_CHECKING:
    from pxed.site.model import Sighting
    from pxed.site.store import Tx


@click.command
@click.argument("sighting", metavar="ID|MAC")
@click.option("--name", required=True, help="What it is called from now on.")
@click.option("--collection", "collections", multiple=True, help="Put it into this collection; may be repeated.")
@click.pass_obj
def approve(session: Session, sighting: str, name: str, collections: tuple[str, ...]) -> None:
    """Make a computer known that was seen.

    One that waits for it goes on within seconds. ID is what its screen and `pxed sightings` show.

    \b
    Example:
      pxed computer approve 17 --name ws-17 --collection Lab
    """
    from pxed.site.approval import approve

    with session.writing() as tx:
        homes = [find_collection(tx, each) for each in collections]
        seen = _find_sighting(tx, sighting)
        computer = approve(tx, seen, name, homes)
    goes_on = ", and it goes on" if seen.waiting_since else ""
    session.report(asdict(computer), f"computer {computer.name} is known{goes_on}")


@click.command
@click.argument("sighting", metavar="ID|MAC")
@click.option("--comment", default="", help="Why.")
@click.pass_obj
def reject(session: Session, sighting: str, comment: str) -> None:
    """Put a computer that was seen on the ignore list.

    One that waits for approval goes on to its next boot device.

    \b
    Example:
      pxed computer reject 17 --comment "a visitor's"
    """
    from pxed.site.approval import reject

    with session.writing() as tx:
        value = reject(tx, _find_sighting(tx, sighting), comment)
    session.report([value], f"{value} is ignored from now on; pxed identity ignore remove {value} ends that")


def _find_sighting(tx: Tx, key: str) -> Sighting:
    found = tx.find_sighting(key)
    if found is None:
        raise NotFound(f"no computer was seen with the ID or MAC address {key}; pxed sightings lists them")
    return found
