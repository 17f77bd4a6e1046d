"""Tagged options, the form that DHCP (RFC 2132 section 2), PXE (option 43) and iPXE (option 175) share.

An area is a row of options: one octet of code, one of length, the value. Code 0 is a pad octet, code 255 ends the area;
neither has a length. Decoded, an area is a mapping of code to value in the order of first appearance; the order of a
mapping is the order on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from pxed.errors import WireError

Options: TypeAlias = Mapping[int, bytes]
"""Code to value, in the order on the wire."""

PAD = 0
END = 255
LONGEST = 255
"""octets of value that one instance of an option holds"""

_OCTETS = tuple(bytes((number,)) for number in range(256))


def instances(area: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Each option in `area` from offset `start` on: its code, and the offsets where its value begins and ends.

    An area that stops between two options without its 255 is accepted, as DHCP servers and iPXE do; one that stops
    inside an option is a WireError.
    """
    at = start
    end = len(area)
    while at < end:
        code = area[at]
        if code == END:
            break
        if code == PAD:
            at += 1
            continue
        value_at = at + 2
        if value_at > end:
            raise WireError(f"option {code} at offset {at} has no length")
        at = value_at + area[value_at - 1]
        if at > end:
            raise WireError(f"option {code} at offset {value_at - 2} runs {at - end} octets past the end")
        yield code, value_at, at


def decode_options(area: bytes, start: int = 0, options: dict[int, bytes] | None = None) -> dict[int, bytes]:
    """The options in `area` from offset `start` on, added to `options` if that is given.

    Values of a code that comes again are joined in their order (RFC 3396 section 7). WireError as from `instances`.
    """
    found: dict[int, bytes] = {} if options is None else options
    for code, value_at, end in instances(area, start):
        if code in found:
            found[code] += area[value_at:end]
        else:
            found[code] = area[value_at:end]
    return found


def encode_options(options: Options) -> bytes:
    """`options` in their order, without an end; values longer than 255 octets are split (RFC 3396 section 6)."""
    parts: list[bytes] = []
    for code, value in options.items():
        if not PAD < code < END:
            raise ValueError(f"{code} is no option code")
        length = len(value)
        if length <= LONGEST:
            parts += (_OCTETS[code], _OCTETS[length], value)
        else:
            for at in range(0, length, LONGEST):
                piece = value[at : at + LONGEST]
                parts += (_OCTETS[code], _OCTETS[len(piece)], piece)
    return b"".join(parts)


def encapsulate(options: Options) -> bytes:
    """`options` as the value of another option, with the end octet that PXE asks for.

    ValueError if that is more than 255 octets: EDK2 (PxeBcParseDhcp4Options) and iPXE (find_dhcp_option_with_encap)
    read the first instance of an option only, so an encapsulating option cannot be split.
    """
    encoded = encode_options(options) + _OCTETS[END]
    if len(encoded) > LONGEST:
        raise ValueError(f"encapsulated options take {len(encoded)} octets, and {LONGEST} is the most")
    return encoded
