"""A host with systemd as its first process, and pxed on it by `make install`: a container over this machine's root.

What the container changes stays in memory and goes with it. Its eth0 (192.0.2.1/24) is joined by a cable to eth0 of a
network namespace, where its clients live (`Network.client`).
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from tests.service.namespaces import Network, until

PROJECT = Path(__file__).parents[2]
_INSTALLED = "Makefile", "pyproject.toml", "README.md", "LICENSE", "pxed", "systemd", "config"
"""what `make install` needs of the project"""
_INSTALLATION = 300.0
"""seconds that it may take, with all that pip fetches"""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOURCE = "/usr/local/src/pxed"
"""the clone on it"""
_BOOT = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" overlay "$1/root"
mkdir -p "$1/root$2"
cp -r "$1.source/." "$1/root$2"
mount -t proc proc "$1/root/proc"
mount --bind /dev "$1/root/dev"
chroot "$1/root" make -C "$2" install
umount "$1/root/proc" "$1/root/dev"
rm -f "$1/root/etc/machine-id"
exec systemd-nspawn --quiet "--directory=$1/root" "--machine=$3" "--network-namespace-path=/run/netns/$3" \
    --register=no --keep-unit --console=pipe --boot systemd.unit=basic.target
"""


class Host:
    """Runs from `with` to its end; commands in it are those of its administrator, who is root."""

    def __init__(self) -> None:
        self.network = Network()
        self._root = tempfile.mkdtemp(prefix="pxed-host-", dir="/var/tmp")
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Host:
        self.network.__enter__()
        source = Path(f"{self._root}.source")
        for name in _INSTALLED:
            copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
            source.mkdir(exist_ok=True)
            copy(PROJECT / name, source / name)
        words = [self._root, SOURCE, self.network.point]
        command = ["unshare", "--mount", "sh", "-c", _BOOT, "sh", *words]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            until(self._is_up, lambda: f"no systemd came up:\n{self._log.read_text()}", _INSTALLATION)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)  # the container is switched off
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.network.__exit__(None, None, None)
        shutil.rmtree(f"{self._root}.source")
        Path(self._root).rmdir()
        self._log.unlink()

    def try_to(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in it, whatever comes of it."""
        inside = ["nsenter", f"--target={self._first_process()}", "--all"]
        return subprocess.run([*inside, *command], capture_output=True, text=True, check=False, env={"PATH": _PATH})

    def run(self, *command: str) -> str:
        """Runs a command in it that must succeed; its standard output."""
        done = self.try_to(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.journal()}"
        return done.stdout

    def write(self, path: str, content: bytes) -> None:
        """A file in it."""
        Path(f"/proc/{self._first_process()}/root{path}").write_bytes(content)

    def unit(self, name: str) -> str:
        """One of the unit's, as `systemctl show` has it."""
        return self.run("systemctl", "show", "--property", name, "--value", "pxed").strip()

    def journal(self) -> str:
        """What the unit has logged."""
        return self.try_to("journalctl", "--no-pager", "--unit", "pxed").stdout

    @property
    def _log(self) -> Path:
        return Path(f"{self._root}.log")

    def _first_process(self) -> int:
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return next((int(child) for child in children if Path(f"/proc/{child}/comm").read_text() == "systemd\n"), 0)

    def _is_up(self) -> bool:
        assert self._process.poll() is None, f"no container:\n{self._log.read_text()}"
        return bool(self._first_process()) and self.try_to("systemctl", "is-active", "basic.target").returncode == 0
