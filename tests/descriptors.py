"""Which descriptors this process has open."""

from __future__ import annotations

import gc
from pathlib import Path


def descriptors() -> set[str]:
    """Their numbers. Those that other tests have left to the garbage collector are closed first: later, they would
    be counted before and not after."""
    gc.collect()
    return {path.name for path in Path("/proc/self/fd").iterdir()}
