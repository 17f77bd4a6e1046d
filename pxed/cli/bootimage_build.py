"""`pxed bootimage build`: the default boot image from Debian's packages."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from pxed.cli.output import say
from pxed.cli.session import Session
from pxed.image import library
from pxed.image.build import COMMAND_LINE, KERNELS, Progress
from pxed.image.build import build as build_image
from pxed.site.boot_image import Cpu


@click.command
@click.argument("name")
@click.option("--arch", type=click.Choice([cpu.value for cpu in KERNELS]), default=Cpu.AMD64.value, show_default=True)
@click.option("--command-line", default=COMMAND_LINE, show_default=True, help="What the kernel is told.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where packages are kept. [default: ~/.cache/pxed/packages]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Only write the files into this directory; register nothing.",
)
@click.pass_obj
def build(session: Session, name: str, arch: str, command_line: str, cache: Path | None, output: Path | None) -> None:
    """Build boot image NAME: Debian's kernel, drivers, busybox, Python and the agent.

    The packages come from this machine's own package sources. The same packages give the same image, byte for byte. An
    image of that name is replaced; computers that are loading the old one may finish.

    \b
    Example:
      pxed bootimage build default --arch amd64
    """
    cpu = Cpu(arch)
    images_dir = None if output else session.images_dir
    with tempfile.TemporaryDirectory(prefix="pxed-") as scratch:
        with _progress() as progress:
            built = build_image(cpu, output or Path(scratch), cache or _default_cache(), progress)
        sizes = f"kernel {built.kernel_version}, {_mib(built.kernel)} + {_mib(built.initrd)}"
        if images_dir is None:
            files = [str(built.kernel), str(built.initrd)]
            session.report({"name": name, "files": files}, f"{' and '.join(files)} are written ({sizes})")
            return
        image = library.add_variant(session.writing, images_dir, name, cpu, built.kernel, [built.initrd], command_line)
    session.report(asdict(image), f"boot image {name} for {cpu} is kept ({sizes})")


def _mib(path: Path) -> str:
    return f"{path.stat().st_size / (1 << 20):.1f} MiB"


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pxed" / "packages"


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, otherwise a line for each thing that is begun."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<40}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("", total=1.0)
        yield lambda what, part: bars.update(bar, description=what, completed=part)


def _lines() -> Progress:
    last = ""

    def show(what: str, _part: float) -> None:
        nonlocal last
        if what != last:
            say(what)
        last = what

    return show
