"""Which boot loader each kind of firmware gets, and where its file is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pxed import boot
from pxed.config import Config

AUTOEXEC = Path(boot.__file__).with_name("autoexec.ipxe")
"""what EFI builds of iPXE look for beside their own file; one in the public directory takes its place"""


@dataclass(frozen=True, slots=True)
class Loaders:
    """The boot loaders that this service point has."""

    names: Mapping[str, str]
    """file name by key of `[loaders]` (`bios`, `uefi-amd64`, ...), for those that were found"""
    files: Mapping[str, Path]
    """where those files are that are not in the public directory, by file name, and the script that goes with iPXE"""
    missing: Mapping[str, tuple[str, ...]]
    """the names that were looked for in vain, by key"""


def find_loaders(config: Config) -> Loaders:
    """Looks for the files that `[loaders]` names, in the public directory and then in `tftp.loader_dirs`."""
    names: dict[str, str] = {}
    files = {AUTOEXEC.name: AUTOEXEC}
    missing: dict[str, tuple[str, ...]] = {}
    for key, wanted in config.loaders.items():
        for name in wanted:
            path = _find(config, name)
            if path is None:
                continue
            names.setdefault(key, name)
            if path.parent != config.public_dir:
                files[name] = path
        if key not in names:
            missing[key] = wanted
    return Loaders(names, files, missing)


def _find(config: Config, name: str) -> Path | None:
    places = (config.public_dir, *config.tftp.loader_dirs)
    return next((path for place in places if (path := place / name).is_file()), None)
