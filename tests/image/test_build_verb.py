"""`pxed bootimage build`: what it writes, registers and says; the building itself is played."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pxed.cli import bootimage_build
from pxed.cli.main import run
from pxed.image.build import COMMAND_LINE, INITRD, KERNEL, Built, Progress
from pxed.site.boot_image import Cpu


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a state directory of its own, and a build that takes no time."""

    def build(cpu: Cpu, output: Path, cache: Path, progress: Progress) -> Built:
        progress("fetching packages", 0.2)
        progress("fetching packages", 0.4)
        progress("packing", 0.9)
        output.mkdir(exist_ok=True)
        (output / KERNEL).write_bytes(f"kernel for {cpu}".encode())
        (output / INITRD).write_bytes(str(cache).encode())
        return Built(output / KERNEL, output / INITRD, "6.1.0-9-amd64", ())

    monkeypatch.setattr(bootimage_build, "build_image", build)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "pxed.toml"
    path.write_text(f'[service]\nstate_dir = "{tmp_path / "state"}"\nuser = ""\n[[interface]]\nname = "lo"\n')
    return path


def test_what_is_built_is_registered(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", str(config), "bootimage", "build", "default"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["fetching packages", "packing"]
    assert said[-1].startswith("boot image default for amd64 is kept (kernel 6.1.0-9-amd64")
    assert run(["--config", str(config), "--json", "bootimage", "show", "default"]) == 0
    (variant,) = json.loads(capsys.readouterr().out)["variants"]
    assert (variant["cpu"], variant["command_line"]) == ("amd64", COMMAND_LINE)
    (initrd,) = (tmp_path / "state/images").rglob(INITRD)
    assert initrd.read_text() == str(tmp_path / "cache/pxed/packages")


def test_with_output_nothing_is_registered(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    assert run(["bootimage", "build", "default", "--output", str(output), "--json"]) == 0
    files = [str(output / KERNEL), str(output / INITRD)]
    assert json.loads(capsys.readouterr().out) == {"name": "default", "files": files}
    assert not (tmp_path / "state").exists()


def test_an_architecture_without_a_recipe_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", str(config), "bootimage", "build", "default", "--arch", "riscv64"]) == 2
    assert "amd64" in capsys.readouterr().err
