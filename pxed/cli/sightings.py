"""`pxed sightings`: computers that were seen and are not known."""

from __future__ import annotations

from dataclasses import asdict

import click

from pxed.cli.output import print_rows
from pxed.cli.session import Session
from pxed.wire.architecture import architecture

_COLUMNS = {
    "id": "ID",
    "mac": "MAC address",
    "guid": "GUID",
    "architecture_name": "Architecture",
    "interface": "Interface",
    "relay": "Relay",
    "first_seen": "First seen",
    "last_seen": "Last seen",
    "count": "Times",
    "waiting_since": "Waiting since",
}


@click.command
@click.pass_obj
def command(session: Session) -> None:
    """List computers that tried to boot from the network and are not known, the last seen first.

    One that waits for approval is let in by `pxed computer approve`, and sent away by `pxed computer reject`.

    \b
    Example:
      pxed sightings --json
    """
    with session.reading() as tx:
        rows = [
            asdict(sighting) | {"architecture_name": architecture(sighting.architecture).name}
            for sighting in tx.sightings()
        ]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no unknown computers were seen")
