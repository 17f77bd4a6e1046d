"""`pxed wake`: switch computers on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pxed.cli.names import find_collection
from pxed.cli.session import Session
from pxed.cli.subjects import find_subject
from pxed.errors import Unavailable, UsageError
from pxed.site.event import EventKind

if TYPE_CHECKING:
    from pxed.site.store import Tx


@click.command
@click.argument("computers", nargs=-1, metavar="[MAC|GUID|NAME]...")
@click.option("--collection", help="All members of this collection and its subcollections.")
@click.pass_obj
def command(session: Session, computers: tuple[str, ...], collection: str | None) -> None:
    """Send magic packets (Wake-on-LAN) on all served interfaces.

    Whether a computer wakes is up to its firmware and network card; nothing acknowledges a magic packet.

    \b
    Example:
      pxed wake ws-01
    """
    import asyncio

    from pxed.interfaces import scan, select
    from pxed.waking import wake

    if bool(computers) == (collection is not None):
        raise UsageError("say either computers or --collection NAME")
    interfaces, missing = select(session.config.interfaces, scan())
    if not interfaces:
        raise Unavailable("; ".join(missing))
    with session.writing() as tx:
        macs = _macs(tx, computers, collection)
        now, where = datetime.now(UTC), ", ".join(one.name for one in interfaces)
        for subject, addresses in macs.items():
            if addresses:
                tx.add_event(now, EventKind.WAKE, subject, f"magic packet on {where}")
    everyone = [mac for own in macs.values() for mac in own]
    if not everyone:
        raise Unavailable("no MAC address is known of any of them")
    asyncio.run(wake(everyone, interfaces))
    session.report(
        [{"mac": mac, "interfaces": [one.name for one in interfaces]} for mac in everyone],
        f"sent magic packets for {len(everyone)} MAC address{'es' if len(everyone) > 1 else ''} on {where}",
    )


def _macs(tx: Tx, keys: tuple[str, ...], collection: str | None) -> dict[str, tuple[str, ...]]:
    """MAC addresses by what history is kept under. An address that no computer has may be woken as well."""
    if collection is not None:
        members = tx.members(find_collection(tx, collection).id, include_subcollections=True)
        return {str(computer.id): computer.macs for computer in members}
    found = {}
    for key in keys:
        subject, _ = find_subject(tx, key)
        computer = tx.find_computer(key)
        found[subject] = computer.macs if computer else tuple(mac for mac in [subject] if ":" in mac)
    return found
