"""`pxed password`: set, unset, list; and where it makes itself felt."""

import io
import sqlite3
from pathlib import Path

import click
import pytest

from pxed.passwords.hashing import Argon2Cost, matches
from tests.cli.conftest import Pxed

SECRET = "correct horse & 50% + ünï"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pxed.passwords.hashing.best_cost", lambda: Argon2Cost(memory=8, passes=1))


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "password.txt"
    path.write_text(f"{SECRET}\n")
    return str(path)


def kept(tmp_path: Path) -> list[str]:
    """The hashes in the database."""
    connection = sqlite3.connect(tmp_path / "state" / "pxed.db")
    try:
        return [row[0] for row in connection.execute("SELECT hash FROM password")]
    finally:
        connection.close()


def test_set_list_and_unset(site: Pxed, file: str, tmp_path: Path) -> None:
    site("advertise", "install", "--to", "Lab", "--optional", "--name", "Rescue")
    assert "password for everything is set" in site("password", "set", "--file", file).err
    assert (
        "password of jane for collection Lab is set"
        in site("password", "set", "--collection", "Lab", "--person", "jane", "--file", file).err
    )
    assert "for advertisement Rescue (1) is set" in site("password", "set", "--advertisement", "1", "--file", file).err
    assert "is changed" in site("password", "set", "--site", "--file", file).err
    listed = site("password", "list", "--json")
    assert [(row["guards"], row["person"], row["changed_by"]) for row in listed.json] == [
        ("advertisement Rescue (1)", "", "jane"),
        ("collection Lab", "jane", "jane"),
        ("everything", "", "jane"),
    ]
    assert all(matches(SECRET, one) for one in kept(tmp_path))
    for text in (listed.out, site("password", "list").out, site("log", "--json").out):
        assert "argon2" not in text
        assert SECRET not in text
    assert site("password", "unset", "--collection", "Lab", "--person", "jane", "--json").json == {
        "guards": "collection Lab",
        "person": "jane",
    }
    assert len(kept(tmp_path)) == 2
    assert "there is no shared password for collection" in site("password", "unset", "--collection", "Lab", code=1).err


def test_the_first_thing_of_a_new_site_may_be_its_password(pxed: Pxed, file: str) -> None:
    pxed("password", "set", "--file", file)
    assert len(pxed("password", "list", "--json").json) == 1
    pxed("password", "unset")
    assert pxed("password", "list", "--json").json == []


def test_it_is_typed_twice(site: Pxed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prompt(text: str, **options: object) -> str:
        assert options["hide_input"]
        assert options["confirmation_prompt"]
        return SECRET

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "prompt", prompt)
    assert "only the keys of ASCII" in site("password", "set").err
    assert matches(SECRET, kept(tmp_path)[0])


def test_from_standard_input(site: Pxed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b" two words \r\n")))
    site("password", "set", "--file", "-")
    assert matches(" two words ", kept(tmp_path)[0])


@pytest.mark.parametrize(
    ("content", "options", "code", "why"),
    [
        (b"", (), 2, "must not be empty"),
        (b"a\nb\n", (), 2, "more than one line"),
        (b"\xff\n", (), 2, "not UTF-8"),
        (b"a\tb\n", (), 2, "U+0009"),
        (b"x" * 600, (), 2, "at most 512 bytes"),
        (b"x", ("--collection", "Nowhere"), 1, "there is no collection Nowhere"),
        (b"x", ("--advertisement", "9"), 1, "no advertisement has the name or id 9"),
        (b"x", ("--site", "--collection", "Lab"), 2, "say one of"),
        (b"x", ("--person", "a\x1bb"), 2, "control character"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_done(
    site: Pxed, tmp_path: Path, content: bytes, options: tuple[str, ...], code: int, why: str
) -> None:
    path = tmp_path / "p"
    path.write_bytes(content)
    assert why in site("password", "set", *options, "--file", str(path), code=code).err
    assert kept(tmp_path) == []


def test_no_terminal_and_no_file(site: Pxed, tmp_path: Path) -> None:
    assert "--file reads it" in site("password", "set", code=2).err
    assert "cannot be read" in site("password", "set", "--file", str(tmp_path / "none"), code=1).err


def test_what_cannot_be_unattended_is_told_of(site: Pxed, file: str, config_file: Path) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory", "--name", "Now")
    words = "Now is mandatory and needs a password: it runs only where somebody types it"
    assert words in site("password", "set", "--collection", "Lab", "--file", file).err
    warned = site("advertise", "install", "--to", "Lab", "--mandatory", "--name", "Later").err
    assert "Later needs a password: it runs only where somebody types it" in warned
    assert "password" not in site("advertise", "install", "--to", "Lab", "--optional", "--name", "Ask").err
    found = {(row["severity"], row["key"], row["text"]) for row in site("check", "--deep", "--json", code=78).json}
    assert ("warning", "database.url", f"advertisement {words}") in found
    assert any(key == "https.port" and "no HTTPS to send them by" in text for _, key, text in found)
    explained = site("explain", "ws-01").out
    assert "'Later' (that of the collection, for whoever knows the shared one)" in explained
    assert "asks for F12 and a password" in explained


def test_plain_http_has_to_be_wanted_word_for_word(site: Pxed, file: str, config_file: Path) -> None:
    text = config_file.read_text()
    config_file.write_text(f'{text}[password]\nplain_http = "yes"\n')
    assert (
        "word for word, 'passwords may be read on the network'"
        in site("check", code=78).err + site("check", code=78).out
    )
    config_file.write_text(f'{text}[password]\nplain_http = "passwords may be read on the network"\n')
    site("password", "set", "--file", file)
    found = site("check", "--deep", "--json").json
    assert {row["key"]: row["severity"] for row in found}["password.plain_http"] == "warning"
    assert "https.port" not in {row["key"] for row in found}
