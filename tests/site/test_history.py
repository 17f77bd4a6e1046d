"""History: read in both directions, and kept within bounds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pxed.site.event import EventKind, Wanted
from pxed.site.sql import SqlTx
from pxed.site.sql import history as module
from tests.support import NOW


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 3)


@pytest.fixture
def ten(tx: SqlTx) -> SqlTx:
    """Ten events, a minute apart, of two subjects and two kinds."""
    for number in range(10):
        kind = EventKind.STATE if number % 3 else EventKind.CLEAR
        tx.add_event(NOW + timedelta(minutes=number), kind, str(number % 2), str(number))
    return tx


def texts(events: object) -> str:
    return "".join(event.text for event in events)  # type: ignore[attr-defined]


def test_both_directions_across_chunks(ten: SqlTx) -> None:
    assert texts(ten.events_after(0)) == "0123456789"
    assert texts(ten.events_after(7)) == "789"
    assert texts(ten.events_before(ten.last_event())) == "876543210"
    assert texts(ten.events(None, 4)) == "6789"


def test_of_a_subject_and_of_kinds(ten: SqlTx) -> None:
    assert texts(ten.events_after(0, Wanted(["1"]))) == "13579"
    assert texts(ten.events_after(0, Wanted({"1"}, [EventKind.CLEAR]))) == "39"
    assert texts(ten.events("0", 2, [EventKind.CLEAR, EventKind.STATE])) == "68"


@pytest.mark.parametrize("few", [True, False])
def test_of_several_subjects_looked_up_or_looked_for(ten: SqlTx, monkeypatch: pytest.MonkeyPatch, few: bool) -> None:
    if not few:
        monkeypatch.setattr(module, "_MOST_SUBJECTS", 1)
    assert texts(ten.events_after(0, Wanted(["1", "0", "nobody"]))) == "0123456789"
    assert texts(ten.events_before(5, Wanted(["1", "nobody"]))) == "31"
    assert texts(ten.events_after(0, Wanted([]))) == ""


def test_by_a_user_and_since_an_instant(ten: SqlTx) -> None:
    ten._user = "joe"
    ten.add_event(NOW, EventKind.EDIT, "", "!")
    assert texts(ten.events_after(0, Wanted(user="joe"))) == "!"
    assert texts(ten.events_after(0, Wanted(user=""))) == ""
    assert texts(ten.events_before(11, Wanted(["1"], since=NOW + timedelta(minutes=5)))) == "975"


def forget(tx: SqlTx, minutes: int, keep: int) -> list[int]:
    rounds = []
    while forgotten := tx.forget_events(NOW + timedelta(minutes=minutes), keep):
        rounds.append(forgotten)
    return rounds


def test_the_old_ones_are_forgotten_in_small_steps(ten: SqlTx) -> None:
    assert forget(ten, minutes=7, keep=100) == [3, 3, 1]
    assert texts(ten.events_after(0)) == "789"


def test_the_last_ones_are_kept(ten: SqlTx) -> None:
    assert forget(ten, minutes=0, keep=2) == [3, 3, 2]
    assert texts(ten.events_after(0)) == "89"


def test_an_old_one_behind_a_young_one_waits(tx: SqlTx) -> None:
    for minute in (0, 9, 1):
        tx.add_event(NOW + timedelta(minutes=minute), EventKind.STATE, "", str(minute))
    assert forget(tx, minutes=5, keep=100) == [1]
    assert texts(tx.events_after(0)) == "91"


def test_names(tx: SqlTx) -> None:
    computer = tx.put_computer("ws-01", ["52:54:00:00:00:01"], None)
    assert tx.subject_name(str(computer.id)) == "ws-01"
    assert tx.subject_name("52:54:00:00:00:09") == "52:54:00:00:00:09"
    assert tx.subject_name("77") == "#77"
