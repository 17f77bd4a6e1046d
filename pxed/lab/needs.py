"""What the lab needs on this machine, asked before anything is begun."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pxed.errors import NotPermitted, Unavailable

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

_NEEDS = {
    "iproute2": ("ip",),
    "dnsmasq-base": ("dnsmasq",),
    "qemu-system-x86": ("qemu-system-x86_64",),
    "ipxe-qemu": ("/usr/share/qemu/pxe-virtio.rom", "/usr/lib/ipxe/qemu/pxe-virtio.rom"),  # Debian 13, 12
    "ovmf": (str(OVMF_CODE),),
}
"""Debian packages, and what shows that one is there: a program, or any of some files"""


def check_needs() -> None:
    """NotPermitted without root; Unavailable with the names of the packages that are missing."""
    if os.geteuid() != 0:
        raise NotPermitted("the lab makes network namespaces, which needs root")
    packages = [
        package for package, signs in _NEEDS.items() if not any(shutil.which(s) or Path(s).is_file() for s in signs)
    ]
    if packages:
        raise Unavailable(f"the lab needs packages that are missing: apt-get install {' '.join(packages)}")
