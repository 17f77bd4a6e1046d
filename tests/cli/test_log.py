"""`pxed log`: what happened, across all computers, filtered, exported and followed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pxed.site.database import open_database
from pxed.site.event import EventKind
from pxed.site.sql import transaction
from tests.cli.conftest import Pxed

LATER = datetime(2031, 5, 1, 12, 0, tzinfo=UTC)


def add(config_file: Path, minute: int, kind: EventKind, subject: str, text: str) -> None:
    database = open_database("sqlite:///pxed.db", config_file.parent / "state")
    with transaction(database, "mary", LATER) as tx:
        tx.add_event(LATER + timedelta(minutes=minute), kind, subject, text)


@pytest.fixture
def busy(site: Pxed, config_file: Path) -> Pxed:
    """A site on which something happened to ws-01, ws-02 and a stranger, after all edits."""
    add(config_file, 0, EventKind.STATE, "1", "loading")
    add(config_file, 1, EventKind.GUARD, "2", "held back")
    add(config_file, 2, EventKind.STATE, "1", "booting")
    add(config_file, 3, EventKind.STATE, "52:54:00:00:00:99", "offered")
    return site


def texts(pxed: Pxed, *options: str) -> list[str]:
    return [json.loads(line)["text"] for line in pxed("log", "--json", *options).out.splitlines()]


def test_all_of_it_from_a_time_on(busy: Pxed) -> None:
    assert texts(busy, "--since", "2031-05-01T12:01:00Z") == ["held back", "booting", "offered"]


def test_the_latest_at_the_end(busy: Pxed) -> None:
    assert texts(busy, "--limit", "2") == ["booting", "offered"]
    assert texts(busy)[-4:] == ["loading", "held back", "booting", "offered"]


def test_of_some_computers_kinds_and_people(busy: Pxed) -> None:
    since = ("--since", "2031-05-01T12:00:00Z")
    assert texts(busy, "--computer", "ws-01", *since) == ["loading", "booting"]
    assert texts(busy, "--computer", "ws-02", "--computer", "525400000099", *since) == ["held back", "offered"]
    assert texts(busy, "--collection", "Lab", *since) == ["loading", "held back", "booting"]
    assert texts(busy, "--kind", "guard", *since) == ["held back"]
    assert texts(busy, "--user", "nobody") == []
    assert texts(busy, "--user", "mary", "--limit", "1") == ["offered"]


def test_as_text_with_the_name_of_the_computer(busy: Pxed) -> None:
    line = busy("log", "--limit", "1", "--kind", "guard").out
    assert line.split()[2:] == ["guard", "ws-02", "held", "back", "(mary)"]


def test_a_computer_that_is_gone_keeps_its_number(busy: Pxed) -> None:
    busy("computer", "remove", "ws-02")
    assert "#2" in busy("log", "--kind", "guard").out


def test_nothing_is_said_in_words_on_stderr(site: Pxed) -> None:
    outcome = site("log", "--kind", "wake")
    assert (outcome.out, outcome.err) == ("", "nothing has happened that fits\n")


def test_wrong_use(site: Pxed) -> None:
    site("log", "--computer", "nobody", code=1)
    site("log", "--collection", "Nowhere", code=1)
    site("log", "--kind", "gossip", code=2)
    site("log", "--since", "yesterday", code=2)


@pytest.fixture
def follower(busy: Pxed, config_file: Path) -> Iterator[subprocess.Popen[str]]:
    # where tests run in the background of a shell, SIGINT is ignored from the start
    interruptible = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{interruptible}; from pxed.cli.main import main; main()"
    command = [sys.executable, "-c", code, "log", "--follow", "--limit", "1", "--kind", "state"]
    environment = os.environ | {"PXED_CONFIG": str(config_file)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        yield process
        process.kill()


def test_follow_goes_on_with_what_happens(follower: subprocess.Popen[str], config_file: Path) -> None:
    assert follower.stdout is not None
    assert "offered" in follower.stdout.readline()
    add(config_file, 4, EventKind.GUARD, "1", "another kind")
    add(config_file, 5, EventKind.STATE, "1", "running")
    assert "running" in follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    assert follower.wait(10) == 130
