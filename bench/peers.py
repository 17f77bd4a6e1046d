"""The TFTP servers that are compared: pxed itself, and its peers from Debian and PyPI."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.network import INTERFACE, LOAD_CPU, SERVER_CPU, run
from bench.packages import Package, unpack
from bench.result import SUBJECT
from pxed import __version__

_NEWER_SUITES = ("sid", "forky", "trixie")
"""Debian's releases after this one, the newest first"""
_FROM_PYPI = ("fbtftp", "py3tftp", "tftpy")
_PROGRAMS = Path(__file__).parent / "pypi"

Command = Callable[[Path], list[str]]
"""from the directory that is served to the command line"""


@dataclass(frozen=True, slots=True)
class Server:
    """A TFTP server: `command` stays in the foreground and serves a directory on port 69."""

    name: str
    """with its version"""
    command: Command
    fast: bool = True
    """near enough to the best to be measured more than once"""
    cpus: str = str(SERVER_CPU)
    """the processors that it runs on, as taskset(1) takes them"""


@dataclass(frozen=True, slots=True)
class Field:
    """All servers that could be had, and for those that could not, why."""

    peers: list[Server]
    notes: list[str]


def pxed(directory: Path, *, workers: int = 1) -> Server:
    """The service point with a real configuration; its files lie in the directory that is served."""

    def command(root: Path) -> list[str]:
        config = directory / "pxed.toml"
        config.write_text(
            f"""\
[service]
state_dir = "{directory / "state"}"
run_dir = "{directory / "run"}"

[[interface]]
name = "{INTERFACE}"

[tftp]
public_dir = "{root}"
workers = {workers}
"""
        )
        return [sys.executable, "-m", "pxed", "serve", "--config", str(config)]

    if workers == 1:
        return Server(SUBJECT, command)
    return Server(f"{SUBJECT}, {workers} workers", command, cpus=f"{SERVER_CPU},{LOAD_CPU}")


@cache
def find_peers(directory: Path) -> Field:
    """Looks for every peer, and downloads what is missing into `directory`; once in a process."""
    field = Field([], [])
    ways: tuple[tuple[str, Callable[[], Server]], ...] = (
        ("dnsmasq of this release", lambda: _dnsmasq(unpack("dnsmasq-base", directory))),
        ("the newest dnsmasq", lambda: _newest_dnsmasq(directory)),
        ("atftpd", lambda: _atftpd(unpack("atftpd", directory))),
        ("tftpd-hpa", lambda: _tftpd_hpa(unpack("tftpd-hpa", directory))),
    )
    for name, find in ways:
        try:
            field.peers.append(find())
        except (RuntimeError, OSError) as error:
            field.notes.append(f"{name} is missing: {str(error).splitlines()[0]}")
    try:
        field.peers.extend(_from_pypi(directory / "venv"))
    except RuntimeError as error:
        field.notes.append(f"the servers of PyPI are missing: {str(error).splitlines()[0]}")
    return field


def versions(field: Field) -> str:
    """One line that names them all."""
    return ", ".join([f"{SUBJECT} {__version__}", *(peer.name for peer in field.peers)])


def _newest_dnsmasq(directory: Path) -> Server:
    reason = "no newer release"
    for suite in _NEWER_SUITES:
        try:
            package = unpack("dnsmasq-base", directory, suite=suite)
            run([*package.command("usr/sbin/dnsmasq"), "--version"])
            return _dnsmasq(package)
        except RuntimeError as error:
            reason = str(error)
    raise RuntimeError(reason)


def _dnsmasq(package: Package) -> Server:
    def command(root: Path) -> list[str]:
        options = ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="]
        listen = [f"--interface={INTERFACE}", "--bind-interfaces", "--enable-tftp", f"--tftp-root={root}"]
        return [*package.command("usr/sbin/dnsmasq"), *options, *listen, "--tftp-max=2000"]

    return Server(f"dnsmasq {package.version}", command)


def _atftpd(package: Package) -> Server:
    def command(root: Path) -> list[str]:
        options = ["--daemon", "--no-fork", "--user", "root", "--group", "root", "--maxthread", "2000"]
        return [*package.command("usr/sbin/atftpd"), *options, str(root)]

    return Server(f"atftpd {package.version}", command)


def _tftpd_hpa(package: Package) -> Server:
    def command(root: Path) -> list[str]:
        options = ["--foreground", "--user", "root", "--address", ":69", "--secure"]
        return [*package.command("usr/sbin/in.tftpd"), *options, str(root)]

    return Server(f"tftpd-hpa {package.version.partition('+')[0]}", command, fast=False)


def _from_pypi(venv: Path) -> list[Server]:
    python = str(venv / "bin" / "python")
    if not Path(python).exists():
        run([sys.executable, "-m", "venv", str(venv)])
    ask = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    asking = [python, "-c", ask, *_FROM_PYPI]
    if subprocess.run(asking, capture_output=True, check=False).returncode:
        run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *_FROM_PYPI])
    found = run(asking).split()

    def script(name: str) -> Command:
        return lambda root: [python, str(_PROGRAMS / f"serve_{name}.py"), str(root)]

    return [
        Server(f"{name} {version}", script(name), fast=False) for name, version in zip(_FROM_PYPI, found, strict=True)
    ]
