from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from pxed.errors import Refused, StoreError
from pxed.site.event import EventKind
from pxed.site.model import Collection
from pxed.site.sql import Database, Link, transaction
from pxed.site.sql.edits import LINES
from pxed.site.sql.link import Row
from pxed.site.store import Line, Tx
from pxed.site.writer import Writer
from tests.site.samples_of_a_site import own_collections

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WAIT = 30.0
"""seconds: a bound for what should come at once, never waited for in a good run"""


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    writer = Writer(lambda: Link(database), queue=50)
    yield writer
    writer.close()


class Gate:
    """A job that holds the writer until it is opened, so that others gather behind it."""

    def __init__(self, writer: Writer) -> None:
        self._entered, self._open = threading.Event(), threading.Event()
        self.done = writer.submit(self._hold)
        assert self._entered.wait(WAIT)

    def _hold(self, tx: Tx) -> None:
        self._entered.set()
        assert self._open.wait(WAIT)

    def open(self) -> None:
        self._open.set()
        self.done.result(WAIT)


def line(text: str) -> Callable[[Tx], None]:
    return lambda tx: tx.add_event(NOW, EventKind.VERDICT, "", text)


def add(name: str) -> Callable[[Tx], Collection]:
    return lambda tx: tx.add_collection(name)


def lines(database: Database) -> list[str]:
    with transaction(database, "") as tx:
        return [each.text for each in tx.events(None, 1000)]


class NotingLink(Link):
    """Notes the commands that it runs."""

    def __init__(self, database: Database, commands: list[str]) -> None:
        super().__init__(database)
        self._commands = commands

    def command(self, text: str) -> Row | None:
        self._commands.append(text)
        return super().command(text)


def test_a_job_is_done_when_its_future_is(database: Database, writer: Writer) -> None:
    added = writer.submit(lambda tx: tx.add_collection("c")).result(WAIT)
    with transaction(database, "") as tx:
        assert tx.find_collection("c") == added


def test_what_gathers_is_committed_together(database: Database) -> None:
    commands: list[str] = []
    writer = Writer(lambda: NotingLink(database, commands))
    gate = Gate(writer)
    futures = [writer.submit(add(f"c{number}")) for number in range(500)]
    gate.open()
    assert [future.result(WAIT).name for future in futures] == [f"c{number}" for number in range(500)]
    writer.close()
    assert commands.count("COMMIT") == 2  # the gate's own, and one for the five hundred


def test_what_comes_soon_after_a_commit_is_committed_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pxed.site.writer.COMMIT_SECONDS", 3600.0)
    commands: list[str] = []
    writer = Writer(lambda: NotingLink(database, commands))
    writer.submit(add("first")).result(WAIT)
    futures = [writer.submit(add(f"c{number}")) for number in range(5)]
    writer.close()  # for which nobody waits an hour
    assert [future.result(WAIT).name for future in futures] == [f"c{number}" for number in range(5)]
    assert commands.count("COMMIT") == 2


