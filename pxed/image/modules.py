"""Which kernel modules go into a boot image, and the index by which modprobe finds them.

Every module says of itself, in its ELF section `.modinfo`, what it needs and which devices it drives
("depends=", "softdep=pre:", "alias="). From that the few modules of an image get their own modules.dep and
modules.alias; the tools and the full index of the kernel package are not needed.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pxed.errors import Unavailable
from pxed.image import elf
from pxed.image.initramfs import Tree

REQUIRED = (
    # The hardware of virtual machines, and the two families that most office machines have.
    *("virtio_pci", "virtio_net", "virtio_blk", "virtio_scsi", "e1000", "e1000e", "ahci", "sd_mod"),
    # What a disk may hold, and the code page that a FAT file system is mounted with.
    *("ext4", "vfat", "nls_cp437", "nls_ascii"),
)
"""an image without one of these is not worth having"""

OPTIONAL = (
    # network
    *("igb", "igc", "ixgbe", "i40e", "r8169", "tg3", "bnxt_en", "atlantic", "vmxnet3", "hv_netvsc"),
    *("r8152", "ax88179_178a", "cdc_ncm", "cdc_ether"),
    # disks
    *("nvme", "vmd", "ata_piix", "sr_mod", "vmw_pvscsi", "hv_storvsc", "megaraid_sas", "mpt3sas", "smartpqi"),
    *("mptspi", "usb_storage", "uas", "sdhci_pci", "mmc_block"),
    # buses, keyboards, file systems
    *("xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd", "usbhid", "hid_generic", "isofs", "squashfs", "loop"),
    *("nls_utf8", "nls_iso8859_1", "crc32c_generic", "efivarfs"),
)
"""taken where the kernel has them"""


@dataclass(frozen=True, slots=True)
class Module:
    """One module as it describes itself. Names are the kernel's, with underscores."""

    name: str
    path: str
    """relative to the directory of the modules, without a compression's suffix: 'kernel/fs/ext4/ext4.ko'"""
    needs: tuple[str, ...]
    """modules without which it cannot be loaded"""
    wants: tuple[str, ...]
    """modules that should be loaded before it where they exist"""
    aliases: tuple[str, ...]
    """patterns of the devices that it drives, and other names"""
    content: bytes


def choose(
    directory: Path, required: Iterable[str] = REQUIRED, optional: Iterable[str] = OPTIONAL
) -> dict[str, Module]:
    """The modules named, and all that they need, from an unpacked `lib/modules/<version>`.

    Unavailable if a required one is neither a module of this kernel nor built into it.
    """
    files = {_name(path.name): path for path in directory.rglob("*.ko*")}
    built_in = {_name(PurePosixPath(line).name) for line in (directory / "modules.builtin").read_text().split()}
    chosen: dict[str, Module] = {}
    waiting = [*((name, False) for name in optional), *((name, True) for name in required)]
    while waiting:
        name, is_required = waiting.pop()
        if name in chosen or name in built_in:
            continue
        if name in files:
            module = chosen[name] = _read(files[name], directory)
            waiting += [(wanted, False) for wanted in module.wants]
            waiting += [(needed, True) for needed in module.needs]
        elif is_required:
            raise Unavailable(f"this kernel has no module {name}")
    return chosen


def install(tree: Tree, modules: dict[str, Module], version: str) -> None:
    """Puts `modules` into `tree` with the index that modprobe reads."""
    root = f"usr/lib/modules/{version}"
    ordered = sorted(modules.values(), key=lambda module: module.path)
    for module in ordered:
        tree.file(f"{root}/{module.path}", module.content)
    depends = (f"{module.path}:{''.join(f' {path}' for path in _before(module, modules))}" for module in ordered)
    aliases = (f"alias {alias} {module.name}" for module in ordered for alias in module.aliases)
    tree.file(f"{root}/modules.dep", _lines(depends))
    tree.file(f"{root}/modules.alias", _lines(aliases))


def _before(module: Module, modules: dict[str, Module]) -> list[str]:
    """The paths of all that is loaded before `module`, the last one first, as modules.dep has it."""
    order: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in modules and name not in above | order.keys():
            for lower in (*modules[name].wants, *modules[name].needs):
                visit(lower, above | {name})
            order[name] = None

    visit(module.name, frozenset())
    return [modules[name].path for name in reversed(order) if name != module.name]


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _read(path: Path, directory: Path) -> Module:
    content = path.read_bytes()
    if path.suffix == ".xz":  # Debian 13 compresses modules; the archive is compressed as a whole, and better
        content = lzma.decompress(content)
        path = path.with_suffix("")
    entries = elf.section(content, ".modinfo").decode().split("\0")
    fields = [tuple(entry.split("=", 1)) for entry in entries if "=" in entry]
    before = [value.split("pre:")[1].split("post:")[0] for key, value in fields if key == "softdep" and "pre:" in value]
    return Module(
        _name(path.name),
        path.relative_to(directory).as_posix(),
        tuple(_name(name) for key, value in fields if key == "depends" for name in value.split(",") if name),
        tuple(_name(name) for names in before for name in names.split()),
        tuple(value for key, value in fields if key == "alias"),
        content,
    )


def _name(text: str) -> str:
    return text.partition(".ko")[0].replace("-", "_")
