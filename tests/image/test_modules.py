"""Kernel modules: what they say of themselves, which are chosen, and the index for modprobe."""

from __future__ import annotations

import contextlib
import lzma
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import Unavailable
from pxed.image import elf, modules
from pxed.image.initramfs import Tree


def elf_file(sections: dict[str, bytes], *, bits: int = 64, order: str = "<") -> bytes:
    """An ELF file with nothing but sections, as the System V ABI lays them out."""
    wide = bits == 64
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [*sections, ".shstrtab"])
    contents = [*sections.values(), names]
    header_size, entry = (64, "IIQQQQIIQQ") if wide else (52, "IIIIIIIIII")
    offset = header_size
    table = [struct.pack(order + entry, *[0] * 10)]
    for name, content in zip([*sections, ".shstrtab"], contents, strict=True):
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        table.append(struct.pack(order + entry, at, 1, 0, 0, offset, len(content), 0, 0, 1, 0))
        offset += len(content)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    size = struct.calcsize(order + entry)
    fields = (1, 62, 1, 0, 0, offset, 0, header_size, 0, 0, size, len(table), len(table) - 1)
    header = struct.pack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), *fields)
    return ident + header + b"".join(contents) + b"".join(table)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_section_is_found_in_every_kind_of_elf(bits: int, order: str) -> None:
    data = elf_file({".text": b"code", ".modinfo": b"depends=a"}, bits=bits, order=order)
    assert elf.section(data, ".modinfo") == b"depends=a"
    assert elf.section(data, ".interp") == b""


@given(st.binary(max_size=99) | st.integers(0, 300).map(lambda end: elf_file({".modinfo": b"x"})[:end]))
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(elf.section(data, ".modinfo"), bytes)


class Kernel:
    """An unpacked kernel package with modules as a test needs them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "kernel").mkdir()
        (directory / "modules.builtin").write_text("kernel/lib/built-in-one.ko\n")

    def add(self, name: str, *entries: str, compressed: bool = False) -> None:
        data = elf_file({".modinfo": b"\0".join(entry.encode() for entry in ("license=GPL", *entries)) + b"\0"})
        path = self.directory / "kernel" / f"{name}.ko"
        if compressed:
            path = path.with_suffix(".ko.xz")
            data = lzma.compress(data)
        path.write_bytes(data)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    kernel = Kernel(tmp_path)
    kernel.add("low")
    kernel.add("soft-one")
    kernel.add("middle", "depends=low,built-in-one", "softdep=pre: soft-one no-such post: later")
    kernel.add("top-one", "depends=middle,low", "alias=pci:v1*", "alias=net-pf-17", compressed=True)
    kernel.add("unrelated", "alias=pci:v2*")
    return kernel


def test_what_is_needed_comes_along_and_nothing_else(kernel: Kernel) -> None:
    chosen = modules.choose(kernel.directory, required=["top_one"], optional=["no_such", "built_in_one"])
    assert set(chosen) == {"top_one", "middle", "low", "soft_one"}
    assert chosen["top_one"].path == "kernel/top-one.ko"
    assert chosen["top_one"].content.startswith(b"\x7fELF")


def test_the_index_is_modprobe_s(kernel: Kernel) -> None:
    tree = Tree()
    modules.install(tree, modules.choose(kernel.directory, ["top_one"], []), "6.1")
    root = "usr/lib/modules/6.1"
    assert tree.nodes[f"{root}/modules.alias"].data == b"alias pci:v1* top_one\nalias net-pf-17 top_one\n"
    assert tree.nodes[f"{root}/modules.dep"].data.decode().splitlines() == [
        "kernel/low.ko:",
        "kernel/middle.ko: kernel/low.ko kernel/soft-one.ko",
        "kernel/soft-one.ko:",
        "kernel/top-one.ko: kernel/middle.ko kernel/low.ko kernel/soft-one.ko",
    ]


def test_modules_that_want_each_other_are_no_trap(kernel: Kernel) -> None:
    kernel.add("one", "softdep=pre: two")
    kernel.add("two", "softdep=pre: one")
    tree = Tree()
    modules.install(tree, modules.choose(kernel.directory, ["one"], []), "6.1")
    assert b"kernel/one.ko: kernel/two.ko\n" in tree.nodes["usr/lib/modules/6.1/modules.dep"].data


def test_a_kernel_without_a_needed_module_is_refused(kernel: Kernel) -> None:
    with pytest.raises(Unavailable, match="no module e1000e"):
        modules.choose(kernel.directory, ["low", "e1000e"], [])
    kernel.add("broken", "depends=gone")
    with pytest.raises(Unavailable, match="no module gone"):
        modules.choose(kernel.directory, [], ["broken"])
