"""The command line as tests use it: whole, in this process, against a state directory of its own."""

from __future__ import annotations

import json
import shutil
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

CONFIGURATION = """\
[service]
state_dir = "{directory}/state"
run_dir = "{directory}/run"
[[interface]]
name = "lo"
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A configuration whose state directory does not exist yet."""
    file = tmp_path / "pxed.toml"
    file.write_text(CONFIGURATION.format(directory=tmp_path))
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


@pytest.fixture(scope="session")
def made_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory that `site` begins with, and beside it the files of which it was made."""
    directory = tmp_path_factory.mktemp("site")
    config = directory / "pxed.toml"
    config.write_text(CONFIGURATION.format(directory=directory))
    (directory / "vmlinuz").write_bytes(b"kernel")
    (directory / "initrd.img").write_bytes(b"initrd")
    (directory / "install.json").write_text('{"steps": [{"kind": "command", "name": "Say", "run": "echo hello"}]}')
    files = ("--kernel", f"{directory}/vmlinuz", "--initrd", f"{directory}/initrd.img")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PXED_CONFIG", str(config))
        patch.setenv("SUDO_USER", "jane")
        for words in (
            ("collection", "add", "Lab"),
            ("computer", "add", "ws-01", "--mac", "52:54:00:00:00:01", "--collection", "Lab"),
            ("computer", "add", "ws-02", "--mac", "52:54:00:00:00:02", "--collection", "Lab"),
            ("bootimage", "add", "rescue", "--arch", "amd64", *files, "--command-line", "quiet"),
            ("sequence", "add", "install", f"{directory}/install.json", "--boot-image", "rescue"),
        ):
            assert run(words) == 0
    config.unlink()
    return directory


@pytest.fixture
def site(pxed: Pxed, made_site: Path, tmp_path: Path) -> Pxed:
    """The same, on a site with two computers in a collection, a boot image and a task sequence."""
    shutil.copytree(made_site, tmp_path, dirs_exist_ok=True)
    return pxed
