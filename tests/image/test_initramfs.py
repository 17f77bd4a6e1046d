"""The archive, read back by cpio, and the file tree behind it."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.image.initramfs import Tree, compress, pack


def sample() -> Tree:
    tree = Tree()
    tree.file("usr/bin/sh", b"#!/bin/true\n", executable=True)
    tree.file("usr/bin.list", b"sh\n")  # sorts between usr/bin and usr/bin/sh as text, and must not come between them
    tree.symlink("bin", "usr/bin")
    tree.character_device("dev/console", 5, 1)
    tree.directory("proc")
    tree.file("empty", b"")
    return tree


def test_cpio_reads_what_was_packed(tmp_path: Path) -> None:
    subprocess.run(
        ["cpio", "--extract", "--quiet", "--no-absolute-filenames", "--nonmatching", "dev/*"],
        input=b"".join(pack(sample())),
        cwd=tmp_path,
        check=True,
    )
    assert (tmp_path / "bin/sh").read_bytes() == b"#!/bin/true\n"
    assert (tmp_path / "empty").read_bytes() == b""
    assert os.access(tmp_path / "usr/bin/sh", os.X_OK)
    assert not os.access(tmp_path / "usr/bin.list", os.X_OK)
    assert (tmp_path / "proc").is_dir()


def test_every_directory_comes_before_what_is_in_it_and_nodes_are_listed() -> None:
    listing = subprocess.run(
        ["cpio", "--list", "--verbose", "--numeric-uid-gid", "--quiet"],
        input=b"".join(pack(sample())),
        env={"TZ": "UTC", "PATH": os.environ["PATH"], "LC_ALL": "C"},
        capture_output=True,
        check=True,
    ).stdout.decode()
    names = [line.split(" 1970 ")[1].split(" -> ")[0] for line in listing.splitlines()]
    assert names == ["bin", "dev", "dev/console", "empty", "proc", "usr", "usr/bin", "usr/bin/sh", "usr/bin.list"]
    assert "crw-------   1 0        0          5,   1 Jan  1  1970 dev/console" in listing


def test_the_order_of_making_leaves_no_trace() -> None:
    first, second = sample(), Tree()
    second.nodes = dict(reversed(first.nodes.items()))
    assert compress(first) == compress(second)
    assert gzip.decompress(compress(first)) == b"".join(pack(first))


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5}){0,3}", fullmatch=True), st.binary(max_size=9)))
def test_an_archive_is_made_of_whole_blocks(files: dict[str, bytes]) -> None:
    tree = Tree()
    for path, data in files.items():
        try:
            tree.file(path, data)
        except ValueError:
            continue  # a file where another has its directory
    archive = b"".join(pack(tree))
    assert len(archive) % 512 == 0
    assert archive.count(b"070701") >= len(tree.nodes) + 1


@pytest.mark.parametrize("path", ["/etc/passwd", "../etc", "usr/../../etc"])
def test_a_path_out_of_the_tree_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path within the tree"):
        Tree().directory(path)


def test_one_path_is_one_thing() -> None:
    tree = sample()
    tree.file("empty", b"")  # the same again is no fault: two programs need the same library
    with pytest.raises(ValueError, match="already"):
        tree.file("empty", b"full")
    with pytest.raises(ValueError, match="no directory"):
        tree.file("bin/ls", b"")
    assert stat.S_ISREG(tree.nodes["empty"].mode)
