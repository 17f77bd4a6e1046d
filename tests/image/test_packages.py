"""Packages from apt: programs of apt's names stand in for it, so that every answer can be had."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pxed.errors import Unavailable
from pxed.image import packages

DEB = b"a package"
SHOWN = f"""Package: linux-image-amd64
Version: 6.1.1-1
Architecture: amd64
Depends: linux-image-6.1.0-9-amd64 (= 6.1.1-1)
Size: 9
SHA256: {hashlib.sha256(DEB).hexdigest()}
Description: Linux
 Depends: this line is part of the description

Package: busybox-static
Version: 1:1.35.0-4
Architecture: amd64
Pre-Depends: libc6 (>= 2.35)
Depends: one | other, two:any (>> 1), libstdc++6
Size: 9
SHA256: {hashlib.sha256(DEB).hexdigest()}

Package: handmade
Version: 1
Architecture: amd64
Status: install ok installed
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory at the head of PATH, with an apt-cache that shows SHOWN."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "shown").write_text(SHOWN)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    program(tmp_path / "bin/apt-cache", f"cat {tmp_path / 'shown'}")
    return tmp_path / "bin"


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_candidate_is_read_as_apt_shows_it(apt: Path) -> None:
    found = packages.find(["linux-image-amd64", "busybox-static"], "amd64")
    busybox = found["busybox-static"]
    assert busybox.depends == ("libc6", "one", "two", "libstdc++6")
    assert busybox.file_name == "busybox-static_1%3a1.35.0-4_amd64.deb"
    assert found["linux-image-amd64"].dependency(r"linux-image-\d.*") == "linux-image-6.1.0-9-amd64"
    with pytest.raises(Unavailable, match="depends on nothing like linux-image"):
        busybox.dependency(r"linux-image-\d.*")


@pytest.mark.parametrize("name", ["no-such", "handmade"])
def test_a_package_that_apt_cannot_fetch_is_named_with_the_cure(apt: Path, name: str) -> None:
    with pytest.raises(Unavailable, match=f"no package {name} for amd64: run 'apt-get update'"):
        packages.find(["busybox-static", name], "amd64")


def test_without_lists_the_cure_is_the_same(apt: Path) -> None:
    program(apt / "apt-cache", "echo 'E: No packages found' >&2; exit 100")
    with pytest.raises(Unavailable, match="apt-get update"):
        packages.find(["busybox-static"], "amd64")


def test_without_apt_the_error_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="apt-cache is needed"):
        packages.find(["busybox-static"], "amd64")


def test_a_package_is_fetched_once_and_again_when_its_file_is_spoilt(apt: Path, tmp_path: Path) -> None:
    cache, calls = tmp_path / "cache", tmp_path / "calls"
    program(
        apt / "apt-get",
        f'echo "$*" >>{calls}; echo dlstatus:1:50.0:Retrieving file 1 of 1; '
        f"printf '{DEB.decode()}' >busybox-static_1%3a1.35.0-4_amd64.deb",
    )
    busybox = packages.find(["busybox-static"], "amd64")["busybox-static"]
    parts: list[float] = []
    (path,) = packages.download([busybox], cache, parts.append)
    assert (path.read_bytes(), parts) == (DEB, [0.5, 1.0])
    packages.download([busybox], cache, parts.append)
    path.write_bytes(b"A package")
    packages.download([busybox], cache, parts.append)
    assert path.read_bytes() == DEB
    assert [line.split()[-1] for line in calls.read_text().splitlines()] == ["busybox-static:amd64=1:1.35.0-4"] * 2


def test_a_failed_download_is_told_in_apt_s_words(apt: Path, tmp_path: Path) -> None:
    busybox = packages.find(["busybox-static"], "amd64")["busybox-static"]
    program(apt / "apt-get", "echo 'Err:1 mirror 404'; echo 'E: Failed to fetch busybox' >&2; exit 100")
    with pytest.raises(Unavailable, match=r"404; E: Failed to fetch busybox; .*apt-get update"):
        packages.download([busybox], tmp_path / "cache", lambda _part: None)
    program(apt / "apt-get", "printf short >busybox-static_1%3a1.35.0-4_amd64.deb")
    with pytest.raises(Unavailable, match="left no good busybox-static"):
        packages.download([busybox], tmp_path / "cache", lambda _part: None)


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(DEB)
    with pytest.raises(Unavailable, match="dpkg-deb --extract failed"):
        packages.unpack(tmp_path / "x.deb", tmp_path / "out")