def test_a_failing_job_harms_no_other(database: Database, writer: Writer) -> None:
    def fails(tx: Tx) -> None:
        tx.add_collection("half")
        raise Refused("no")

    gate = Gate(writer)
    futures: list[Future[object]] = [
        writer.submit(job)
        for job in (lambda tx: tx.add_collection("a"), fails, lambda tx: 1 // 0, lambda tx: tx.add_collection("b"))
    ]
    gate.open()
    outcomes = [future.exception(WAIT) for future in futures]
    assert [type(outcome) for outcome in outcomes] == [type(None), Refused, ZeroDivisionError, type(None)]
    with transaction(database, "") as tx:
        assert [collection.name for collection in own_collections(tx)] == ["a", "b"]


def test_a_cancelled_job_is_not_done(database: Database, writer: Writer) -> None:
    gate = Gate(writer)
    unwanted = writer.submit(lambda tx: tx.add_collection("unwanted"))
    assert unwanted.cancel()
    gate.open()
    writer.submit(lambda tx: None).result(WAIT)
    with transaction(database, "") as tx:
        assert own_collections(tx) == []


def test_closing_writes_what_waits(database: Database, writer: Writer) -> None:
    gate = Gate(writer)
    for number in range(30):
        writer.submit_droppable(line(str(number)))
    last = writer.submit(lambda tx: tx.add_collection("last"))
    gate.open()
    writer.close()
    assert last.done()
    assert [text for text in lines(database) if text.isdecimal()] == [str(number) for number in range(30)]
    with pytest.raises(StoreError, match="stopping"):
        writer.submit(lambda tx: None).result(WAIT)


def test_who_waits_ends_the_pauses_of_history(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pxed.site.writer.PAUSE_SECONDS", 3600.0)
    begun = threading.Event()

    class Told(Link):
        def command(self, text: str) -> Row | None:
            row = super().command(text)
            begun.set()
            return row

    writer = Writer(lambda: Told(database))
    for number in range(3):
        writer.submit_droppable(line(str(number)))
    assert begun.wait(WAIT)
    writer.submit(add("c")).result(WAIT)
    assert {"0", "1", "2"} <= {*lines(database)}
    begun.clear()
    writer.submit_droppable(line("late"))
    assert begun.wait(WAIT)
    writer.close()
    assert "late" in lines(database)


def test_more_lines_than_are_written_at_once(database: Database) -> None:
    writer = Writer(lambda: Link(database))
    gate = Gate(writer)
    for number in range(2 * LINES + 1):
        writer.submit_droppable(Line(NOW, EventKind.VERDICT, "", str(number)))
    gate.open()
    writer.close()
    assert lines(database) == [str(number) for number in range(2 * LINES + 1)]


def test_the_oldest_history_goes_when_too_much_waits(database: Database, writer: Writer) -> None:
    gate = Gate(writer)
    for number in range(60):
        writer.submit_droppable(line(str(number)))
    gate.open()
    writer.close()
    assert lines(database) == [str(number) for number in range(10, 60)]
    assert writer.dropped == 10


def test_too_many_waiting_changes_are_refused_at_once(writer: Writer) -> None:
    gate = Gate(writer)
    futures = [writer.submit(lambda tx: None) for _ in range(51)]
    with pytest.raises(StoreError, match="too many") as caught:
        futures[50].result(0)
    assert caught.value.temporary
    gate.open()
    assert [future.exception(WAIT) for future in futures[:50]] == [None] * 50


def test_a_bad_line_of_history_harms_nothing(
    database: Database, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(writer)
    writer.submit_droppable(lambda tx: 1 // 0)
    writer.submit_droppable(line("good"))
    gate.open()
    writer.close()
    assert lines(database) == ["good"]
    assert "ZeroDivisionError" in caplog.text


def test_a_locked_database_is_told_and_tried_again(database: Database, writer: Writer) -> None:
    with transaction(database, "somebody else"):
        writer.submit_droppable(line("kept"))
        with pytest.raises(StoreError, match="locked") as caught:
            writer.submit(lambda tx: tx.add_collection("a")).result(WAIT)
        assert caught.value.temporary
    writer.submit(lambda tx: tx.add_collection("b")).result(WAIT)
    writer.close()
    assert lines(database) == ["collection b added", "kept"] or lines(database) == ["kept", "collection b added"]
    assert writer.dropped == 0


def test_a_database_that_cannot_be_opened_is_tried_again(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    troubles = [StoreError("there is no database"), StoreError("there is still none")]

    def opener() -> Link:
        if troubles:
            raise troubles.pop(0)
        return Link(database)

    writer = Writer(opener)
    for expected in ("there is no database", "there is still none"):
        with pytest.raises(StoreError, match=expected):
            writer.submit(lambda tx: None).result(WAIT)
    assert writer.submit(own_collections).result(WAIT) == []
    writer.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]  # begin and end of the trouble


def test_history_waits_for_a_database_that_comes_back_by_itself(database: Database) -> None:
    tried = threading.Semaphore(0)
    troubles = [StoreError("none yet")]

    def opener() -> Link:
        tried.release()
        if troubles:
            raise troubles.pop(0)
        return Link(database)

    writer = Writer(opener)
    writer.submit_droppable(line("kept"))
    assert tried.acquire(timeout=WAIT)
    assert tried.acquire(timeout=WAIT)  # nobody asked for anything meanwhile
    writer.close()
    assert lines(database) == ["kept"]


def test_closing_does_not_wait_for_a_database_in_trouble(caplog: pytest.LogCaptureFixture) -> None:
    def opener() -> Link:
        raise StoreError("gone")

    writer = Writer(opener)
    writer.submit_droppable(line("lost"))
    writer.submit_droppable(line("lost"))
    writer.close()
    assert writer.dropped == 2


def test_a_fault_of_our_own_does_not_end_the_writer(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    faults = [RuntimeError("a bug")]

    def opener() -> Link:
        if faults:
            raise faults.pop()
        return Link(database)

    writer = Writer(opener)
    with pytest.raises(RuntimeError, match="a bug"):
        writer.submit(lambda tx: None).result(WAIT)
    assert writer.submit(lambda tx: 7).result(WAIT) == 7
    writer.close()
    assert "a bug" in caplog.text
