"""The site as the compiled answer path reads it (`responder/_flows.c`): a file, and two statements on it.

It asks what `reader._known_to` asks, for one client at a time and no more than tells who is like whom.
"""

from __future__ import annotations

import _sqlite3
import struct
from pathlib import Path
from typing import NamedTuple

from pxed.errors import StoreError
from pxed.site.model import Evidence
from pxed.site.sql.core import ColumnClause, Text, cast, exists, literal_column, select
from pxed.site.sql.sqlite import path_in
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import computer, mac, membership, pxe_record, site

MOST_COLLECTIONS = 64
"""of one computer (COLLECTIONS in `_flows.c`); who is in more is like nobody else"""


class FlowSite(NamedTuple):
    """What `Flows` is given to read a site."""

    database: Path
    library: str
    """the file of Python's SQLite module, through which its library is found; empty if that is built in"""
    who: str
    """by MAC address, GUID, GUID in the other byte order, and MAC address once more: the site's change number, whose
    each of the first three is, and whether the MAC address has PXE records"""
    of_one: str
    """by a computer's id: whether it is protected, whether it has PXE records, and a collection; a row for each"""


def flow_site(url: str, state_dir: Path) -> FlowSite | None:
    """The site that `url` of the configuration names; None if it is in no file of SQLite. What is wrong with a URL says
    who opens it."""
    try:
        file = path_in(url, state_dir)
    except StoreError:
        return None
    if file is None:
        return None
    library = getattr(_sqlite3, "__file__", "")
    return FlowSite(file, library, _WHO.compiled("sqlite").text, _OF_ONE.compiled("sqlite").text)


def likeness_of(evidence: Evidence) -> bytes | None:
    """What the compiled path calls the client that `evidence` is about; None for one who is like nobody else.

    Nothing for whoever is not known. Of a computer an octet for what it is known by, one for whether it is protected,
    and its collections in order, four octets each, the least one first.
    """
    known = evidence.by_mac or next(iter(evidence.by_guid), None)
    if known is None:
        return None if evidence.unknown_records else b""
    if known.records or any(each is not known for each in evidence.by_guid):
        return None
    if len(known.collection_ids) > MOST_COLLECTIONS:
        return None
    known_by = (evidence.by_mac is not None) | bool(evidence.by_guid) << 1
    collections = sorted(known.collection_ids)
    return struct.pack(f"<BB{len(collections)}I", known_by, known.computer.protected, *collections)


def _who() -> Statement:
    owners = (
        select(mac.c.computer_id).where(mac.c.address == _given()).scalar_subquery(),
        select(computer.c.id).where(computer.c.guid == _given()).scalar_subquery(),
        select(computer.c.id).where(computer.c.guid == _given()).scalar_subquery(),
    )
    records = exists().where(pxe_record.c.subject == _given())
    return Statement(select(site.c.change, *owners, records).where(site.c.id == literal_column("1")))


def _of_one() -> Statement:
    records = exists().where(pxe_record.c.subject == cast(computer.c.id, Text))
    return Statement(
        select(computer.c.protected, records, membership.c.collection_id)
        .select_from(computer.outerjoin(membership, membership.c.computer_id == computer.c.id))
        .where(computer.c.id == _given())
        .order_by(membership.c.collection_id)
    )


def _given() -> ColumnClause[str]:
    return literal_column("?")


_WHO = _who()
_OF_ONE = _of_one()
