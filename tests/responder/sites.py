"""What the sites of the fast path's tests are made of."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pxed.config import Config
from pxed.site.draft import Draft
from pxed.site.model import EPOCH, Computer, Kind, PxeRecord, RecordState
from pxed.site.sql import SqlTx
from tests.responder.flooding import Site

MACS = [f"52:54:00:12:34:{number:02x}" for number in range(0x50, 0x58)]
ONE, OTHER = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232"), uuid.UUID("12345678-1234-5678-1234-567812345678")
SWAPPED = uuid.UUID(bytes=ONE.bytes_le)
SAME_IN_BOTH_ORDERS = uuid.UUID("11111111-2222-3333-4444-555555555555")
GUIDS = [ONE, SWAPPED, OTHER, SAME_IN_BOTH_ORDERS]
STRANGER = "52:54:00:99:99:99"


@contextmanager
def sited(config: Config | None = None, now: datetime | None = None) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as name, Site(Path(name), config, now) as made:
        yield made


def draft(kind: Kind = Kind.OPTIONAL, collection: str = "c0", **more: Any) -> Draft:
    return Draft(f"{kind} to {collection}", kind, "install", collection, **{"start": EPOCH, **more})


def record(subject: str, advertisement_id: int) -> PxeRecord:
    return PxeRecord(0, subject, advertisement_id, RecordState.OFFERED, 1, EPOCH, EPOCH, "", "")


def add(
    tx: SqlTx, number: int, guid: uuid.UUID | None = None, collections: tuple[int, ...] = (0,), name: str = ""
) -> Computer:
    """A computer with the MAC address of that number, in some collections."""
    computer = tx.put_computer(name or f"PC{number}", [MACS[number]], guid)
    join(tx, computer, collections)
    return computer


def join(tx: SqlTx, computer: Computer, collections: tuple[int, ...]) -> None:
    for each in collections:
        collection = tx.find_collection(f"c{each}")
        assert collection
        tx.add_member(collection.id, computer.id)


def remove_computer(tx: SqlTx) -> None:
    computer = tx.find_computer("PC0")
    assert computer
    tx.remove_computer(computer.id)
