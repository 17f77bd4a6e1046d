"""An operator's word about an unknown computer that was seen: let in under a name, or sent away."""

from __future__ import annotations

from collections.abc import Sequence

from pxed.errors import Refused
from pxed.site.identifiers import swap_guid
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.model import Collection, Computer, Sighting
from pxed.site.store import Tx


def approve(tx: Tx, seen: Sighting, name: str, collections: Sequence[Collection] = ()) -> Computer:
    """Makes it a known computer with those of its identifiers that nobody shares.

    Refused if the name or an identifier is somebody's already: nothing is overwritten by an approval.
    """
    evidence = dict(_own(tx, seen))
    macs = [evidence[IdentifierKind.MAC]] if IdentifierKind.MAC in evidence else []
    guid = seen.guid if IdentifierKind.GUID in evidence else None
    if same := tx.same_computers([name], macs, [guid] if guid else []):
        raise Refused(f"{seen.mac} is not approved: computer {same[0].name} has this name or its identifiers already")
    computer = tx.put_computer(name, macs, guid)
    for collection in collections:
        tx.add_member(collection.id, computer.id)
    return computer


def reject(tx: Tx, seen: Sighting, comment: str = "") -> str:
    """Puts it on the ignore list, by its MAC address or, if that is shared, by its GUID; returns which.

    Refused if both are shared: others would be ignored with it.
    """
    own = _own(tx, seen)
    if not own:
        raise Refused(f"{seen.mac} is not rejected: others have its identifiers too, and would be ignored with it")
    kind, value = own[0]
    tx.list_identifier(IdentifierList.IGNORED, kind, value, comment or "rejected")
    tx.end_wait(seen.id)
    return value


def _own(tx: Tx, seen: Sighting) -> list[tuple[IdentifierKind, str]]:
    """Its identifiers that are not on the shared list, the MAC address first."""
    shared = {listed.value for listed in tx.listed(IdentifierList.SHARED)}
    own = [(IdentifierKind.MAC, seen.mac)] if seen.mac not in shared else []
    if seen.guid is not None and not shared & {str(seen.guid), str(swap_guid(seen.guid))}:
        own.append((IdentifierKind.GUID, str(seen.guid)))
    return own
