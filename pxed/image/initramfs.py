"""A file tree in memory, and the archive that the kernel unpacks from it.

The format is "newc", as the kernel's Documentation/driver-api/early-userspace/buffer-format.rst gives it. The same
tree gives the same bytes: entries are sorted, everything belongs to root, was made at the epoch, and has the number of
its place as inode.
"""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

_MAGIC = b"070701"
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of the tree."""

    mode: int
    """file type and permissions, as in st_mode"""
    data: bytes = b""
    """a file's content, a symbolic link's target"""
    device: tuple[int, int] = (0, 0)
    """a device node's major and minor number"""


@dataclass(slots=True)
class Tree:
    """Entries by path, relative to the root: 'usr/bin/python3'. Missing directories above an entry are added."""

    nodes: dict[str, Node] = field(default_factory=dict)

    def directory(self, path: str) -> None:
        """A directory, with those above it; ValueError if the path leaves the tree or runs through a file."""
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts:
            raise ValueError(f"{path!r} is no path within the tree")
        for parent in [*reversed(parts.parents), parts]:
            if str(parent) == ".":
                continue
            node = self.nodes.setdefault(str(parent), Node(stat.S_IFDIR | 0o755))
            if not stat.S_ISDIR(node.mode):
                raise ValueError(f"{parent} is no directory, so {path} cannot be in it")

    def file(self, path: str, data: bytes, *, executable: bool = False) -> None:
        """A regular file."""
        self._put(path, Node(stat.S_IFREG | (0o755 if executable else 0o644), data))

    def symlink(self, path: str, target: str) -> None:
        """A symbolic link."""
        self._put(path, Node(stat.S_IFLNK | 0o777, target.encode()))

    def character_device(self, path: str, major: int, minor: int) -> None:
        """A character device that root may use."""
        self._put(path, Node(stat.S_IFCHR | 0o600, device=(major, minor)))

    def _put(self, path: str, node: Node) -> None:
        self.directory(str(PurePosixPath(path).parent))
        if self.nodes.setdefault(path, node) != node:
            raise ValueError(f"{path} is in the tree already, and is different")


def pack(tree: Tree) -> Iterator[bytes]:
    """The archive of `tree`, piece by piece."""
    # By components, so that a directory comes before what is in it and everything in it stays together.
    ordered = sorted(tree.nodes.items(), key=lambda item: PurePosixPath(item[0]).parts)
    size = 0
    for inode, (path, node) in enumerate(ordered, start=1):
        entry = _entry(path, node, inode)
        size += len(entry)
        yield entry
    trailer = _entry("TRAILER!!!", Node(0), 0)
    yield trailer
    yield bytes(-(size + len(trailer)) % _BLOCK)


def compress(tree: Tree) -> bytes:
    """The archive of `tree`, compressed for the kernel: no name, no time in the gzip header."""
    return gzip.compress(b"".join(pack(tree)), compresslevel=6, mtime=0)


def _entry(path: str, node: Node, inode: int) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(node.mode) else 1
    major, minor = node.device
    # inode, mode, uid, gid, links, mtime, size, the device it is on, the device that it is, name size, checksum
    fields = (inode, node.mode, 0, 0, links, 0, len(node.data), 0, 0, major, minor, len(name), 0)
    header = _MAGIC + b"".join(b"%08X" % value for value in fields) + name
    return _padded(header) + _padded(node.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
