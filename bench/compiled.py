"""The parts of the benchmark that are C: compiled when they are first needed, and when they have changed.

They are no part of the package; what they need beside Python is gcc and the C library's headers, which `make` brings.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from pathlib import Path

from bench.network import run

_DIRECTORY = Path(__file__).parent.parent / "build" / "bench"


def compiled(source: Path, directory: Path = _DIRECTORY) -> ctypes.CDLL:
    """The library that `source`, a C file, is compiled to in `directory`; RuntimeError with the compiler's words."""
    library = directory / f"{source.stem}.so"
    if not library.exists() or library.stat().st_mtime < max(path.stat().st_mtime for path in (source, Path(__file__))):
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as name:  # others that need it too never see half of it
            whole = Path(name) / library.name
            run(["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", str(whole), str(source)])
            os.utime(whole)
            whole.replace(library)
    return ctypes.CDLL(str(library))
