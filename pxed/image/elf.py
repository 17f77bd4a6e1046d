"""One section of an ELF file, found by its name (System V ABI, chapter 4)."""

from __future__ import annotations

import struct

_LAYOUTS = {1: ("I", 32, 46, "IIIIII"), 2: ("Q", 40, 58, "IIQQQQ")}
"""by class (1: 32 bits, 2: 64 bits): type and place of e_shoff; place of e_shentsize, e_shnum and e_shstrndx; the first
fields of a section header: name, type, flags, address, offset, size"""


def section(data: bytes, name: str) -> bytes:
    """The content of section `name`, empty if there is none; ValueError if `data` is no ELF file."""
    if data[:4] != b"\x7fELF" or data[4:5] not in {b"\1", b"\2"} or data[5:6] not in {b"\1", b"\2"}:
        raise ValueError("not an ELF file")
    order = "<" if data[5] == 1 else ">"
    address, table_at, counts_at, header = _LAYOUTS[data[4]]
    try:
        (table,) = struct.unpack_from(order + address, data, table_at)
        size, count, names_index = struct.unpack_from(order + "HHH", data, counts_at)
        headers = [struct.unpack_from(order + header, data, table + index * size) for index in range(count)]
        names_at = headers[names_index][4]
        for name_offset, _, _, _, offset, length in headers:
            begin = names_at + name_offset
            if data[begin : data.index(b"\0", begin)] == name.encode():
                return data[offset : offset + length]
    except (struct.error, IndexError, ValueError):
        raise ValueError("a damaged ELF file") from None
    return b""
