"""Files of HTTP and of the storm: a load knows their octets without reading them, at memory's speed."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

READ = 256 << 10
"""the most octets that are compared at once"""
_PERIOD = 1_000_003
"""a prime, so that no block of any size comes again at its own place"""
_once = random.Random(3).randbytes(_PERIOD)  # noqa: S311 - the same octets in every process, nothing secret
_OCTETS = _once + _once[:READ]


def matches(data: bytes | memoryview, name: str, at: int) -> bool:
    """Whether the file `name` holds `data` from octet `at` on."""
    return _OCTETS.startswith(data, (_phase(name) + at) % _PERIOD)


def write_file(path: Path, size: int) -> None:
    """The file of this name, `size` octets long."""
    with path.open("wb") as file:
        for at in range(0, size, READ):
            begin = (_phase(path.name) + at) % _PERIOD
            file.write(_OCTETS[begin : begin + min(READ, size - at)])


def _phase(name: str) -> int:
    """Where a file begins in the noise: files of different names differ everywhere."""
    return zlib.crc32(name.encode()) % _PERIOD
