"""The files of boot images: whole or not there, the same as when they were added, gone when nobody can ask for them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pxed.errors import PxedError, UsageError
from pxed.image import library
from pxed.site.boot_image import BootImage, Cpu
from pxed.site.database import open_database
from pxed.site.sql import Database, transaction
from pxed.site.store import Tx
from tests.site_in_memory import make_empty_site

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Place:
    """A state directory with its database, and files to make images of."""

    def __init__(self, root: Path) -> None:
        self.state = root / "state"
        self.images = self.state / "images"
        self.files = root / "files"
        for path in (self.state, self.files):
            path.mkdir()
        make_empty_site(self.state)
        self.database: Database = open_database("sqlite:///pxed.db", self.state)
        self.now = NOW

    def file(self, name: str, content: bytes) -> Path:
        (self.files / name).write_bytes(content)
        return self.files / name

    def writing(self) -> AbstractContextManager[Tx]:
        return transaction(self.database, "tester", self.now)

    def add(self, cpu: Cpu = Cpu.AMD64, kernel: bytes = b"kernel", command_line: str = "quiet") -> BootImage:
        initrds = [self.file("initrd.img", b"initrd"), self.file("more.img", b"more")]
        kernel_file = self.file("vmlinuz", kernel)
        return library.add_variant(self.writing, self.images, "debian", cpu, kernel_file, initrds, command_line)

    def prune(self, before: datetime) -> list[str]:
        with self.writing() as tx:
            return [path.name for path in library.prune(tx, self.images, before=before, now=self.now)]

    def kept(self) -> dict[str, bytes]:
        paths = (path for path in self.images.rglob("*") if path.is_file())
        return {path.relative_to(self.images).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_files_are_copied_and_described(place: Place) -> None:
    image = place.add()
    (variant,) = image.variants
    assert place.kept() == {
        f"{image.id}/amd64/vmlinuz": b"kernel",
        f"{image.id}/amd64/initrd.img": b"initrd",
        f"{image.id}/amd64/more.img": b"more",
    }
    assert (variant.cpu, variant.command_line) == (Cpu.AMD64, "quiet")
    assert [(file.name, file.size) for file in variant.files] == [("vmlinuz", 6), ("initrd.img", 6), ("more.img", 4)]
    assert variant.kernel.sha256 == hashlib.sha256(b"kernel").hexdigest()
    with place.writing() as tx:
        assert list(tx.boot_images()) == [image]
    mode = stat.S_IMODE((place.images / f"{image.id}/amd64/vmlinuz").stat().st_mode)
    assert (mode, library.verify(image, place.images)) == (0o644, [])


def test_a_new_variant_is_a_new_revision_that_keeps_the_others(place: Place) -> None:
    first = place.add(Cpu.AMD64)
    second = place.add(Cpu.ARM64, b"arm kernel")
    third = place.add(Cpu.AMD64, b"newer kernel")
    assert len({first.id, second.id, third.id}) == 3
    assert {variant.cpu: variant.kernel.size for variant in third.variants} == {Cpu.AMD64: 12, Cpu.ARM64: 10}
    for image in (first, second, third):
        assert library.verify(image, place.images) == []
    assert (place.images / f"{first.id}/amd64/vmlinuz").read_bytes() == b"kernel"


def test_changed_files_are_found(place: Place) -> None:
    image = place.add()
    directory = place.images / str(image.id) / "amd64"
    (directory / "vmlinuz").write_bytes(b"KERNEL")
    (directory / "initrd.img").write_bytes(b"longer than before")
    (directory / "more.img").unlink()
    assert library.verify(image, place.images) == [
        "amd64/vmlinuz has another SHA-256 than when it was added",
        "amd64/initrd.img has 18 bytes instead of 6",
        "amd64/more.img is missing",
    ]
    (directory / "more.img").symlink_to("vmlinuz")
    assert library.verify(image, place.images)[2] == "amd64/more.img is no regular file"


@pytest.mark.parametrize(
    ("name", "words"),
    [(".hidden", "cannot be the name"), ("a b", "cannot be the name"), ("initrd.img", "same name")],
)
def test_names_that_cannot_be_are_refused(place: Place, name: str, words: str) -> None:
    kernel = place.file(name, b"kernel")
    other = place.file("initrd.img", b"initrd")
    with pytest.raises(UsageError, match=words):
        library.add_variant(place.writing, place.images, "debian", Cpu.AMD64, kernel, [other], "")
    assert not place.images.exists()


@pytest.mark.parametrize("command_line", ["two\nlines", "tab\t", "\u00e4", "x" * (library.MAX_COMMAND_LINE + 1)])
def test_command_lines_that_cannot_be_are_refused(place: Place, command_line: str) -> None:
    with pytest.raises(UsageError, match="command line"):
        place.add(command_line=command_line)


def test_a_file_that_cannot_be_used_leaves_nothing_behind(place: Place) -> None:
    with pytest.raises(UsageError, match="is empty"):
        place.add(kernel=b"")
    with pytest.raises(PxedError, match="missing: No such file"):
        library.add_variant(place.writing, place.images, "debian", Cpu.AMD64, place.files / "missing", [], "")
    assert list(place.images.iterdir()) == []


def test_a_transaction_that_fails_is_made_good_by_the_next(place: Place) -> None:
    class PowerFailure(Exception):
        pass

    @contextmanager
    def failing() -> Iterator[Tx]:
        with place.writing() as tx:
            yield tx
            raise PowerFailure

    with pytest.raises(PowerFailure):
        library.add_variant(failing, place.images, "debian", Cpu.AMD64, place.file("vmlinuz", b"lost"), [], "")
    (orphan,) = place.images.iterdir()
    image = place.add()
    assert (image.id, library.verify(image, place.images)) == (int(orphan.name), [])
    assert set(place.images.iterdir()) == {orphan}


def test_what_was_retired_goes_when_no_token_can_name_it(place: Place) -> None:
    first = place.add()
    place.now = NOW + timedelta(hours=2)
    second = place.add()
    place.now = NOW + timedelta(hours=3)
    assert place.prune(before=NOW + timedelta(hours=1)) == []
    assert place.prune(before=NOW + timedelta(hours=2)) == [str(first.id)]
    assert place.prune(before=place.now) == []
    assert {path.name for path in place.images.iterdir()} == {str(second.id)}


def test_left_overs_go_and_work_in_progress_stays(place: Place) -> None:
    image = place.add()
    for name in ("4711", ".new-dead", ".new-alive", "notes"):
        (place.images / name).mkdir()
    descriptor = os.open(place.images / ".new-alive", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert place.prune(before=NOW) == [".new-dead", "4711"]
    finally:
        os.close(descriptor)
    assert {path.name for path in place.images.iterdir()} == {".new-alive", "notes", str(image.id)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_adds_belongs_to_the_owner_of_the_state_directory(place: Place) -> None:
    os.chown(place.state, 12345, 54321)
    image = place.add()
    for path in (place.images, place.images / str(image.id), *(place.images / str(image.id)).rglob("*")):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)
