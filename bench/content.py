"""What the files of the benchmark hold: known to the load without reading them.

Block n of a file is payload n modulo a prime, so that a block in the wrong place has the wrong octets, also one whose
16-bit number is right by wrapping.
"""

from __future__ import annotations

import random
from pathlib import Path

BLOCK_SIZE = 1468
PERIOD = 4093
_SHORT = 700
"""octets of the last block"""
PROBE = "probe"
"""a file of one short block"""

_noise = random.Random(2)  # noqa: S311 - the same octets in every process, nothing secret
PAYLOADS = tuple(_noise.randbytes(BLOCK_SIZE) for _ in range(PERIOD))


def write_file(path: Path, blocks: int) -> None:
    """A file that goes out in `blocks` blocks, the last one short."""
    with path.open("wb") as file:
        for block in range(1, blocks):
            file.write(PAYLOADS[block % PERIOD])
        file.write(PAYLOADS[blocks % PERIOD][:_SHORT])


def blocks_of(megabytes: int) -> int:
    """How many blocks about so many million octets are."""
    return max(1, megabytes * 1_000_000 // BLOCK_SIZE)
