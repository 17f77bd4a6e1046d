"""C of the benchmark is compiled when it has to be, and its errors are told."""

import os
from pathlib import Path

import pytest

from bench.compiled import compiled


def test_what_has_changed_is_compiled_again(tmp_path: Path) -> None:
    source, directory = tmp_path / "one.c", tmp_path / "build"
    source.write_text("int one(void) { return 1; }\n")
    assert compiled(source, directory).one() == 1
    library = directory / "one.so"
    first = library.stat()
    compiled(source, directory)
    assert library.stat().st_ino == first.st_ino
    os.utime(source, (first.st_mtime + 1, first.st_mtime + 1))
    compiled(source, directory)
    assert library.stat().st_ino != first.st_ino
    assert list(directory.iterdir()) == [library]


def test_the_compilers_words_are_told(tmp_path: Path) -> None:
    source = tmp_path / "broken.c"
    source.write_text("int one(void) { return none; }\n")
    with pytest.raises(RuntimeError, match="none"):
        compiled(source, tmp_path / "build")
    assert not (tmp_path / "build" / "broken.so").exists()
