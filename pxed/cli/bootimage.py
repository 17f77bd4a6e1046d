"""`pxed bootimage`: what computers run after the boot loader."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.lazy import LazyVerb, VerbGroup
from pxed.cli.names import find_boot_image
from pxed.cli.output import print_fields, print_rows
from pxed.cli.session import Session
from pxed.errors import PxedError
from pxed.site.boot_image import Cpu

if TYPE_CHECKING:
    from pxed.site.boot_image import BootImage
    from pxed.site.store import Tx

_COLUMNS = {"name": "Name", "architectures": "Architectures", "size": "Bytes", "created_at": "Made"}
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(cls=VerbGroup)
def command() -> None:
    """Build, add, list, verify and remove boot images.

    \b
    Example:
      pxed bootimage build debian --arch amd64
    """


command.add_command(
    LazyVerb("build", "pxed.cli.bootimage_build:build", "Build one from this system's package sources.")
)


@command.command
@click.argument("name")
@click.option("--arch", type=click.Choice([cpu.value for cpu in Cpu]), required=True, help="Processor that it is for.")
@click.option("--kernel", type=_FILE, required=True, help="A Linux kernel.")
@click.option("--initrd", "initrds", type=_FILE, multiple=True, help="Initial RAM disk; may be repeated, in order.")
@click.option("--command-line", default="", help="Kernel parameters; those of pxed are added at boot.")
@click.pass_obj
def add(session: Session, name: str, arch: str, kernel: Path, initrds: tuple[Path, ...], command_line: str) -> None:
    """Register files of your own for one architecture of a boot image.

    The files are copied into the state directory, and their checksums kept.

    \b
    Example:
      pxed bootimage add rescue --arch amd64 --kernel vmlinuz --initrd initrd.img --command-line quiet
    """
    from pxed.image.library import add_variant

    image = add_variant(session.writing, session.images_dir, name, Cpu(arch), kernel, initrds, command_line)
    with session.writing() as tx:
        _sweep(session, tx)
    session.report(_fields(image), f"boot image {name} is kept, for {', '.join(_fields(image)['architectures'])}")


@command.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List boot images by name.

    \b
    Example:
      pxed bootimage list --json
    """
    with session.reading() as tx:
        rows = [_fields(image) for image in tx.boot_images()]
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty="no boot images")


@command.command
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show a boot image with its files.

    \b
    Example:
      pxed bootimage show rescue
    """
    with session.reading() as tx:
        image = find_boot_image(tx, name)
        sequences = [each.name for each in tx.sequences() if each.boot_image == name]
    fields = _fields(image) | {"task_sequences": sequences}
    if not session.as_json:
        for variant in fields.pop("variants"):
            files = [variant["kernel"], *variant["initrds"]]
            fields[variant["cpu"]] = [
                {"": each["name"], "bytes": each["size"], "sha256": each["sha256"]} for each in files
            ]
            fields[f"{variant['cpu']} command line"] = variant["command_line"]
    print_fields(fields, as_json=session.as_json)


@command.command
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.pass_obj
def verify(session: Session, names: tuple[str, ...]) -> None:
    """Compare the files of boot images with their checksums.

    Without a name, of all boot images.

    \b
    Example:
      pxed bootimage verify rescue
    """
    from pxed.image.library import verify as faults_of

    with session.reading() as tx:
        images = [find_boot_image(tx, name) for name in names] if names else list(tx.boot_images())
    rows = [
        {"boot_image": image.name, "fault": fault}
        for image in images
        for fault in faults_of(image, session.config.images_dir)
    ]
    columns = {"boot_image": "Boot image", "fault": "Fault"}
    print_rows(rows, columns, as_json=session.as_json, empty="all files are as they were added")
    if rows:
        raise PxedError(f"{len({row['boot_image'] for row in rows})} of {len(images)} boot images have faults")


@command.command
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Remove a boot image that no task sequence uses.

    Computers that are loading it may finish: its files go with the next change of a boot image after that.

    \b
    Example:
      pxed bootimage remove rescue
    """
    with session.writing() as tx:
        image = tx.remove_boot_image(name)
        _sweep(session, tx)
    session.report(_fields(image), f"boot image {name} is removed")


def _sweep(session: Session, tx: Tx) -> None:
    """Removes the files of old revisions that no grant can name any more."""
    from pxed.image.library import prune

    now = datetime.now(UTC)
    prune(tx, session.config.images_dir, before=now - timedelta(minutes=session.config.tokens.grant_minutes), now=now)


def _fields(image: BootImage) -> dict[str, Any]:
    return asdict(image) | {
        "architectures": [variant.cpu for variant in image.variants],
        "size": sum(file.size for variant in image.variants for file in variant.files),
    }
