"""Better boot loaders for the lab: the iPXE of the next Debian release, when this system's is old.

Debian 12 ships an iPXE of 2019. The package holds data only, so the newer release's files serve on the older system.
They come from the machine's own package sources and are verified by apt with the keys that the machine trusts already;
nothing is installed, and apt's own lists and cache are left alone.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pxed.errors import PxedError, Unavailable
from pxed.lab.aptsources import Source, read_sources

SYSTEM = Path("/usr/lib/ipxe")
_NEWER = {"bookworm": "trixie"}
"""releases with an old iPXE, and the next one"""
_PACKAGE = "ipxe"


@dataclass(frozen=True, slots=True)
class Loaders:
    """A directory with iPXE's files, and a sentence that says whose they are."""

    directory: Path
    origin: str


def find_loaders(cache: Path) -> Loaders:
    """The newest loaders that are to be had, downloaded into `cache` once; the system's own if that fails."""
    release = _codename(Path("/etc/os-release").read_text())
    newer = _NEWER.get(release)
    if newer is None:
        return Loaders(SYSTEM, f"iPXE of this system ({release or 'no Debian release'})")
    directory = cache / f"{_PACKAGE}-{newer}"
    try:
        if not directory.is_dir():
            _download(newer, sources_for(newer, release, read_sources()), directory)
    except (PxedError, OSError) as error:
        reason = str(error).splitlines()[0]
        return Loaders(SYSTEM, f"iPXE of this system; that of {newer} could not be had: {reason}")
    return Loaders(directory, f"iPXE of Debian {newer}, from this machine's package sources")


def sources_for(suite: str, release: str, sources: list[Source]) -> str:
    """A `.sources` file that asks for `suite` where `sources` have `release` itself; PxedError if none has."""
    stanzas = [
        source.for_suite(suite) for source in sources if release in source.suites and "main" in source.components
    ]
    if not stanzas:
        raise PxedError(f"no package source of this machine has the suite {release} with the component main")
    return "\n".join(stanzas)


def _codename(os_release: str) -> str:
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return fields.get("VERSION_CODENAME", "").strip('"')


def _download(suite: str, sources: str, directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as name:
        work = Path(name)
        for part in ("lists/partial", "cache/archives/partial", "deb", "root"):
            (work / part).mkdir(parents=True)
        (work / "lab.sources").write_text(sources)
        options = {
            "Dir::Etc::sourcelist": work / "lab.sources",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "-",
            "Dir::Etc::preferencesparts": "-",
            "Dir::State::lists": work / "lists",
            "Dir::Cache": work / "cache",
            "APT::Default-Release": "",
            "APT::Sandbox::User": "root",  # its usual user may not read a directory of ours
            "Acquire::Retries": 2,
            "Acquire::http::Timeout": 20,
            "Acquire::Languages": "none",
        }
        apt = ["apt-get", "-q", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
        _run([*apt, "update", "--error-on=any"], work)
        _run([*apt, "download", _PACKAGE], work / "deb")
        package = next((work / "deb").glob("*.deb"))
        _run(["dpkg-deb", "--extract", str(package), str(work / "root")], work)
        if not directory.is_dir():
            shutil.move(work / "root" / SYSTEM.relative_to("/"), directory)


def _run(arguments: list[str], directory: Path) -> None:
    """Unavailable, with the program's own words, if it fails."""
    try:
        subprocess.run(arguments, cwd=directory, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Unavailable(f"the program {arguments[0]} is not here") from None
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{arguments[0]}: {error.stderr.strip() or error.stdout.strip()}") from None
