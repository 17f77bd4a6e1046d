"""`pxed report`: how deployments stand."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pxed.cli.session import Session
from pxed.site.model import PxeRecord, RecordState
from tests.cli.conftest import Pxed

NOW = datetime.now(UTC).replace(microsecond=0)


def give(config_file: Path, subject: str, state: RecordState, tries: int = 1, minutes: int = 5) -> None:
    """A record of advertisement 1, begun so many minutes ago."""
    begun = NOW - timedelta(minutes=minutes)
    with Session(config_file).writing() as tx:
        tx.save_record(PxeRecord(0, subject, 1, state, tries, begun, begun, "", "so it is"))


@pytest.fixture
def advertised(site: Pxed) -> Pxed:
    """`install` is mandatory for ws-01 and ws-02."""
    site("advertise", "install", "--to", "Lab", "--mandatory", "--name", "Install")
    return site


def counts(row: dict[str, Any]) -> dict[str, int]:
    return {key: value for key, value in row.items() if isinstance(value, int) and value and key != "id"}


def test_deployments_count_every_computer_once(advertised: Pxed, config_file: Path) -> None:
    give(config_file, "1", RecordState.RUNNING)
    give(config_file, "52:54:00:00:00:99", RecordState.SUCCEEDED)
    (row,) = advertised("report", "deployments", "--json").json
    assert (row["advertisement"], row["kind"], row["collection"]) == ("Install", "mandatory", "Lab")
    assert counts(row) == {"members": 3, "pending": 1, "running": 1, "succeeded": 1}


@pytest.mark.parametrize(
    ("state", "tries", "progress"),
    [
        (RecordState.OFFERED, 1, "under way"),
        (RecordState.LOADING, 2, "under way"),
        (RecordState.LOADING, 3, "given up"),
        (RecordState.BOOTING, 3, "under way"),
        (RecordState.RUNNING, 1, "running"),
        (RecordState.SUCCEEDED, 1, "succeeded"),
        (RecordState.FAILED, 3, "failed"),
    ],
)
def test_the_progress_of_a_computer(
    advertised: Pxed, config_file: Path, state: RecordState, tries: int, progress: str
) -> None:
    give(config_file, "1", state, tries)
    first, second = advertised("report", "deployment", "Install", "--json").json
    assert (first["computer"], first["progress"], first["tries"]) == ("ws-01", progress, tries)
    assert (second["computer"], second["progress"], second["tries"]) == ("ws-02", "pending", 0)
    assert [each["computer"] for each in advertised("report", "assigned", "--json").json] == (
        ["ws-01", "ws-02"] if progress == "under way" else ["ws-02"]
    )


def test_a_computer_that_left_the_collection_is_still_told_of(advertised: Pxed, config_file: Path) -> None:
    give(config_file, "1", RecordState.FAILED)
    advertised("collection", "remove-member", "Lab", "ws-01")
    rows = advertised("report", "deployment", "1", "--progress", "failed", "--json").json
    assert [(row["computer"], row["message"]) for row in rows] == [("ws-01", "so it is")]


def test_what_runs_too_long_the_longest_first(advertised: Pxed, config_file: Path) -> None:
    give(config_file, "1", RecordState.RUNNING, minutes=90)
    give(config_file, "2", RecordState.BOOTING, minutes=200)
    give(config_file, "52:54:00:00:00:99", RecordState.SUCCEEDED, minutes=300)
    rows = advertised("report", "running", "--json").json
    assert [(row["computer"], row["minutes"] // 10) for row in rows] == [("ws-02", 20), ("ws-01", 9)]
    rows = advertised("report", "running", "--longer-than", "120", "--json").json
    assert [row["computer"] for row in rows] == ["ws-02"]
    assert advertised("report", "running", "--longer-than", "240").err == "nothing is running\n"


def test_what_the_guard_holds_back(advertised: Pxed, config_file: Path) -> None:
    advertised("computer", "protect", "ws-02")
    first, second = advertised("report", "deployment", "Install", "--json").json
    assert (first["progress"], second["progress"]) == ("pending", "held back")
    assert second["message"] == "ws-02 is protected; `pxed computer unprotect` ends that"
    advertised("stop-all")
    assert counts(advertised("report", "deployments", "--json").json[0]) == {"members": 2, "held_back": 2}


def test_one_computer(advertised: Pxed, config_file: Path) -> None:
    assert advertised("report", "computer", "ws-01").err == "ws-01 was given nothing yet\n"
    give(config_file, "1", RecordState.SUCCEEDED)
    (row,) = advertised("report", "computer", "ws-01", "--json").json
    assert (row["advertisement"], row["kind"], row["progress"]) == ("Install", "mandatory", "succeeded")


def test_csv_is_for_spreadsheets(advertised: Pxed, config_file: Path) -> None:
    give(config_file, "1", RecordState.SUCCEEDED)
    rows = list(csv.reader(io.StringIO(advertised("report", "deployment", "Install", "--csv").out)))
    assert rows[0] == ["Computer", "Progress", "Tries", "Last try", "Last change", "Message"]
    assert rows[1][:3] == ["ws-01", "succeeded", "1"]
    assert datetime.fromisoformat(rows[1][3]) == NOW - timedelta(minutes=5)
    assert rows[2] == ["ws-02", "pending", "0", "", "", ""]


def test_nothing_is_an_empty_list(site: Pxed) -> None:
    assert site("report", "deployments", "--json").json == []
    assert site("report", "assigned").err == "everything that is assigned has run\n"


def test_wrong_use(advertised: Pxed) -> None:
    advertised("report", "deployment", "nowhere", code=1)
    advertised("report", "computer", "nobody", code=1)
    advertised("report", "deployment", "Install", "--progress", "lost", code=2)
    advertised("report", "deployments", "--csv", "--json", code=2)
