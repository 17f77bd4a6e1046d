"""Package sources in both formats of sources.list(5)."""

from pathlib import Path

import pytest

from pxed.errors import PxedError
from pxed.lab.aptsources import Source, parse_lines, parse_stanzas, read_sources
from pxed.lab.loaders import sources_for

LINES = """\
# deb http://commented.test bookworm main
deb http://a.test/debian bookworm main contrib  # the mirror
deb-src http://a.test/debian bookworm main
deb [arch=amd64 signed-by=/keys/a.gpg] http://b.test/debian bookworm-updates main
deb http://flat.test/ ./
"""

STANZAS = """\
# a comment
Types: deb deb-src
URIs: http://a.test/debian
  http://b.test/debian
# within a stanza
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
Enabled: no
URIs: http://off.test
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.test
Suites: bookworm
Components: main
"""


def test_lines() -> None:
    assert list(parse_lines(LINES)) == [
        Source(("http://a.test/debian",), ("bookworm",), ("main", "contrib")),
        Source(("http://b.test/debian",), ("bookworm-updates",), ("main",), (("Signed-By", "/keys/a.gpg"),)),
    ]


def test_stanzas() -> None:
    (source,) = parse_stanzas(STANZAS)

    assert source.uris == ("http://a.test/debian", "http://b.test/debian")
    assert source.suites == ("bookworm", "bookworm-updates")
    assert source.options == (("Signed-By", "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc"),)


def test_a_stanza_for_another_release_reads_as_one(tmp_path: Path) -> None:
    (source,) = parse_stanzas(STANZAS)

    (changed,) = parse_stanzas(source.for_suite("trixie"))

    assert changed == Source(source.uris, ("trixie",), source.components, source.options)


def test_files_are_read_by_their_endings(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://one.test bookworm main\n")
    (parts / "b.list").write_text("deb http://two.test bookworm main\n")
    (parts / "c.sources").write_text("Types: deb\nURIs: http://three.test\nSuites: bookworm\nComponents: main\n")
    (parts / "d.list.save").write_text("deb http://four.test bookworm main\n")

    assert [source.uris[0] for source in read_sources(tmp_path)] == [
        "http://one.test",
        "http://two.test",
        "http://three.test",
    ]


def test_a_machine_without_sources_has_none(tmp_path: Path) -> None:
    assert read_sources(tmp_path) == []


def test_only_the_release_itself_is_replaced() -> None:
    sources = [
        Source(("http://debian.test",), ("bookworm", "bookworm-updates"), ("main",)),
        Source(("http://security.test",), ("bookworm-security",), ("main",)),
        Source(("http://vendor.test",), ("stable",), ("main",)),
        Source(("http://extra.test",), ("bookworm",), ("contrib",)),
    ]

    (source,) = parse_stanzas(sources_for("trixie", "bookworm", sources))

    assert (source.uris, source.suites) == (("http://debian.test",), ("trixie",))


def test_without_a_source_of_the_release_the_error_says_so() -> None:
    with pytest.raises(PxedError, match="no package source of this machine has the suite bookworm"):
        sources_for("trixie", "bookworm", [])
