"""Debian packages from the machine's own sources: found with apt-cache, fetched and checked by apt-get, unpacked.

No index of our own and no address: what the administrator has configured for apt (mirror, proxy, keys) is what counts.
Needs no root.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pxed.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Package:
    """A package in the version that apt would install."""

    name: str
    version: str
    architecture: str
    size: int
    """bytes of the .deb file"""
    sha256: str
    depends: tuple[str, ...]
    """names of the packages that it needs, the first where there is a choice"""

    def dependency(self, pattern: str) -> str:
        """The package behind a meta package: the dependency whose name matches `pattern`; Unavailable if none does."""
        for name in self.depends:
            if re.fullmatch(pattern, name):
                return name
        raise Unavailable(f"package {self.name} depends on nothing like {pattern}")

    @property
    def file_name(self) -> str:
        """The name that apt-get gives the file: the colon of a version is escaped."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


def find(names: Iterable[str], architecture: str) -> dict[str, Package]:
    """The candidates for the packages `names`, by name; Unavailable if apt knows one of them not."""
    wanted = list(dict.fromkeys(names))
    text = _output(["apt-cache", "show", "--no-all-versions", *(f"{name}:{architecture}" for name in wanted)])
    stanzas = [dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE)) for stanza in text.split("\n\n")]
    # A package that is installed from elsewhere has no checksum: there is nothing to download it from.
    found = {fields["Package"]: _to_package(fields) for fields in stanzas if "SHA256" in fields}
    for name in wanted:
        if name not in found:
            raise Unavailable(
                f"apt knows no package {name} for {architecture}: run 'apt-get update', and see that the sources of"
                " apt name a Debian mirror"
            )
    return found


def _to_package(fields: dict[str, str]) -> Package:
    return Package(
        fields["Package"],
        fields["Version"],
        fields["Architecture"],
        int(fields["Size"]),
        fields["SHA256"],
        _names(fields.get("Pre-Depends", "")) + _names(fields.get("Depends", "")),
    )


def download(packages: Sequence[Package], directory: Path, progress: Callable[[float], None]) -> list[Path]:
    """The .deb files of `packages` in `directory`, fetched unless they are there already.

    `progress` is told the part done, 0 to 1. Unavailable with apt's own words if they cannot be had.
    """
    directory.mkdir(parents=True, exist_ok=True)
    missing = [package for package in packages if not _is_whole(package, directory / package.file_name)]
    if missing:
        _fetch(missing, directory, progress)
    for package in missing:
        if not _is_whole(package, directory / package.file_name):
            raise Unavailable(f"apt-get download left no good {package.file_name} in {directory}")
    progress(1.0)
    return [directory / package.file_name for package in packages]


def unpack(archive: Path, directory: Path) -> Path:
    """The files of a .deb in `directory`, which it gives back."""
    _output(["dpkg-deb", "--extract", os.fspath(archive), os.fspath(directory)])
    return directory


def _names(dependencies: str) -> tuple[str, ...]:
    first = (re.match(r"\s*([a-z0-9][a-z0-9+.-]+)", item) for item in dependencies.split(","))
    return tuple(match[1] for match in first if match)


def _is_whole(package: Package, path: Path) -> bool:
    if not path.is_file() or path.stat().st_size != package.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == package.sha256


def _fetch(packages: Sequence[Package], directory: Path, progress: Callable[[float], None]) -> None:
    names = [f"{package.name}:{package.architecture}={package.version}" for package in packages]
    # The status lines of apt (README.progress-reporting in its documentation): "dlstatus:3:42.5:Retrieving file ...".
    options = ["-q", "-o", "APT::Status-Fd=1"]
    # Root would hand the download to user _apt, who cannot write into a directory of ours.
    options += ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    said = []
    with subprocess.Popen(
        ["apt-get", "download", *options, *names],
        cwd=directory,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            if status := re.match(r"dlstatus:\d+:([\d.]+):", line):
                progress(float(status[1]) / 100)
            elif line.startswith(("E:", "W:", "Err:")):
                said.append(line.strip())
    if process.returncode != 0:
        raise Unavailable(
            f"apt-get download failed: {'; '.join(said[-3:]) or 'no reason given'}; if the package lists are old,"
            " 'apt-get update' helps"
        )


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
        )
    except FileNotFoundError:
        raise Unavailable(f"{command[0]} is needed: boot images are built on Debian and its kin") from None
    if done.returncode != 0 and command[0] != "apt-cache":
        raise Unavailable(f"{' '.join(command[:2])} failed: {done.stderr.strip()}")
    return done.stdout
