"""From what a person typed to a computer, known or not, or one sentence that says why not.

What is kept of an unknown computer, its PXE records and history, is kept under its MAC address; if several computers
share that, under its GUID.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from pxed.errors import NotFound, UsageError
from pxed.site.identifiers import parse_guid, parse_mac, swap_guid

if TYPE_CHECKING:
    from pxed.site.model import Computer
    from pxed.site.store import Tx


class Shown(NamedTuple):
    """What a computer shows of itself when it boots."""

    mac: str
    """empty if none is known"""
    guid: UUID | None


def find_computer(tx: Tx, key: str) -> Computer:
    """A known one, by name, MAC address or GUID; NotFound."""
    computer = tx.find_computer(key)
    if computer is None:
        raise _unknown(tx, key)
    return computer


def find_subject(tx: Tx, key: str, *, with_records: bool = False) -> tuple[str, str]:
    """What records and history of a computer are kept under, and its name; of an unknown one both are its MAC address
    or GUID.

    NotFound if `key` is neither a known computer nor such an identifier; UsageError if it is that of several, of a
    shared MAC address only if it is about their records, of which that has none.
    """
    computer = tx.find_computer(key)
    if computer is not None:
        return str(computer.id), computer.name
    with suppress(ValueError):
        mac = parse_mac(key)
        if with_records and mac in _shared(tx) and not tx.records(mac):
            raise UsageError(f"several computers share the MAC address {mac}; say the GUID of the one that is meant")
        return mac, mac
    shown = _unknown_with(tx, key)
    if shown is None:
        raise _nobody(key)
    subject = str(shown.guid) if not shown.mac or shown.mac in _shared(tx) else shown.mac
    return subject, subject


def shown_by(tx: Tx, key: str) -> Shown:
    """What a computer, known or not, would show if it booted; NotFound, UsageError as for `find_subject`."""
    computer = tx.find_computer(key)
    if computer is not None:
        return Shown(next(iter(computer.macs), ""), computer.guid)
    with suppress(ValueError):
        return Shown(parse_mac(key), None)
    shown = _unknown_with(tx, key)
    if shown is not None:
        return shown if shown.mac else Shown(next(iter(_shared(tx)), ""), shown.guid)
    with suppress(ValueError):
        return Shown("", parse_guid(key))
    raise NotFound(f"no computer is called {key!r}, and it is neither a MAC address nor a GUID")


def _unknown_with(tx: Tx, key: str) -> Shown | None:
    """The unknown computer that was seen with a GUID, in either byte order, or of which something is kept under it;
    then without a MAC address. UsageError if several have it."""
    try:
        guid = parse_guid(key)
    except ValueError:
        return None
    orders = (guid, swap_guid(guid))
    for each in orders:
        if tx.records(str(each)) or tx.events(str(each), 1):
            return Shown("", each)
    found = [Shown(each.mac, each.guid) for each in tx.sightings() if each.guid in orders]
    if len(found) > 1:
        macs = ", ".join(each.mac for each in found[:5]) + (" and others" if len(found) > 5 else "")
        raise UsageError(f"several unknown computers showed the GUID {guid}; say which MAC address is meant: {macs}")
    return found[0] if found else None


def _shared(tx: Tx) -> Sequence[str]:
    """The MAC addresses that are no evidence of who somebody is."""
    from pxed.site.identity import IdentifierKind, IdentifierList

    return [each.value for each in tx.listed(IdentifierList.SHARED) if each.kind is IdentifierKind.MAC]


def _unknown(tx: Tx, key: str) -> NotFound:
    with suppress(NotFound, UsageError):
        subject, _ = find_subject(tx, key)
        if tx.records(subject):
            given = f"`pxed report computer {subject}` shows what an unknown one was given"
            return NotFound(f"{_nobody(key)}; {given}")
    return _nobody(key)


def _nobody(key: str) -> NotFound:
    return NotFound(f"no computer has the name, MAC address or GUID {key}")
