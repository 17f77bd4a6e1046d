"""What the files of the TFTP loads hold: known to the load without reading them.

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


def write_file(path: Path, blocks: int, *, block_size: int = BLOCK_SIZE, shift: int = 0) -> None:
    """A file that goes out in `blocks` blocks of `block_size` octets, the last one short. With `shift`, another one of
    the same size: block n holds what block n + `shift` holds otherwise."""
    with path.open("wb") as file:
        for block in range(1, blocks + 1):
            file.write(payload_of(block + shift, blocks + shift, block_size))


def payload_of(block: int, last: int, block_size: int = BLOCK_SIZE) -> bytes:
    """What a file holds there whose blocks are so many octets, the last one fewer."""
    return PAYLOADS[block % PERIOD][: block_size if block < last else min(_SHORT, block_size - 1)]


def blocks_of(megabytes: float, block_size: int = BLOCK_SIZE) -> int:
    """How many blocks about so many million octets are."""
    return max(1, int(megabytes * 1_000_000 / block_size))
