"""What tests of several rooms share: a site in memory with one of everything, and a writer that writes at once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pxed.errors import PxedError, StoreError
from pxed.site.boot_image import Cpu, ImageFile, ImageVariant
from pxed.site.draft import Draft
from pxed.site.model import Advertisement, Computer, Kind
from pxed.site.store import Tx
from tests.site_in_memory import MemorySite

T = TypeVar("T")

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MAC = "52:54:00:12:34:56"
GUID = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232")
KEY = bytes(range(32))


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def unix(self) -> float:
        return self.now.timestamp()

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class DirectWriter:
    """Runs every job at once on a site in memory; `fault` makes it fail as a broken database does."""

    def __init__(self, site: MemorySite) -> None:
        self.site = site
        self.fault = ""

    def submit(self, job: Callable[[Tx], T]) -> Future[T]:
        future: Future[T] = Future()
        if self.fault:
            future.set_exception(StoreError(self.fault))
            return future
        try:
            future.set_result(job(self.site))
        except PxedError as error:
            future.set_exception(error)
        return future

    def submit_droppable(self, job: Callable[[Tx], object]) -> None:
        if not self.fault:
            job(self.site)


def add_computer(site: MemorySite, name: str = "PC1", mac: str = MAC, guid: uuid.UUID | None = GUID) -> Computer:
    """A computer in the collection `lab`, which is made if it is missing."""
    computer = site.put_computer(name, [mac], guid)
    collection = site.find_collection("lab") or site.add_collection("lab")
    site.add_member(collection.id, computer.id)
    return computer


def advertise(site: MemorySite, kind: Kind, name: str = "Install Debian") -> Advertisement:
    """Task sequence `install` on boot image `debian` (amd64), advertised to `lab` since an hour."""
    if not site.find_collection("lab"):
        site.add_collection("lab")
    if not site.boot_images():
        image = site.add_boot_image("debian")
        files = ImageFile("vmlinuz", 4, "0" * 64), ImageFile("initramfs.img", 6, "1" * 64)
        site.add_variant(image.id, ImageVariant(Cpu.AMD64, files[0], files[1:], "quiet"))
        steps = {"steps": [{"kind": "command", "name": "hello", "run": "true", "continue_on_error": False}]}
        site.put_sequence("install", "debian", json.dumps(steps))
    return site.advertise(Draft(name, kind, "install", "lab", NOW - timedelta(hours=1)))
