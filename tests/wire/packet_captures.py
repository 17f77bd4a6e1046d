"""Packets that firmware sends, kept as commented hexadecimal in `captures/`."""

from __future__ import annotations

from pathlib import Path

_CAPTURES = Path(__file__).parent / "captures"

CAPTURE_NAMES = sorted(path.stem for path in _CAPTURES.glob("*.hex"))


def read_capture(name: str) -> bytes:
    """The octets of `captures/<name>.hex`: `#` begins a comment, `00*16` is sixteen times 00."""
    octets = b""
    for line in (_CAPTURES / f"{name}.hex").read_text().splitlines():
        for word in line.partition("#")[0].split():
            digits, _, times = word.partition("*")
            octets += bytes.fromhex(digits) * int(times or 1)
    return octets
