"""A UEFI machine's variable store with a boot order in it, as its administrator would have set it: network, then disk.

Left alone, OVMF puts HTTP boot over IPv4 and IPv6 between the two and spends a minute on each. QEMU's `bootindex`
cannot tell the three kinds of network boot apart, the boot order variables can.

Sources: UEFI 2.10, 3.1.3 (load options), 3.3 (variables), 10.3 (device paths); edk2
MdeModulePkg/Include/Guid/VariableFormat.h (the store).
"""

from __future__ import annotations

import struct
import uuid

from pxed.site.identifiers import mac_octets

CARD_SLOT = 2
DISK_SLOT = 3
"""PCI devices 2 and 3 of bus 0: where the boot options expect the network card and the disk"""

_GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")  # EFI_GLOBAL_VARIABLE
_AUTHENTICATED = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792")  # the kind of store that OVMF has
_VOLUME_HEADER_LENGTH = 48
"""where a firmware volume keeps the length of its header"""
_STORE_HEADER = 28
_KEPT_AND_VISIBLE = 0x7  # non-volatile, boot services, run time


def with_boot_order(store: bytes, mac: str) -> bytes:
    """An empty variable store of OVMF with options for PXE over IPv4 from that card, and for the disk.

    ValueError if the store is not an empty one of the kind that is known here.
    """
    volume = int.from_bytes(store[_VOLUME_HEADER_LENGTH : _VOLUME_HEADER_LENGTH + 2], "little")
    first = volume + _STORE_HEADER
    if store[volume : volume + 16] != _AUTHENTICATED.bytes_le or store[first : first + 4] != b"\xff" * 4:
        raise ValueError("no empty store of authenticated UEFI variables")
    card = _pci(CARD_SLOT) + _node(3, 11, mac_octets(mac).ljust(32, b"\0") + b"\x01")
    variables = b"".join(
        (
            _variable("Boot0000", _option("PXE over IPv4", card + _node(3, 12, bytes(23)))),
            _variable("Boot0001", _option("Disk", _pci(DISK_SLOT))),
            _variable("BootOrder", struct.pack("<HH", 0, 1)),
        )
    )
    return store[:first] + variables + store[first + len(variables) :]


def _variable(name: str, data: bytes) -> bytes:
    """AUTHENTICATED_VARIABLE_HEADER, name, data; the next one begins at a multiple of four."""
    text = (name + "\0").encode("utf-16-le")
    header = struct.pack(
        "<HBxIQ16xIII", 0x55AA, 0x3F, _KEPT_AND_VISIBLE, 0, 0, len(text), len(data)
    )  # 0x3F: added, not deleted
    whole = header + _GLOBAL.bytes_le + text + data
    return whole + b"\xff" * (-len(whole) % 4)


def _option(description: str, path: bytes) -> bytes:
    """EFI_LOAD_OPTION, active."""
    path += _node(0x7F, 0xFF, b"")
    return struct.pack("<IH", 1, len(path)) + (description + "\0").encode("utf-16-le") + path


def _pci(device: int) -> bytes:
    """PciRoot(0x0)/Pci(device,0x0); the root's name is the compressed EISA id of PNP0A03."""
    return _node(2, 1, struct.pack("<II", 0x0A0341D0, 0)) + _node(1, 1, bytes((0, device)))


def _node(kind: int, subkind: int, data: bytes) -> bytes:
    return struct.pack("<BBH", kind, subkind, 4 + len(data)) + data
