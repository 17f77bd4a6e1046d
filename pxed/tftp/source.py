"""Files in memory, shared by the transfers that send them.

A file may be replaced or shortened while it is sent; a client must then get the old content to its end or an error,
never a mixture, and the worker must live on. So there are two kinds of `Source`:

* a small file (a boot loader) is copied, and the copy is what goes out;
* a large one (a boot image, immutable by contract) is mapped. Only the kernel ever reads the mapping, in sendmsg(2),
  where a page that is gone is an EFAULT and no SIGBUS. The end of the file is copied before it is sent (`tail`), and
  sent only if the file is still the same then: no client gets the whole of a file that changed.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from pxed.tftp.blocks import Piece

COPIED = 4 << 20
"""octets up to which a file is copied: any boot loader, in about a millisecond"""
_ALL_COPIES = 128 << 20
"""octets of copies in one process; beyond, small files are mapped too"""
_MAP_NORESERVE = 0x4000
_ATTEMPTS = 3


class SourceError(Exception):
    """The file cannot be read as a whole; the text is for the client."""


_Identity = tuple[int, int, int, int]
"""Device, inode, size and time of change of a file; not that of its inode, which a rename over it changes too."""
_Key = tuple[_Identity, bool]


@dataclass(slots=True)
class Source:
    """The octets from `origin` to the end of a file of `size` octets, in memory that does not move."""

    memory: mmap.mmap
    view: memoryview
    address: int
    size: int
    origin: int
    key: _Key
    fd: int
    """of a mapped file; -1 for a copy"""
    users: int = 1
    pieces: MutableMapping[tuple[int, int], Piece] = field(default_factory=WeakValueDictionary)
    """the blocks that are being sent, as `pxed.tftp.blocks` keeps them"""

    @property
    def is_mapped(self) -> bool:
        """The file can still change."""
        return self.fd >= 0

    def tail(self, start: int) -> Source:
        """A copy of the octets from `start` on; SourceError if the file has changed since it was opened."""
        source = _copied(self.fd, start, self.size, self.key)
        if _identity(self.fd) != self.key[0]:
            source.close()
            raise SourceError("the file changed while it was sent")
        return source

    def close(self) -> None:
        """Gives the memory back."""
        self.view.release()
        self.memory.close()
        if self.fd >= 0:
            os.close(self.fd)


class Sources:
    """All sources of a process; those in use are shared."""

    def __init__(self) -> None:
        self._sources: dict[_Key, Source] = {}
        self._copies = 0

    def take(self, fd: int, *, netascii: bool) -> Source:
        """The source of the open file `fd`, which this takes over; SourceError if it cannot be had."""
        try:
            for _ in range(_ATTEMPTS):
                key = (_identity(fd), netascii)
                known = self._sources.get(key)
                if known is not None:
                    known.users += 1
                    return known
                source = self._read(fd, key)
                if source.is_mapped or _identity(fd) == key[0]:
                    self._sources[key] = source
                    return source
                self.give_back(source)
            raise SourceError("the file is being written")
        except OSError as error:
            raise SourceError(f"the file cannot be read: {error.strerror}") from None
        finally:
            os.close(fd)

    def give_back(self, source: Source) -> None:
        """One user less."""
        source.users -= 1
        if not source.users:
            if not source.is_mapped:
                self._copies -= source.size
            if self._sources.get(source.key) is source:
                del self._sources[source.key]
            source.close()

    def _read(self, fd: int, key: _Key) -> Source:
        (_, _, size, _), netascii = key
        to_be_copied = size <= COPIED and (not size or self._copies + size <= _ALL_COPIES)
        if netascii and not to_be_copied:
            raise SourceError(f"netascii is for text of at most {COPIED} octets")
        if not to_be_copied:
            # MAP_PRIVATE and writable, though nobody writes: ctypes gives the address of writable memory only.
            flags, access = mmap.MAP_PRIVATE | _MAP_NORESERVE, mmap.PROT_READ | mmap.PROT_WRITE
            return _source(mmap.mmap(fd, size, flags, access), size, 0, key, os.dup(fd))
        source = _to_netascii(fd, size, key) if netascii else _copied(fd, 0, size, key)
        self._copies += source.size
        return source


def _identity(fd: int) -> _Identity:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _copied(fd: int, start: int, size: int, key: _Key) -> Source:
    source = _source(mmap.mmap(-1, max(size - start, 1)), size, start, key, -1)
    done = start
    while done < size:
        count = os.preadv(fd, [source.view[done - start : size - start]], done)
        if not count:
            source.close()
            raise SourceError("the file became shorter")
        done += count
    return source


def _to_netascii(fd: int, size: int, key: _Key) -> Source:
    """The file with its line ends as in RFC 764: LF becomes CR LF, and a CR that stood alone CR NUL."""
    text = os.pread(fd, size, 0).replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")
    source = _source(mmap.mmap(-1, max(len(text), 1)), len(text), 0, key, -1)
    source.view[: len(text)] = text
    return source


def _source(memory: mmap.mmap, size: int, origin: int, key: _Key, fd: int) -> Source:
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return Source(memory, memoryview(memory), address, size, origin, key, fd)
