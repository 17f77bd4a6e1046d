"""The default boot image: Debian's kernel, and an initramfs with busybox, drivers, Python and the agent.

What goes in is decided here and in `modules` and `runtime`; nothing of the machine that builds gets in, and the same
packages give the same bytes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pxed.errors import Unavailable, UsageError
from pxed.image import initramfs, modules, packages, runtime
from pxed.site.boot_image import Cpu

KERNEL = "vmlinuz"
INITRD = "initrd.img"
COMMAND_LINE = "console=tty0 console=ttyS0,115200 quiet panic=30"
"""messages on the screen and on the first serial port; a kernel that panics restarts instead of standing still"""

KERNELS = {Cpu.AMD64: "linux-image-amd64"}
"""the meta package of the kernel; not the one for clouds, which lacks e1000e and AHCI"""

_FILES = Path(__file__).parent / "files"
_AGENT = Path(__file__).parent.parent

Progress = Callable[[str, float], None]
"""told what is being done and how much of all is done, 0 to 1"""


@dataclass(frozen=True, slots=True)
class Built:
    """The files of a boot image that was built."""

    kernel: Path
    initrd: Path
    kernel_version: str
    packages: tuple[packages.Package, ...]


def build(cpu: Cpu, output: Path, cache: Path, progress: Progress = lambda _what, _part: None) -> Built:
    """Builds the image for `cpu` into directory `output`; packages are kept in `cache`. Needs no root.

    UsageError if there is no recipe for `cpu`; Unavailable if packages cannot be had or lack something.
    """
    if cpu not in KERNELS:
        raise UsageError(f"a boot image can be built for {', '.join(KERNELS)}; not for {cpu}")
    progress("looking up packages", 0.0)
    chosen = _choose(cpu)
    archives = packages.download(chosen, cache, lambda part: progress("fetching packages", 0.02 + 0.48 * part))
    # Beside the packages and not in /tmp, which may be small, or closed to programs.
    with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as name:
        work = Path(name)
        roots = []
        for number, (package, archive) in enumerate(zip(chosen, archives, strict=True)):
            progress(f"unpacking {package.name}", 0.5 + 0.2 * number / len(chosen))
            roots.append(packages.unpack(archive, work / package.name))
        tree = base_tree(_first(roots[1], "**/bin/busybox"))
        progress("choosing drivers", 0.7)
        version = chosen[0].name.removeprefix("linux-image-")
        modules.install(tree, modules.choose(_first(roots[0], f"**/modules/{version}/modules.builtin").parent), version)
        progress("compiling Python", 0.75)
        runtime.install(tree, roots[2:], _AGENT, work / "python")
        progress("packing", 0.9)
        output.mkdir(parents=True, exist_ok=True)
        (output / INITRD).write_bytes(initramfs.compress(tree))
        (output / KERNEL).write_bytes((roots[0] / f"boot/vmlinuz-{version}").read_bytes())
    progress("built", 1.0)
    return Built(output / KERNEL, output / INITRD, version, tuple(chosen))


def base_tree(busybox: Path) -> initramfs.Tree:
    """Directories, consoles, busybox and our two scripts."""
    tree = initramfs.Tree()
    for path in (
        "dev",
        "proc",
        "sys",
        "tmp",
        "run",
        "root",
        "mnt",
        "etc",
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "usr/lib64",
    ):
        tree.directory(path)
    for path in ("bin", "sbin", "lib", "lib64"):
        tree.symlink(path, f"usr/{path}")
    tree.character_device("dev/console", 5, 1)
    tree.character_device("dev/null", 1, 3)
    tree.file("usr/bin/busybox", busybox.read_bytes(), executable=True)
    tree.file("init", (_FILES / "init").read_bytes(), executable=True)
    tree.file("etc/udhcpc.script", (_FILES / "udhcpc.script").read_bytes(), executable=True)
    return tree


def _choose(cpu: Cpu) -> list[packages.Package]:
    """The packages of the image: kernel, busybox, Python with its libraries."""
    metas = packages.find([KERNELS[cpu], "python3-minimal", "busybox-static"], cpu)
    kernel = metas[KERNELS[cpu]].dependency(r"linux-image-\d.*")
    python = metas["python3-minimal"].dependency(r"python3\.\d+-minimal")
    standard_library = f"lib{python.removesuffix('-minimal')}-stdlib"
    real = packages.find([kernel, python, standard_library], cpu)
    libraries = packages.find(real[python].depends, cpu)
    return [real[kernel], metas["busybox-static"], real[python], real[standard_library], *libraries.values()]


def _first(root: Path, pattern: str) -> Path:
    found = next(root.glob(pattern), None)
    if found is None:
        raise Unavailable(f"no {pattern} in package {root.name}")
    return found
