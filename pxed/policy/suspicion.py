"""What is the matter with identifiers that do not belong together?

A computer with several network adapters is normal, and so is one that is known by only one of its identifiers. The
rest has a few causes, which look different in what was seen before. Asked in this order, the first that fits is what
pxed thinks:

    dock        the MAC address comes with the GUIDs of several computers, or with too many that nobody has
    duplicate   the GUID comes with MAC addresses of several computers, or with too many that are not its computer's
    twice       one computer is known by the MAC address alone, another by the GUID alone
    adapter     the MAC address is one computer's, the GUID another's
    mainboard   the computer with the MAC address has another GUID, and nobody has this one
"""

from __future__ import annotations

import uuid

from pxed.site.identifiers import swap_guid
from pxed.site.identity import ConflictKind, Suspicion, Together
from pxed.site.model import Computer

TOO_MANY = 4
"""identifiers of nobody's with one of the other kind: more than repairs and spare adapters explain"""


def suspect(seen: Together) -> Suspicion | None:
    """What pxed thinks of a MAC address and a GUID that came together; None if nothing is wrong."""
    concerned = frozenset(each.id for each in (seen.mac_owner, *seen.guid_owners) if each)
    by_guids = {owner.id for owner in seen.guids.values() if owner}
    if len(by_guids) > 1 or len(seen.guids) >= TOO_MANY:
        return Suspicion(ConflictKind.DOCK, seen.mac, None, concerned | by_guids)
    by_macs = {owner.id for owner in seen.macs.values() if owner and _may_have(owner, seen.guid)}
    owned = {each.id for each in seen.guid_owners}
    strange = [mac for mac, owner in seen.macs.items() if owner is None or owner.id not in owned]
    if len(by_macs) > 1 or len(owned) > 1 or len(strange) >= TOO_MANY:
        return Suspicion(ConflictKind.DUPLICATE, "", seen.guid, concerned | by_macs)
    if seen.mac_owner is None:
        return None
    if owned - {seen.mac_owner.id}:
        apart = seen.mac_owner.guid is None and not any(each.macs for each in seen.guid_owners)
        kind = ConflictKind.TWICE if apart else ConflictKind.ADAPTER
        return Suspicion(kind, seen.mac, seen.guid, concerned)
    if not owned and not _may_have(seen.mac_owner, seen.guid):
        return Suspicion(ConflictKind.MAINBOARD, seen.mac, seen.guid, concerned)
    return None


def _may_have(computer: Computer, guid: uuid.UUID) -> bool:
    """Whether `guid` can be the computer's: it has none that is another one."""
    return computer.guid is None or guid in {computer.guid, swap_guid(computer.guid)}
