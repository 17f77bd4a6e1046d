"""Programs of Debian packages, unpacked beside the system: of this release or of a newer one with its own libraries.

They come from the machine's own package sources, verified by apt with the keys that the machine trusts already. Nothing
is installed, no service starts, and packages that conflict lie side by side.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from bench.network import run
from pxed.lab.aptsources import read_sources
from pxed.lab.loaders import sources_for

CACHE = Path.home() / ".cache" / "pxed" / "bench"


class Package:
    """A package unpacked at `root`, with the libraries that it needs and the system may lack."""

    def __init__(self, root: Path, version: str, *, newer: bool) -> None:
        self._root = root
        self._newer = newer
        self.version = version
        """upstream's part of it"""

    def command(self, program: str) -> list[str]:
        """How `program`, a path as in the package, is run with its own libraries."""
        path = self._root / program
        libraries = ":".join(str(self._root / part) for part in _library_directories(self._root))
        if self._newer:  # the system's loader knows nothing of a newer C library
            loader = next(self._root.glob("usr/lib*/ld-linux-*.so.*"), None) or next(self._root.glob("lib*/ld-linux-*"))
            return [str(loader), "--library-path", libraries, str(path)]
        return ["env", f"LD_LIBRARY_PATH={libraries}", str(path)]


def unpack(package: str, cache: Path, *, suite: str = "") -> Package:
    """`package` of `suite`, or of this system's own release, downloaded once; RuntimeError with apt's words."""
    root = cache / (f"{package}-{suite}" if suite else package)
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as name:
            work = Path(name)
            _download(package, suite, work)
            shutil.move(work / "root", root)
    return Package(root, (root / "version").read_text(), newer=bool(suite))


def _download(package: str, suite: str, work: Path) -> None:
    options = [f"{key}={value}" for key, value in _options(suite, work).items()]
    set_options = [word for option in options for word in ("-o", option)]
    if suite:
        run(["apt-get", "-q", *set_options, "update", "--error-on=any"])
    depends = ["--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces"]
    closure = run(["apt-cache", *set_options, "depends", *depends, "--no-enhances", package]).splitlines()
    libraries = {line for line in closure if line.startswith("lib") and (suite or line.startswith("libwrap"))}
    debs = work / "deb"
    run(["env", f"--chdir={debs}", "apt-get", "-q", *set_options, "download", package, *sorted(libraries)])
    for path in debs.glob("*.deb"):
        run(["dpkg-deb", "--extract", str(path), str(work / "root")])
        if path.name.startswith(f"{package}_"):
            version = run(["dpkg-deb", "--field", str(path), "Version"]).strip()
    (work / "root" / "version").write_text(version.partition(":")[2].partition("-")[0] or version.partition("-")[0])


def _options(suite: str, work: Path) -> dict[str, object]:
    """apt's options; for another suite it works with lists and a cache of its own."""
    for part in ("lists/partial", "cache/archives/partial", "deb", "root"):
        (work / part).mkdir(parents=True)
    common: dict[str, object] = {"APT::Sandbox::User": "root", "Acquire::Retries": 2, "Acquire::http::Timeout": 20}
    if not suite:
        return common
    (work / "bench.sources").write_text(sources_for(suite, _release(), read_sources()))
    return common | {
        "Dir::Etc::sourcelist": work / "bench.sources",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::Etc::preferencesparts": "-",
        "Dir::State::lists": work / "lists",
        "Dir::State::status": os.devnull,
        "Dir::Cache": work / "cache",
        "APT::Default-Release": "",
        "Acquire::Languages": "none",
    }


def _release() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line).get("VERSION_CODENAME", "").strip('"')


def _library_directories(root: Path) -> list[Path]:
    return sorted({path.parent.relative_to(root) for path in root.glob("**/lib*.so*")})
