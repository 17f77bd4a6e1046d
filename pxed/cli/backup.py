"""`pxed backup`: the site in one file."""

from __future__ import annotations

from pathlib import Path

import click

from pxed.cli.session import Session


@click.command
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def command(session: Session, file: Path) -> None:
    """Copy the site into FILE, as it is now; the service may be running.

    FILE must not exist. In it are computers, collections, advertisements, PXE records, hashes of passwords and the
    history; not in it are key, certificate and the files of boot images. docs/upkeep.md says how to put it back.

    \b
    Example:
      pxed backup /var/backups/pxed-2026-12-24.db
    """
    from pxed.site.backup import back_up

    size = back_up(session.database, file)
    session.report({"file": file, "size": size}, f"the site is in {file}, {size / 2**20:.1f} MiB")
