"""What the tests of transactions put into a site."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from pxed.site.boot_image import Cpu, ImageFile, ImageVariant
from pxed.site.draft import Draft
from pxed.site.model import Advertisement, Collection, Kind, PxeRecord, RecordState, Sighting
from pxed.site.store import Tx

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
A, B, C = "52:54:00:00:00:0a", "52:54:00:00:00:0b", "52:54:00:00:00:0c"
GUID = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232")
SWAPPED = uuid.UUID("44454c4c-4400-104a-8039-b4c04f333232")
VARIANT = ImageVariant(
    Cpu.AMD64,
    ImageFile("vmlinuz", 5 << 30, "0" * 64),
    (ImageFile("b", 2, "1" * 64), ImageFile("a", 3, "2" * 64)),
    "quiet",
)


def advertise(tx: Tx, name: str = "ad") -> Advertisement:
    if tx.find_collection("c") is None:
        tx.add_collection("c")
        tx.add_boot_image("image")
        tx.put_sequence("s", "image", "{}")
    return tx.advertise(Draft(name, Kind.MANDATORY, "s", "c", NOW))


def own_collections(tx: Tx) -> list[Collection]:
    """Those that are not built in."""
    return [each for each in tx.collections() if not each.builtin]


def record(subject: str, advertisement: Advertisement, changed: int = 0) -> PxeRecord:
    at = NOW + timedelta(microseconds=changed)
    return PxeRecord(0, subject, advertisement.id, RecordState.OFFERED, 1, NOW, at, "", "")


def sighting(mac: str, seconds: int = 0, guid: uuid.UUID | None = None) -> Sighting:
    at = NOW + timedelta(seconds=seconds)
    return Sighting(mac, guid, 7, "eth0", "", at, at, 1)


def texts(tx: Tx, subject: str | None = None) -> list[str]:
    return [event.text for event in tx.events(subject, 100)]
