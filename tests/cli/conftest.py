"""The command line as tests use it: whole, in this process, against a state directory of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pxed.cli.main import run


@dataclass(frozen=True)
class Outcome:
    """What came of one command line."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, read as JSON."""
        return json.loads(self.out)


Pxed = Callable[..., Outcome]


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A configuration whose state directory does not exist yet."""
    file = tmp_path / "pxed.toml"
    file.write_text(
        f'[service]\nstate_dir = "{tmp_path}/state"\nrun_dir = "{tmp_path}/run"\n[[interface]]\nname = "lo"\n'
    )
    return file


@pytest.fixture
def pxed(config_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Pxed:
    """Runs `pxed ARGUMENTS...` with that configuration; the result must have exit status `code`."""
    monkeypatch.setenv("PXED_CONFIG", str(config_file))
    monkeypatch.setenv("SUDO_USER", "jane")

    def invoke(*arguments: str, code: int = 0) -> Outcome:
        capsys.readouterr()
        status = run(arguments)
        captured = capsys.readouterr()
        assert status == code, captured.err
        return Outcome(status, captured.out, captured.err)

    return invoke


@pytest.fixture
def site(pxed: Pxed, tmp_path: Path) -> Pxed:
    """The same, on a site with two computers in a collection, a boot image and a task sequence."""
    (tmp_path / "vmlinuz").write_bytes(b"kernel")
    (tmp_path / "initrd.img").write_bytes(b"initrd")
    (tmp_path / "install.json").write_text('{"steps": [{"kind": "command", "name": "Say", "run": "echo hello"}]}')
    pxed("collection", "add", "Lab")
    pxed("computer", "add", "ws-01", "--mac", "52:54:00:00:00:01", "--collection", "Lab")
    pxed("computer", "add", "ws-02", "--mac", "52:54:00:00:00:02", "--collection", "Lab")
    files = ("--kernel", f"{tmp_path}/vmlinuz", "--initrd", f"{tmp_path}/initrd.img")
    pxed("bootimage", "add", "rescue", "--arch", "amd64", *files, "--command-line", "quiet")
    pxed("sequence", "add", "install", f"{tmp_path}/install.json", "--boot-image", "rescue")
    return pxed
