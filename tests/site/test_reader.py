from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pxed.site.boot_image import Cpu, ImageFile, ImageVariant
from pxed.site.draft import Draft
from pxed.site.model import Evidence, Kind, Known, PxeRecord, RecordState
from pxed.site.sql import Database, Link, SqlReader, transaction
from pxed.site.sql.sqlite import SqliteDriver

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
A, B, C = "52:54:00:00:00:0a", "52:54:00:00:00:0b", "52:54:00:00:00:0c"
GUID = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232")
SWAPPED = uuid.UUID("44454c4c-4400-104a-8039-b4c04f333232")
OTHER = uuid.UUID(int=7)


@pytest.fixture
def reader(database: Database) -> Iterator[SqlReader]:
    reader = SqlReader(database)
    yield reader
    reader.close()


def record(subject: str, advertisement_id: int) -> PxeRecord:
    return PxeRecord(0, subject, advertisement_id, RecordState.OFFERED, 1, NOW, NOW, "", "")


def test_evidence_is_all_that_is_known_of_a_client(database: Database, reader: SqlReader) -> None:
    with transaction(database, "") as tx:
        one, two = tx.put_computer("one", [A, B], OTHER), tx.put_computer("two", [], GUID)
        tx.put_computer("three", ["52:54:00:00:00:0d"], None)
        home, lab = tx.add_collection("home"), tx.add_collection("lab")
        tx.add_member(home.id, one.id)
        tx.add_member(lab.id, one.id)
        tx.add_member(lab.id, two.id)
        tx.add_boot_image("image")
        tx.put_sequence("s", "image", "{}")
        advertisement = tx.advertise(Draft("ad", Kind.MANDATORY, "s", "lab", NOW)).id
        of_one, of_two = (tx.save_record(record(str(each.id), advertisement)) for each in (one, two))
        of_c = tx.save_record(record(C, advertisement))
    known_one = Known(one, frozenset({home.id, lab.id}), (of_one,))
    known_two = Known(two, frozenset({lab.id}), (of_two,))
    assert reader.look_up(A, [])[1] == Evidence(known_one, ())
    assert reader.look_up(A, [OTHER])[1] == Evidence(known_one, (known_one,))
    assert reader.look_up(A, [GUID, SWAPPED])[1] == Evidence(known_one, (known_two,))
    assert reader.look_up(C, [SWAPPED])[1] == Evidence(None, (known_two,), (of_c,))
    assert reader.look_up(C, [uuid.UUID(int=0)])[1] == Evidence(None, (), (of_c,))
    assert reader.look_up("", [])[1] == Evidence(None, ())
    assert reader.record(of_c.id) == of_c
    assert reader.record(999) is None
    assert [reader.name_of(subject) for subject in (str(two.id), "999", C)] == ["two", "999", C]


def test_a_batch_is_told_what_each_client_alone_would_be(database: Database, reader: SqlReader) -> None:
    macs = [f"52:54:00:00:00:{number:02x}" for number in range(90)]
    guids = [uuid.UUID(int=number << 100 | 5) for number in range(90)]
    with transaction(database, "") as tx:
        for number in range(0, 80, 3):
            tx.put_computer(f"pc{number}", [macs[number]], guids[number] if number % 2 else None)
        tx.add_boot_image("image")
        tx.put_sequence("s", "image", "{}")
        tx.add_collection("lab")
        advertisement = tx.advertise(Draft("ad", Kind.MANDATORY, "s", "lab", NOW)).id
        for number in range(0, 90, 7):
            computer = tx.find_computer(macs[number])
            tx.save_record(record(str(computer.id) if computer else macs[number], advertisement))
    clients = [(macs[number], [guids[(number * 7) % 90]] if number % 5 else []) for number in range(90)]
    plan, found = reader.look_up_all(clients)
    assert found == [reader.look_up(*client)[1] for client in clients]
    assert plan == reader.plan()
    assert reader.look_up_all([]) == (plan, [])


def test_the_plan_follows_the_commits_of_others(database: Database, reader: SqlReader) -> None:
    empty = reader.plan()
    assert reader.plan() is empty
    with transaction(database, "", NOW) as tx:
        tx.add_collection("lab")
        image = tx.add_boot_image("image")
        variant = ImageVariant(Cpu.AMD64, ImageFile("k", 1, "0" * 64), (), "")
        tx.add_variant(image.id, variant)
        sequence = tx.put_sequence("s", "image", "{}")
        advertisement = tx.advertise(Draft("ad", Kind.OPTIONAL, "s", "lab", NOW))
        assert reader.plan() is empty  # not committed yet
    plan = reader.plan()
    assert plan.change == empty.change + 1
    assert plan.advertisements == (advertisement,)
    assert plan.boot_images == {"image": replace(image, variants=(variant,))}
    assert plan.sequences == {"s": sequence}
    assert plan.collection_ids == empty.collection_ids | {"lab": advertisement.collection_id}
    assert reader.plan() is plan


def test_a_commit_that_is_no_edit_does_not_read_the_plan_again(database: Database, reader: SqlReader) -> None:
    with transaction(database, "") as tx:
        tx.add_collection("lab")
    plan = reader.plan()
    with transaction(database, "") as tx:
        tx.delete_record(1)
        tx.add_event(NOW, tx.events(None, 1)[0].kind, "", "")
    assert reader.plan() is plan


def test_a_lookup_reads_no_table_from_end_to_end(sqlite: Database) -> None:
    with transaction(sqlite, "") as tx:
        pc = tx.put_computer("pc", [A], GUID)
    reader = SqlReader(sqlite)
    reader.plan()
    link = Link(sqlite)
    plans: list[str] = []
    statements: list[str] = []
    driver = reader._link._driver
    assert isinstance(driver, SqliteDriver)
    driver.connection.set_trace_callback(statements.append)
    reader.look_up(A, [GUID])
    reader.look_up(B, [])
    reader.record(1)
    reader.name_of(str(pc.id))
    driver.connection.set_trace_callback(None)
    for statement in statements:
        if statement.startswith("SELECT"):
            rows = link._driver.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            plans += [str(row[-1]) for row in rows]
    link.close()
    reader.close()
    assert len([plan for plan in plans if plan.startswith("SEARCH")]) >= 8
    assert [plan for plan in plans if plan.startswith("SCAN")] == []


def test_a_lookup_waits_for_no_writer(database: Database, reader: SqlReader) -> None:
    with transaction(database, "") as tx:
        tx.put_computer("pc", [A], None)
        assert reader.look_up(A, [])[1] == Evidence(None, ())
    assert reader.look_up(A, [])[1].by_mac is not None
