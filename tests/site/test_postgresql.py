"""What only a PostgreSQL server can do to a site: be opened by many at once, refuse, stop, come back, plan."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import make_url

from pxed.errors import StoreError, StoreMissing
from pxed.site.database import open_database
from pxed.site.import_file import read_computers
from pxed.site.importer import import_computers
from pxed.site.reopening import ReopeningReader
from pxed.site.sql import Database, Link, SqlReader, transaction
from pxed.site.sql.postgresql import PostgresDriver
from pxed.site.tables import metadata
from pxed.site.writer import Writer
from tests.postgresql import Server, programs
from tests.site.samples_of_a_site import GUID, SWAPPED, A, advertise, own_collections, record

pytestmark = pytest.mark.postgresql


@pytest.fixture
def empty(postgresql_server: Server) -> Iterator[str]:
    """The URL of a database that is empty."""
    name = postgresql_server.new_database()
    yield postgresql_server.url(name).render_as_string()
    postgresql_server.drop(name)


@pytest.fixture
def database(postgresql_server: Server) -> Database:
    """An empty site."""
    return open_database(postgresql_server.empty_site().render_as_string(), Path())


def test_a_new_database_is_what_the_tables_say(empty: str) -> None:
    database = open_database(empty, Path(), create=True)
    with closing(Link(database)) as link, link.as_sqlalchemy() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        index = "SELECT indexdef FROM pg_indexes WHERE indexname = 'uq_boot_image_name'"
        assert str(connection.exec_driver_sql(index).scalar()).endswith("WHERE (retired_at IS NULL)")
        cascades = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND confdeltype = 'c'"
        keys = [key for table in metadata.sorted_tables for key in table.foreign_key_constraints]
        assert connection.exec_driver_sql(cascades).scalar() == sum(key.ondelete == "CASCADE" for key in keys)


def test_who_only_reads_makes_nothing(empty: str) -> None:
    with pytest.raises(StoreMissing, match=r"there is no site in the database .* yet; `pxed serve`"):
        open_database(empty, Path())
    open_database(empty, Path(), create=True)
    with transaction(open_database(empty, Path()), "") as tx:
        assert own_collections(tx) == []


def test_several_processes_make_the_same_database_at_once(empty: str) -> None:
    code = (
        "import sys, pathlib\n"
        "from pxed.site.database import open_database\n"
        "sys.stdin.readline()\n"
        "open_database(sys.argv[1], pathlib.Path(), create=True)\n"
    )
    makers = [subprocess.Popen([sys.executable, "-c", code, empty], stdin=subprocess.PIPE) for _ in range(3)]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write(b"go\n")
        maker.stdin.close()
    assert [maker.wait() for maker in makers] == [0, 0, 0]
    with transaction(open_database(empty, Path()), "") as tx:
        assert own_collections(tx) == []


def test_a_database_of_something_else_is_left_alone(empty: str) -> None:
    with psycopg.connect(empty) as other:
        other.execute("CREATE TABLE songs (title text)")
    with pytest.raises(StoreError, match="tables of something else"):
        open_database(empty, Path(), create=True)


def test_a_database_of_a_newer_version_is_left_alone(empty: str) -> None:
    open_database(empty, Path(), create=True)
    with psycopg.connect(empty) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"revision 9999, made by a newer pxed.*update pxed"):
        open_database(empty, Path(), create=True)


def test_a_user_without_rights_is_told(postgresql_server: Server, empty: str) -> None:
    postgresql_server.command("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    with pytest.raises(StoreError, match="should own the database"):
        open_database(str(make_url(empty).set(username="guest")), Path(), create=True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"database": "nowhere"}, 'the database postgresql://.*/nowhere cannot be reached .*"nowhere" does not exist'),
        ({"username": "nobody"}, 'cannot be reached .* role "nobody" does not exist'),
        ({"host": "127.0.0.1", "port": 1, "query": {}}, "cannot be reached .*Connection refused"),
        ({"query": {"bogus": "1"}}, 'the database URL cannot be used: invalid connection option "bogus"'),
    ],
)
def test_a_url_that_leads_nowhere(postgresql_server: Server, change: dict[str, Any], why: str) -> None:
    url = postgresql_server.url("postgres").set(**change)
    secret = url.update_query_dict({"password": "secret"})
    with pytest.raises(StoreError, match=why) as caught:
        open_database(str(secret), Path(), create=True)
    assert "secret" not in str(caught.value)


def test_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "pxed.site.sql.postgresql", raising=False)
    with pytest.raises(StoreError, match=r"pip install 'psycopg\[binary\]' brings it"):
        open_database("postgresql://host/pxed", Path())


def test_settings_of_every_connection(postgresql_server: Server) -> None:
    url = postgresql_server.empty_site().update_query_dict({"options": "-c work_mem=6MB", "application_name": "point"})
    with closing(Link(open_database(str(url), Path(), busy_seconds=2))) as link:
        settings = [link.command(f"SHOW {name}") for name in ("lock_timeout", "work_mem", "application_name")]
    assert settings == [("2s",), ("6MB",), ("point",)]


def test_a_server_that_restarts_is_found_again(tmp_path: Path) -> None:
    found = programs()
    assert found
    now = 0.0
    with Server(found) as server:
        url = server.url(server.new_database()).render_as_string()

        def opened() -> Database:
            return open_database(url, tmp_path, create=True)

        reader = ReopeningReader(lambda: SqlReader(opened()), lambda: now)
        writer = Writer(lambda: Link(opened()))
        writer.submit(lambda tx: tx.put_computer("before", [A], None)).result()
        assert reader.look_up(A, [])[1].by_mac
        server.stop()
        server.start()  # so that nobody has noticed
        assert reader.look_up(A, [])[1].by_mac
        assert writer.submit(lambda tx: tx.add_collection("between")).result().name == "between"
        server.stop()
        for _ in range(2):
            now += 10
            with pytest.raises(StoreError) as caught:
                reader.look_up(A, [])
            assert caught.value.temporary
            with pytest.raises(StoreError) as caught:
                writer.submit(lambda tx: tx.add_collection("lost")).result()
            assert caught.value.temporary
        server.start()
        now += 10
        assert reader.look_up(A, [])[1].by_mac
        assert writer.submit(lambda tx: tx.add_collection("after")).result().name == "after"
        assert "lost" not in reader.plan().collection_ids
        writer.close()
        reader.close()


def test_a_server_that_hangs_is_given_up_within_seconds(postgresql_server: Server) -> None:
    url = postgresql_server.empty_site().render_as_string()
    with transaction(open_database(url, Path()), "") as tx:
        tx.put_computer("pc", [A], None)
    with closing(ReopeningReader(lambda: SqlReader(open_database(url, Path(), answer_seconds=2)), monotonic)) as reader:
        assert reader.look_up(A, [])[1].by_mac
        postgresql_server.hang()
        try:
            begun = monotonic()
            with pytest.raises(StoreError, match=r"cannot be reached \(the server has said nothing for 2 seconds\)"):
                reader.look_up(A, [])
            noticed = monotonic()
            with pytest.raises(StoreError):
                reader.look_up(A, [])
            assert monotonic() - noticed < 1  # nobody waits for it again so soon
            assert noticed - begun < 10
            with pytest.raises(StoreError, match="connection timeout"):
                SqlReader(open_database(url, Path(), answer_seconds=2))
        finally:
            postgresql_server.go_on()
    with closing(SqlReader(open_database(url, Path()))) as another:
        assert another.look_up(A, [])[1].by_mac


def test_a_lookup_reads_no_table_from_end_to_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction(database, "") as tx:
        pc = tx.put_computer("pc", [A], GUID)
        tx.save_record(record(str(pc.id), advertise(tx)))
    asked: list[tuple[str, tuple[object, ...]]] = []
    with closing(SqlReader(database)) as reader, closing(Link(database)) as link:
        reader.plan()
        execute = PostgresDriver.execute

        def told(driver: PostgresDriver, text: str, values: tuple[object, ...] = ()) -> object:
            asked.append((text, values))
            return execute(driver, text, values)

        with monkeypatch.context() as patch:
            patch.setattr(PostgresDriver, "execute", told)
            assert reader.look_up(A, [SWAPPED])[1].by_mac
            reader.look_up_all([(A, []) for _ in range(64)])
            assert reader.record(1)
            assert reader.name_of(str(pc.id)) == "pc"
        assert len(asked) == 4
        link.command("SET enable_seqscan = off")  # of a small table that would be right, were there an index or not
        for text, values in asked:
            plan = "\n".join(row[0] for row in link._driver.execute(f"EXPLAIN {text}", values))
            assert "Seq Scan" not in plan, plan


def test_after_a_large_import_the_server_knows_how_many_there_are(database: Database) -> None:
    rows = [f"pc{n},,52:54:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(1500)]
    known = "SELECT reltuples::int FROM pg_class WHERE relname = 'computer'"
    with transaction(database, "") as tx:
        import_computers(tx, read_computers("\n".join(rows).encode())[0])
    with closing(Link(database)) as link:
        assert link.command(known) == (1500,)


def test_large_results_stay_at_the_server(database: Database) -> None:
    with transaction(database, "") as tx:
        name = "SELECT 'pc' || to_char(number, 'FM00000') FROM generate_series(0, 4999) number"
        tx._link.command(f"INSERT INTO computer (name) {name}")
        all_of_them = tx.computers()
        assert next(all_of_them).name == "pc00000"
        assert tx._link.command("SELECT count(*) FROM pg_cursors") == (1,)
        assert sum(1 for _ in all_of_them) == 4999
        assert tx._link.command("SELECT count(*) FROM pg_cursors") == (0,)
