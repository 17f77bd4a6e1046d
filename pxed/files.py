"""What everything that is kept in the state directory has in common: whose it is, and that it outlives a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def give_to_owner_of(directory: Path, path: Path | int) -> None:
    """Of root's making, `path` (or an open descriptor) gets the owner and group of `directory`.

    Root works on the command line, and the service runs as the one who has the state directory.
    """
    if os.geteuid() == 0:
        status = directory.stat()
        os.chown(path, status.st_uid, status.st_gid)


def sync_directory(directory: Path) -> None:
    """Returns when the names in `directory` are on disk (fsync(2))."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
