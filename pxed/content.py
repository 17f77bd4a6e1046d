"""The one place where a name given by a client becomes an open file; TFTP and HTTP both ask it.

    b/<token>/<file>    a boot image: what the grant in the token allows, images/<image id>/<cpu>/<file>
    anything else       public: below `public_dir`, else one of the operator's `aliases`

A name never leaves its directory: the kernel itself resolves it (openat2(2), RESOLVE_BENEATH), so symbolic links may
stay inside and cannot lead out, and nothing can be exchanged between a check and the opening.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
import struct
from collections.abc import Mapping
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pxed.boot.token import Grant, TokenError, unseal_grant
from pxed.errors import Unavailable

MAX_NAME = 1024
"""octets; a longer name is an attack or a mistake"""
_MAX_COMPONENTS = 32
_MAX_LISTED = 10_000
"""Entries of a directory that are compared without regard to case: strangers ask for what is not there all day."""

_OPENAT2 = 437
"""its number on every architecture, as for all system calls since Linux 5.1"""
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_HOW = struct.Struct("QQQ")
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # O_NONBLOCK: a FIFO without a writer would wait
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
_syscall.restype = ctypes.c_long


def require_openat2() -> None:
    """Unavailable if this process may not call openat2(2), without which every file would be refused to everybody."""
    root = os.open("/", _DIRECTORY)
    try:
        os.close(_openat2(root, ".", _DIRECTORY))
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM}:
            raise Unavailable(
                "openat2(2) is refused, and no file could be served: the kernel must be Linux 5.6 or newer, "
                "the systemd unit must not have RestrictSUIDSGID=, and a container's seccomp profile must allow it"
            ) from None
        raise
    finally:
        os.close(root)


class Problem(Enum):
    """Why a name was not opened: TFTP error 1 or 2, HTTP status 404 or 403."""

    NOT_FOUND = "not found"
    DENIED = "denied"


class ContentError(Exception):
    """The name leads to no file that this client may have; `reason` is for the log."""

    def __init__(self, problem: Problem, reason: str) -> None:
        self.problem = problem
        self.reason = reason
        super().__init__(f"{problem.value}: {reason}")


class Opened(NamedTuple):
    """An open regular file; whoever gets it closes `fd`."""

    fd: int
    size: int
    """octets"""
    mtime_ns: int
    """nanoseconds since 1970"""
    name: str
    """as asked for, normalised: components joined by single slashes"""
    grant: Grant | None
    """what allowed it; None for a public file"""


class Content:
    """What clients can read. `aliases` maps names to files anywhere, for those that `public_dir` does not have; the
    operator chose them, so symbolic links are followed there."""

    def __init__(self, public_dir: Path, images_dir: Path, aliases: Mapping[str, Path], key: bytes) -> None:
        self._public_dir = public_dir
        self._images_dir = images_dir
        self._aliases = {name.casefold(): path for name, path in aliases.items()} | dict(aliases)
        self._key = key

    def open(self, name: bytes | str, now: float) -> Opened:
        """The file that `name` stands for at `now` (Unix seconds, against which tokens expire); else ContentError."""
        parts = _components(name)
        if parts[0] == "b" and len(parts) > 2:
            return self._open_granted(parts, now)
        return self._open_public(parts)

    def _open_granted(self, parts: list[str], now: float) -> Opened:
        try:
            grant = unseal_grant(parts[1], self._key, now)
        except TokenError as error:
            raise ContentError(Problem.DENIED, str(error)) from None
        fd = _open_beneath(f"{self._images_dir}/{grant.image_id}/{grant.cpu}", parts[2:])
        return _opened(fd, "/".join(parts), grant)

    def _open_public(self, parts: list[str]) -> Opened:
        name = "/".join(parts)
        try:
            fd = _open_beneath(self._public_dir, parts)
        except ContentError as error:
            path = self._aliases.get(name) or self._aliases.get(name.casefold())
            if error.problem is Problem.DENIED or path is None:
                raise
            try:
                fd = os.open(path, _FILE)
            except OSError as failure:
                raise _refusal(failure) from None
        return _opened(fd, name, None)


def _components(name: bytes | str) -> list[str]:
    """The parts of a name, at least one, none of them empty, `.` or `..`."""
    try:
        raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    except UnicodeEncodeError:
        raise ContentError(Problem.DENIED, "the name is no text") from None
    if len(raw) > MAX_NAME:
        raise ContentError(Problem.DENIED, f"a name of {len(raw)} octets, more than {MAX_NAME}")
    # Old boot ROMs read option 67 as a C string and take the option list's end mark (255) along.
    raw = raw.rstrip(b"\xff")
    if _CONTROL.search(raw):
        raise ContentError(Problem.DENIED, "a control character in the name")
    # Windows loaders write backslashes; leading ones, as in UNC names, lead nowhere else than here.
    parts = [part for part in os.fsdecode(raw.replace(b"\\", b"/")).split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ContentError(Problem.DENIED, "'..' in the name")
    if not parts:
        raise ContentError(Problem.NOT_FOUND, "an empty name")
    if len(parts) > _MAX_COMPONENTS:
        raise ContentError(Problem.DENIED, f"a name of {len(parts)} components")
    return parts


def _open_beneath(directory: Path | str, parts: list[str]) -> int:
    """A descriptor of the file at `parts` below `directory`, spelled so or, failing that, in other letters' case."""
    try:
        root = os.open(directory, _DIRECTORY)
    except OSError as error:
        raise _refusal(error) from None
    try:
        try:
            return _openat2(root, "/".join(parts), _FILE)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
        return _openat2(root, _respelled(root, parts), _FILE)
    except OSError as error:
        raise _refusal(error) from None
    finally:
        os.close(root)


def _respelled(root: int, parts: list[str]) -> str:
    """`parts` below `root` as the directories there spell them; FileNotFoundError if nothing fits.

    Windows loaders ask for one file as \\Boot\\BCD, \\boot\\bcd and \\BOOT\\BCD (bootmgfw and its successors).
    """
    found: list[str] = []
    for part in parts:
        directory = _openat2(root, "/".join(found) or ".", _DIRECTORY)
        try:
            with os.scandir(directory) as entries:
                names = [entry.name for entry in islice(entries, _MAX_LISTED)]
        finally:
            os.close(directory)
        fitting = [name for name in names if name.casefold() == part.casefold()]
        if not fitting:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        found.append(part if part in fitting else min(fitting))
    return "/".join(found)


def _openat2(directory: int, path: str, flags: int) -> int:
    how = _HOW.pack(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    fd: int = _syscall(_OPENAT2, directory, os.fsencode(path), how, _HOW.size)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return fd


def _opened(fd: int, name: str, grant: Grant | None) -> Opened:
    """Takes `fd` over; what it is, is asked of the descriptor, which cannot be exchanged any more."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise ContentError(Problem.DENIED, "not a regular file")
    return Opened(fd, status.st_size, status.st_mtime_ns, name, grant)


def _refusal(error: OSError) -> ContentError:
    if error.errno in _ABSENT:
        return ContentError(Problem.NOT_FOUND, "no such file")
    if error.errno in {errno.EXDEV, errno.ELOOP}:
        return ContentError(Problem.DENIED, "a symbolic link leads out of the directory")
    return ContentError(Problem.DENIED, error.strerror or "cannot be opened")
