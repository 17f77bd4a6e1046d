"""`pxed backup`: what is in the file, and what it does not replace."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pxed.cli.session import Session
from tests.cli.conftest import Pxed


@pytest.fixture
def restored(tmp_path: Path) -> Path:
    """The configuration of a site that was put back from `tmp_path / "copy.db"`, once that is there."""
    file = tmp_path / "restored.toml"
    file.write_text(
        f'[service]\nstate_dir = "{tmp_path}"\n[database]\nurl = "sqlite:///copy.db"\n[[interface]]\nname = "lo"\n'
    )
    return file


def names(pxed: Pxed, *options: str) -> list[str]:
    return [row["name"] for row in pxed("computer", "list", "--json", *options).json]


def test_it_has_what_was_committed_while_somebody_writes(
    site: Pxed, config_file: Path, restored: Path, tmp_path: Path
) -> None:
    with Session(config_file).writing() as tx:
        tx.put_computer("ws-03", ["52:54:00:00:00:03"], None)
        done = site("backup", f"{tmp_path}/copy.db", "--json").json
    copy = tmp_path / "copy.db"
    assert done == {"file": str(copy), "size": copy.stat().st_size}
    assert copy.stat().st_mode & 0o777 == 0o600
    assert names(site) == ["ws-01", "ws-02", "ws-03"]
    assert names(site, "--config", str(restored)) == ["ws-01", "ws-02"]


def test_it_replaces_nothing(site: Pxed, tmp_path: Path) -> None:
    database = tmp_path / "state" / "pxed.db"
    before = database.stat().st_ino
    assert "is there already" in site("backup", str(database), code=1).err
    assert database.stat().st_ino == before
    assert [path.name for path in database.parent.iterdir() if path.name.startswith(".")] == []


def test_where_nothing_can_be_written_it_says_so(site: Pxed, tmp_path: Path) -> None:
    outcome = site("backup", f"{tmp_path}/nowhere/copy.db", code=1)
    assert outcome.err == f"pxed: {tmp_path}/nowhere/copy.db cannot be written: No such file or directory\n"


def test_a_damaged_site_is_no_backup(site: Pxed, tmp_path: Path) -> None:
    database = tmp_path / "state" / "pxed.db"
    with closing(sqlite3.connect(database)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
    outcome = site("backup", f"{tmp_path}/copy.db", code=74)
    assert outcome.err.startswith(f"pxed: the database {database} is damaged and no backup is made: ")
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []


def test_a_site_that_was_not_begun_is_no_backup(pxed: Pxed, tmp_path: Path) -> None:
    assert "there is no database" in pxed("backup", f"{tmp_path}/copy.db", code=74).err
    assert not (tmp_path / "copy.db").exists()
