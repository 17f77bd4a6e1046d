"""What the lab needs on this machine, asked before anything is begun."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pxed.errors import NotPermitted, Unavailable

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

_NEEDS = {
    "ip": "iproute2",
    "dnsmasq": "dnsmasq-base",
    "qemu-system-x86_64": "qemu-system-x86",
    "/usr/lib/ipxe/qemu/pxe-virtio.rom": "ipxe-qemu",
    str(OVMF_CODE): "ovmf",
}
"""programs, and files by their paths, with the Debian packages that have them"""


def check_needs() -> None:
    """NotPermitted without root; Unavailable with the names of the packages that are missing."""
    if os.geteuid() != 0:
        raise NotPermitted("the lab makes network namespaces, which needs root")
    packages = [package for need, package in _NEEDS.items() if not (shutil.which(need) or Path(need).is_file())]
    if packages:
        raise Unavailable(f"the lab needs packages that are missing: apt-get install {' '.join(packages)}")
