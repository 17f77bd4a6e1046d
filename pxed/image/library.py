"""The files of boot images in the state directory: `images/<image id>/<cpu>/<file>`, checked by size and SHA-256.

A revision's directory appears whole, by one rename, before the database names it, and never changes afterwards. What
is left behind by a crash or a transaction that failed is named by nothing, and `prune` removes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from pxed.errors import NotPermitted, PxedError, UsageError
from pxed.files import give_to_owner_of, sync_directory
from pxed.site.boot_image import BootImage, Cpu, ImageFile, ImageVariant
from pxed.site.store import Tx

MAX_COMMAND_LINE = 1024
"""characters; the kernel takes 2048 (COMMAND_LINE_SIZE), and the boot script adds what the agent needs"""
_CHUNK = 1 << 20
_STAGING = ".new-"


def add_variant(
    writing: Callable[[], AbstractContextManager[Tx]],
    images_dir: Path,
    name: str,
    cpu: Cpu,
    kernel: Path,
    initrds: Sequence[Path],
    command_line: str,
) -> BootImage:
    """Copies the files and registers them as boot image `name` for `cpu`, in a new revision that keeps the variants of
    other architectures.

    `writing` opens a transaction. It is opened after the copying, so that the service is not kept from writing
    meanwhile. UsageError for names or a command line that cannot be; PxedError if the files cannot be read or kept.
    """
    _check(kernel, initrds, command_line)
    with _faults(images_dir), _staging(images_dir) as staging:
        first, *others = _copy_all([kernel, *initrds], staging / cpu)
        variant = ImageVariant(cpu, first, tuple(others), command_line)
        with writing() as tx:
            before = next((image for image in tx.boot_images() if image.name == name), None)
            image = tx.add_boot_image(name)
            if before is not None:
                for kept in before.variants:
                    if kept.cpu is not cpu:
                        _link_all(_directory(images_dir, before, kept), staging / kept.cpu)
                        tx.add_variant(image.id, kept)
            tx.add_variant(image.id, variant)
            _publish(staging, images_dir / str(image.id))
            return next(added for added in tx.boot_images() if added.id == image.id)


def verify(image: BootImage, images_dir: Path) -> list[str]:
    """What is wrong with the files of `image`, a line a file: missing, of another size, changed."""
    faults = []
    for variant in image.variants:
        for file in variant.files:
            path = _directory(images_dir, image, variant) / file.name
            if fault := _fault(path, file):
                faults.append(f"{variant.cpu}/{file.name} {fault}")
    return faults


def prune(tx: Tx, images_dir: Path, *, before: datetime, now: datetime) -> list[Path]:
    """Removes the files of revisions that were retired before an instant (when no token can name them any more), and
    directories that no revision has; gives what it removed."""
    with _faults(images_dir):
        retired = tx.retired_boot_images(before)
        for image in retired:
            tx.forget_boot_image(image.id)
        known = {str(image.id) for image in (*tx.boot_images(), *tx.retired_boot_images(now))}
        removed = []
        for path in sorted(images_dir.iterdir()) if images_dir.is_dir() else ():
            is_left_over = path.name.isdecimal() and path.name not in known
            if is_left_over or (path.name.startswith(_STAGING) and not _is_in_use(path)):
                shutil.rmtree(path)
                removed.append(path)
        return removed


def _check(kernel: Path, initrds: Sequence[Path], command_line: str) -> None:
    names = [path.name for path in (kernel, *initrds)]
    for name in names:
        # The name stands in URLs, TFTP requests and boot scripts.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", name):
            raise UsageError(f"{name!r} cannot be the name of an image's file: letters, digits and ._+- are possible")
    if len(set(names)) < len(names):
        raise UsageError(f"two files of the image have the same name: {', '.join(sorted(names))}")
    if not command_line.isascii() or (command_line and not command_line.isprintable()):
        raise UsageError("a kernel command line is one line of printable ASCII characters")
    if len(command_line) > MAX_COMMAND_LINE:
        raise UsageError(
            f"the command line has {len(command_line)} characters; at most {MAX_COMMAND_LINE} are possible"
        )


@contextmanager
def _staging(images_dir: Path) -> Iterator[Path]:
    """A directory beside the revisions, locked for as long as it is worked on; what is still in it is removed."""
    _make_directory(images_dir)
    path = Path(tempfile.mkdtemp(prefix=_STAGING, dir=images_dir))
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        path.chmod(0o755)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _is_in_use(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _copy_all(sources: Sequence[Path], target: Path) -> list[ImageFile]:
    target.mkdir(mode=0o755)
    return [_copy(source, target / source.name) for source in sources]


def _copy(source: Path, target: Path) -> ImageFile:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            size += writer.write(chunk)
        if size == 0:
            raise UsageError(f"{source} is empty")
        os.fchmod(writer.fileno(), 0o644)
        writer.flush()
        os.fsync(writer.fileno())
    return ImageFile(target.name, size, digest.hexdigest())


def _link_all(source: Path, target: Path) -> None:
    """The same files under a second name: neither revision ever writes to them."""
    target.mkdir(mode=0o755)
    for path in source.iterdir():
        (target / path.name).hardlink_to(path)


def _publish(staging: Path, target: Path) -> None:
    """Moves what was staged to its place, on disk before the database can say that it is there."""
    if target.exists():  # of a transaction that failed: ids that were not committed are given again
        shutil.rmtree(target)
    for path in (staging, *staging.rglob("*")):
        give_to_owner_of(target.parent, path)  # the service, which is not root, prunes here
        if path.is_dir():
            sync_directory(path)
    staging.rename(target)
    sync_directory(target.parent)


def _make_directory(path: Path) -> None:
    if not path.is_dir():
        path.mkdir(mode=0o750)
        give_to_owner_of(path.parent, path)


def _fault(path: Path, file: ImageFile) -> str:
    if path.is_symlink() or not path.is_file():
        return "is missing" if not path.exists() else "is no regular file"
    if (size := path.stat().st_size) != file.size:
        return f"has {size} bytes instead of {file.size}"
    with suppress(PermissionError), path.open("rb") as opened:
        changed = hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256
        return "has another SHA-256 than when it was added" if changed else ""
    return "cannot be read: permission denied"


def _directory(images_dir: Path, image: BootImage, variant: ImageVariant) -> Path:
    return images_dir / str(image.id) / variant.cpu


@contextmanager
def _faults(images_dir: Path) -> Iterator[None]:
    """Turns what the file system refuses into one sentence."""
    try:
        yield
    except PermissionError as error:
        raise NotPermitted(f"{error.filename or images_dir}: permission denied") from None
    except OSError as error:
        raise PxedError(f"{error.filename or images_dir}: {error.strerror}") from None
