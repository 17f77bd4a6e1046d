"""`pxed identity conflicts` and `settle`: the queue of identifiers that disagree."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.output import print_rows
from pxed.cli.session import Session
from pxed.cli.subjects import find_computer
from pxed.errors import UsageError

if TYPE_CHECKING:
    from pxed.site.identity import Conflict
    from pxed.site.store import Tx

_COLUMNS = {
    "id": "ID",
    "looks_like": "Looks like",
    "macs": "MAC addresses",
    "guids": "GUIDs",
    "computers": "Computers",
    "interface": "Interface",
    "last_seen": "Last seen",
    "count": "Times",
    "settled_how": "Settled",
}
_KINDS = click.Choice(["mac", "guid"])


@click.command
@click.option("--all", "settled", is_flag=True, help="Those that were settled, too.")
@click.pass_obj
def conflicts(session: Session, settled: bool) -> None:
    """List identifiers that disagree, with what pxed thinks of each.

    A computer whose identifiers belong to two others gets nothing mandatory until it is settled.

    \b
    Example:
      pxed identity conflicts --all --json
    """
    with session.reading() as tx:
        rows = [_row(tx, conflict) for conflict in tx.conflicts(settled=settled)]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no identifiers disagree")


@click.command
@click.argument("number", metavar="ID", type=int)
@click.option("--move-mac", metavar="COMPUTER", help="The MAC address is this computer's.")
@click.option("--merge", metavar="INTO", help="The computers concerned are one: this one, with the GUID that was seen.")
@click.option("--share", type=_KINDS, help="Put the identifier on the shared list: it is no evidence.")
@click.option("--ignore", type=_KINDS, help="Put the identifier on the ignore list: silence for whoever shows it.")
@click.option("--dismiss", is_flag=True, help="Leave everything as it is, and do not tell of it again.")
@click.pass_obj
def settle(
    session: Session,
    number: int,
    move_mac: str | None,
    merge: str | None,
    share: str | None,
    ignore: str | None,
    dismiss: bool,
) -> None:
    """Settle identifiers that disagree, in one of five ways.

    ID is what `pxed identity conflicts` shows. It comes back only with new facts.

    \b
    Example:
      pxed identity settle 3 --share mac
    """
    from pxed.site import settling
    from pxed.site.identity import IdentifierKind, IdentifierList

    if sum(way is not None for way in (move_mac, merge, share, ignore)) + dismiss != 1:
        raise UsageError("one way is needed: --move-mac, --merge, --share, --ignore or --dismiss")
    with session.writing() as tx:
        conflict = settling.open_conflict(tx, number)
        if move_mac is not None:
            how = settling.move_mac(tx, conflict, find_computer(tx, move_mac))
        elif merge is not None:
            how = settling.merge(tx, conflict, find_computer(tx, merge))
        elif share is not None:
            how = settling.put_on_list(tx, conflict, IdentifierList.SHARED, IdentifierKind(share))
        elif ignore is not None:
            how = settling.put_on_list(tx, conflict, IdentifierList.IGNORED, IdentifierKind(ignore))
        else:
            how = "dismissed"
        tx.settle_conflict(number, how, dismissed=dismiss)
    session.report({"id": number, "how": how}, f"conflict {number} is settled: {how}")


def _row(tx: Tx, conflict: Conflict) -> dict[str, Any]:
    """With what was seen of the other kind, if it is about one identifier alone."""
    macs, guids = tx.seen_with(conflict.mac, conflict.guid)
    return asdict(conflict) | {
        "looks_like": conflict.kind.label,
        "macs": [conflict.mac] if conflict.mac else macs,
        "guids": [conflict.guid] if conflict.guid else guids,
        "computers": [tx.subject_name(str(owner)) for owner in sorted(conflict.owners)],
    }
