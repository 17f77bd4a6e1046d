"""The ways to settle a conflict of identifiers. Each does its part and says in a sentence what it did.

All are meant for one transaction each, with `Tx.settle_conflict` at the end of it.
"""

from __future__ import annotations

from pxed.errors import NotFound, Refused, UsageError
from pxed.site.identifiers import swap_guid
from pxed.site.identity import Conflict, IdentifierKind, IdentifierList
from pxed.site.model import Computer
from pxed.site.store import Tx


def move_mac(tx: Tx, conflict: Conflict, to: Computer) -> str:
    """The MAC address is this computer's from now on."""
    mac = _mac_of(conflict)
    owner = tx.find_computer(mac)
    if owner is not None and owner.id == to.id:
        raise Refused(f"{to.name} has the MAC address {mac} already")
    if owner is not None:
        left = [each for each in owner.macs if each != mac]
        if not left and owner.guid is None:
            raise Refused(f"{owner.name} would be left without MAC address and GUID; --merge {to.name} makes them one")
        tx.put_computer(owner.name, left, owner.guid)
    tx.put_computer(to.name, [*to.macs, mac], to.guid)
    return f"the MAC address {mac} moved {f'from {owner.name} ' if owner else ''}to {to.name}"


def merge(tx: Tx, conflict: Conflict, into: Computer) -> str:
    """The computers concerned are one: this one, with all that the others had, and with the GUID that was seen."""
    if conflict.guid is None:
        raise Refused(f"conflict {conflict.id} is about a MAC address that several computers use; they are not one")
    owners = _owners(tx, conflict)
    if into.id not in {each.id for each in owners}:
        names = " and ".join(each.name for each in owners) or "no known computer"
        raise Refused(f"{into.name} has nothing to do with conflict {conflict.id}: it is about {names}")
    others = [each for each in owners if each.id != into.id]
    if len(others) > 1:
        raise Refused(f"conflict {conflict.id} is about {len(owners)} computers; so many at once are not merged")
    for other in others:
        tx.merge_computers(into.id, other.id)
    now = tx.find_computer(into.name)
    assert now is not None  # noqa: S101 - it was not removed
    # in the byte order that somebody entered, if somebody did
    guid = swap_guid(conflict.guid) if swap_guid(conflict.guid) in {each.guid for each in owners} else conflict.guid
    tx.put_computer(now.name, sorted({*now.macs, *filter(None, [conflict.mac])}), guid)
    merged = f"{', '.join(other.name for other in others)} merged into {into.name}, " if others else ""
    return f"{merged}{into.name} has the GUID {guid}"


def put_on_list(tx: Tx, conflict: Conflict, which: IdentifierList, kind: IdentifierKind) -> str:
    """The identifier is shared, or ignored, from now on."""
    value = _mac_of(conflict) if kind is IdentifierKind.MAC else _guid_of(conflict)
    tx.list_identifier(which, kind, value, f"conflict {conflict.id}: {conflict.kind.label}")
    return f"the {kind.label} {value} put on the {which.label} list"


def _mac_of(conflict: Conflict) -> str:
    if not conflict.mac:
        raise UsageError(f"conflict {conflict.id} is about the GUID {conflict.guid}, not about one MAC address")
    return conflict.mac


def _guid_of(conflict: Conflict) -> str:
    if conflict.guid is None:
        raise UsageError(f"conflict {conflict.id} is about the MAC address {conflict.mac}, not about one GUID")
    return str(conflict.guid)


def _owners(tx: Tx, conflict: Conflict) -> list[Computer]:
    found = (tx.find_computer(tx.subject_name(str(number))) for number in sorted(conflict.owners))
    return [each for each in found if each is not None]


def open_conflict(tx: Tx, conflict_id: int) -> Conflict:
    """The conflict, if it is to be settled. NotFound, Refused."""
    found = tx.find_conflict(conflict_id)
    if found is None:
        raise NotFound(f"there is no conflict {conflict_id}; pxed identity conflicts lists them")
    if found.settled_at is not None:
        raise Refused(f"conflict {conflict_id} was settled by {found.settled_by or 'the service'}: {found.settled_how}")
    return found
