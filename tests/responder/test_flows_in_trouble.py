"""The compiled thread with a database in trouble; started, stopped and dropped at any moment."""

from __future__ import annotations

import gc
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pxed.responder import fastpath
from pxed.site.sql.flows import FlowSite
from tests.descriptors import descriptors
from tests.responder.flooding import (
    PATIENCE,
    Site,
    Thread,
    needs_compiled,
    packet,
    received,
    running,
    teach,
    udp_socket,
)
from tests.responder.sites import MACS, STRANGER, add, remove_computer
from tests.responder.test_answer import AT_67

pytestmark = needs_compiled
_flows: Any = vars(fastpath)["_flows"]


# A database in trouble, and what is left behind


def elsewhere(site: Site, path: Path) -> FlowSite:
    return site.for_flows()._replace(database=path)


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000], ids=["missing", "empty", "no database"])
def test_without_a_database_everything_is_passed_up(site: Site, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    with Thread(site, database=elsewhere(site, path)) as thread:
        said = packet(mac=STRANGER)
        thread.learn(said)
        assert thread.flows[0]
        assert thread.hear([said, b"garbage", packet(mac=STRANGER, flags=1)]).whys == [
            _flows.ALONE,
            _flows.UNTAUGHT,
            _flows.UNTAUGHT,
        ]
    assert path.exists() == (content is not None)


def test_statements_that_do_not_fit_are_no_database(site: Site) -> None:
    with Thread(site, database=site.for_flows()._replace(who="SELECT nothing FROM nowhere")) as thread:
        thread.learn(packet(mac=STRANGER))
        assert thread.fate(packet(mac=STRANGER)) == (_flows.ALONE, [])


def test_a_library_that_is_not_there_is_told_of(site: Site) -> None:
    with pytest.raises(OSError, match="SQLite"), Thread(site, database=site.for_flows()._replace(library="/nowhere")):
        pass


def test_nobody_waits_for_one_who_writes(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
    with Thread(site) as thread:
        said = packet(mac=MACS[0])
        thread.learn(said)
        with site.edit() as tx:
            remove_computer(tx)
            assert thread.fate(said)[0] is None  # not committed yet
        assert thread.fate(said)[0] == _flows.UNTAUGHT


def test_a_table_that_goes_while_it_runs_has_everything_passed_up(site: Site) -> None:
    with Thread(site) as thread:
        said = packet(mac=STRANGER)
        thread.learn(said)
        with running(thread) as ask:
            assert ask(said)[1] is None
            with closing(site.database.connect()) as driver:
                driver.execute("DROP TABLE membership")
                driver.execute("DROP TABLE mac")
            assert ask(said) == [_flows.ALONE] * 2


def test_a_database_that_is_deleted_while_it_runs_goes_on_being_the_one_that_was_opened(
    site: Site, tmp_path: Path
) -> None:
    """As it is for the reader of the long way."""
    with Thread(site) as thread:
        said = packet(mac=STRANGER)
        thread.learn(said)
        with running(thread) as ask:
            assert ask(said)[1] is None
            for name in ("pxed.db", "pxed.db-wal", "pxed.db-shm"):
                (tmp_path / name).unlink(missing_ok=True)
            assert ask(said)[1] is None
            assert site.another_responder().answer([(said, thread.here)], AT_67) == [None]
        assert thread.fate(said) == (_flows.ALONE, [])


def threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def threads_more_than(count: int) -> bool:
    """Whether there are more threads than `count`, once those that end have ended."""
    deadline = time.monotonic() + PATIENCE
    while (more := threads() > count) and time.monotonic() < deadline:
        pass
    return more


def test_many_starts_and_stops_leave_nothing_behind(site: Site) -> None:
    before = threads()
    with Thread(site) as thread:
        said = packet(mac=STRANGER)
        thread.learn(said)
        thread.fate(said)
        open_before = descriptors()
        for _ in range(100):
            thread.path._flows.start(0.0)
            thread.path._flows.start(0.0)  # it runs already
            thread.client.sendto(said, thread.bound.getsockname())
            thread.path._flows.stop()
            thread.path._flows.stop()
        list(received(thread.path.upward))
        assert descriptors() == open_before
        thread.path.count()
        thread.learn(said)
    assert not threads_more_than(before)


def test_one_that_is_dropped_while_it_runs_ends(site: Site) -> None:
    with udp_socket() as bound, udp_socket() as up:
        before = threads()
        open_then = []
        for _ in range(20):
            given = site.for_flows()
            flows = _flows.Flows(
                bound.fileno(), up.fileno(), given.library, str(given.database), given.who, given.of_one
            )
            flows.begin(1, 0, float("inf"), bytes(60), bytes(160))
            teach(flows, reply=b"any")
            flows.start(0.0)
            assert threads() == before + 1
            del flows
            assert not threads_more_than(before)
            open_then.append(len(descriptors()))
        assert open_then[-1] <= open_then[1]


def test_it_can_be_stopped_in_the_midst_of_packets_that_do_not_end(raw: tuple[Thread, Any]) -> None:
    thread, flows = raw
    teach(flows, reply=b"any")
    said = packet()
    for _ in range(10):
        flows.start(1e9)
        for _ in range(1000):
            thread.client.sendto(said, thread.bound.getsockname())
        flows.stop()
        list(received(thread.client))


def test_a_fast_path_that_is_closed_has_told_all_and_leaves_nothing_open(site: Site) -> None:
    with site.edit() as tx:
        add(tx, 0)
    said = packet(mac=MACS[0])
    open_then: list[int] = []
    for _ in range(10):
        with Thread(site) as thread:
            thread.learn(said)
            thread.path.start()
            for _ in range(50):
                thread.client.sendto(said, thread.bound.getsockname())
            deadline = time.monotonic() + PATIENCE
            while not (replies := len(list(received(thread.client)))):
                assert time.monotonic() < deadline
            thread.path.stop()
            replies += len(list(received(thread.client)))
            passed = 0
            while more := thread.path.passed_up()[0]:
                passed += len(more)
            left = len(list(received(thread.bound)))
            thread.path.start()
        assert thread.counters == {"answered: local-boot-menu": replies}
        assert replies + passed + left == 50
        assert thread.lost == 0
        del thread
        gc.collect()  # it and its path know each other
        open_then.append(len(descriptors()))
    assert open_then[-1] <= open_then[1]
