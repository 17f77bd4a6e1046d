from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.schema import CreateTable

import pxed.site.migrations
from pxed.errors import StoreError
from pxed.site.database import REVISIONS, open_database
from pxed.site.sql import Database, Link, SqlReader, transaction
from pxed.site.tables import metadata
from tests.site.samples_of_a_site import own_collections

URL = "sqlite:///pxed.db"


def test_a_new_database_is_what_the_tables_say(sqlite: Database) -> None:
    with closing(Link(sqlite)) as link:
        context = MigrationContext.configure(link.as_sqlalchemy(), opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_new_database_keeps_what_alembic_does_not_compare(sqlite: Database, old: sqlite3.Connection) -> None:
    made: dict[str, str] = dict(old.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    for table in metadata.sorted_tables:
        create = str(CreateTable(table).compile(dialect=dialect()))
        for word in ("AUTOINCREMENT", "WITHOUT ROWID", "CASCADE", "CHECK"):
            assert made[table.name].upper().count(word) == create.upper().count(word), (table.name, word)
    assert "WHERE retired_at IS NULL" in made["uq_boot_image_name"]


def test_the_revisions_are_those_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(pxed.site.migrations.__file__).parent))
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS


def test_settings_of_every_connection(sqlite: Database, tmp_path: Path) -> None:
    link = Link(sqlite)
    assert link.command("PRAGMA journal_mode") == ("wal",)
    assert link.command("PRAGMA synchronous") == (2,)  # FULL
    assert link.command("PRAGMA foreign_keys") == (1,)
    assert link.command("PRAGMA busy_timeout") == (250,)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"pxed.db": 0o600, "pxed.db-shm": 0o600, "pxed.db-wal": 0o600}
    link.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_made_by_root_it_belongs_to_the_owner_of_the_state_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65533)
    with transaction(open_database(URL, tmp_path, create=True), "root") as tx:
        tx.add_collection("a")
        owners = {(path.name, path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()}
    assert owners == {(name, 65534, 65533) for name in ("pxed.db", "pxed.db-shm", "pxed.db-wal")}


def test_opening_again_needs_no_alembic(sqlite: Database, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from pxed.site.database import REVISIONS, open_database\n"
        f"open_database({URL!r}, pathlib.Path(sys.argv[1]))\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_a_url_with_an_absolute_path_leaves_the_state_directory_aside(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/elsewhere.db", Path("/nonexistent"), create=True)
    assert (tmp_path / "elsewhere.db").exists()


@pytest.fixture
def old(sqlite: Database, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The site's database without any of our care."""
    with closing(sqlite3.connect(tmp_path / "pxed.db")) as connection:
        yield connection


def test_a_missing_database_is_not_made_by_who_only_reads(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no database .*pxed\.db yet; `pxed serve`"):
        open_database(URL, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_state_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be made: No such file or directory"):
        open_database(URL, tmp_path / "nowhere", create=True)


def test_a_database_of_a_newer_version_is_left_alone(old: sqlite3.Connection, tmp_path: Path) -> None:
    with old:
        old.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"revision 9999, made by a newer pxed.*update pxed") as caught:
        open_database(URL, tmp_path, create=True)
    assert caught.value.exit_code == 74


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "pxed.db")) as other, other:
        other.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(StoreError, match="tables of something else"):
        open_database(URL, tmp_path, create=True)
    with closing(sqlite3.connect(tmp_path / "pxed.db")) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "pxed.db").write_bytes(b"this is a letter to my aunt\n" * 1000)
    with pytest.raises(StoreError, match="is not a database"):
        open_database(URL, tmp_path, create=True)


def test_a_damaged_database(sqlite: Database, tmp_path: Path) -> None:
    with transaction(sqlite, "") as tx:
        for number in range(2000):
            tx.put_computer(f"pc{number}", [f"52540000{number:04x}"], None)
    path = tmp_path / "pxed.db"
    with path.open("r+b") as file:  # the first page, and with it the schema, stays whole
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))
    with pytest.raises(StoreError, match="damaged"), transaction(sqlite, "") as tx:
        list(tx.computers())


def test_a_database_that_vanishes_is_not_replaced_by_an_empty_one(sqlite: Database, tmp_path: Path) -> None:
    (tmp_path / "pxed.db").unlink()
    with pytest.raises(StoreError, match="missing"):
        SqlReader(sqlite)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "what?", "oracle://x/y", "nothing:///x"])
def test_a_url_that_cannot_be_used(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="database URL"):
        open_database(url, tmp_path, create=True)


def test_a_database_that_another_process_keeps_locked(
    sqlite: Database, old: sqlite3.Connection, tmp_path: Path
) -> None:
    old.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another process") as caught, transaction(sqlite, ""):
        pass
    assert caught.value.temporary
    assert caught.value.exit_code == 75
    reader = SqlReader(open_database(URL, tmp_path))  # who reads is not disturbed
    assert reader.plan().advertisements == ()
    reader.close()


def test_two_processes_make_the_same_database_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from pxed.site.database import REVISIONS, open_database\n"
        "sys.stdin.readline()\n"
        f"open_database({URL!r}, pathlib.Path(sys.argv[1]), create=True)\n"
    )
    makers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE) for _ in range(3)]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write(b"go\n")
        maker.stdin.close()
    assert [maker.wait() for maker in makers] == [0, 0, 0]
    with transaction(open_database(URL, tmp_path), "") as tx:
        assert own_collections(tx) == []
