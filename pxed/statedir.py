"""The state directory: what must be in it before anything is served, made if it is missing."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from contextlib import closing, suppress
from pathlib import Path

from pxed.boot.token import KEY_BYTES
from pxed.config import Config
from pxed.errors import NotPermitted, PxedError, Unavailable
from pxed.files import give_to_owner_of


def require_alone(config: Config) -> None:
    """Unavailable if a service runs with these directories: neither the key nor the control socket is for two."""
    with closing(socket.socket(socket.AF_UNIX)) as probe, suppress(OSError):
        probe.connect(str(config.control_socket))
        raise Unavailable(
            f"a service point runs already, with its control socket {config.control_socket}: stop that one, or give "
            "this one a service.state_dir and a service.run_dir of its own"
        )


def prepare(config: Config, owner: tuple[int, int] | None) -> None:
    """Makes the directories of `config` that are missing; `owner` (user and group id) gets what is made.

    NotPermitted or PxedError with one sentence if that cannot be done.
    """
    for path, mode in (
        (config.service.state_dir, 0o750),
        (config.images_dir, 0o750),
        (config.public_dir, 0o755),
        (config.service.run_dir, 0o755),
    ):
        make_directory(path, mode, owner)


def make_directory(path: Path, mode: int, owner: tuple[int, int] | None) -> None:
    """Makes `path` unless it is there, for `owner` (user and group id); NotPermitted or PxedError if it cannot."""
    try:
        if not path.is_dir():
            path.mkdir(mode=mode, parents=True)
            if owner is not None:
                os.chown(path, *owner)
    except PermissionError:
        raise NotPermitted(f"directory {path} cannot be made: permission denied") from None
    except OSError as error:
        raise _fault(f"directory {path} cannot be made", error) from None


def _fault(what: str, error: OSError) -> PxedError:
    if error.errno != errno.EROFS:
        return PxedError(f"{what}: {error.strerror}")
    advice = (
        "the systemd unit writes to /var/lib/pxed alone, unless ReadWritePaths= by `systemctl edit pxed` names more"
    )
    return NotPermitted(f"{what}: its file system is read-only; {advice}")


def load_key(config: Config) -> bytes:
    """The key that seals tokens, made on the first start. PxedError with one sentence if it cannot be had.

    Of root's making it belongs to the owner of the state directory, whoever the service will run as the next time.
    """
    path = config.key_file
    try:
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = _make_key(path)
    except PermissionError:
        advice = f"as root, chown --reference={path.parent} {path} gives it to the owner of the directory"
        raise NotPermitted(f"key {path} cannot be read: permission denied; {advice}") from None
    except OSError as error:
        raise _fault(f"key {path} cannot be read or made", error) from None
    if len(key) != KEY_BYTES:
        raise PxedError(f"key {path} has {len(key)} bytes, not {KEY_BYTES}; remove it, and a new one is made")
    return key


def _make_key(path: Path) -> bytes:
    """Whole or not at all: two processes that start at once end with the same key."""
    key = secrets.token_bytes(KEY_BYTES)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, key)
        os.fsync(descriptor)
        give_to_owner_of(path.parent, descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)
    except FileExistsError:
        key = path.read_bytes()
    finally:
        draft.unlink()
    return key
