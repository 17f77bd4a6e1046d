"""`pxed identity`: lists of identifiers."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pxed.site.database import open_database
from pxed.site.model import Sighting
from pxed.site.sql import transaction
from tests.cli.conftest import Pxed

MAC, GUID = "52:54:00:00:00:01", "4c4c4544-0044-4a10-8039-b4c04f333232"


def test_what_is_ignored_is_listed_explained_and_taken_off_again(site: Pxed) -> None:
    assert "no identifier is on the ignored list" in site("identity", "ignore", "list").err
    outcome = site("identity", "ignore", "add", "5254.0000.0001", GUID.upper(), "--comment", "a printer")
    assert outcome.err.splitlines() == [
        f"MAC address {MAC} is put on the ignored list; computer ws-01 has it",
        f"GUID {GUID} is put on the ignored list",
    ]
    rows = site("identity", "ignore", "list", "--json").json
    assert [(row["kind"], row["value"], row["comment"], row["user"]) for row in rows] == [
        ("mac", MAC, "a printer", "jane"),
        ("guid", GUID, "a printer", "jane"),
    ]
    data = site("explain", "ws-01", "--json").json
    assert (data["verdict"], data["rule"]) == ("ignore", "ignore-list")
    assert f"the MAC address {MAC} (a printer) was put on the ignored list by jane" in data["reason"]
    site("identity", "ignore", "remove", MAC, GUID)
    assert site("identity", "ignore", "list", "--json").json == []
    assert site("explain", "ws-01", "--json").json["rule"] == "nothing"


def test_a_shared_mac_identifies_nobody(site: Pxed) -> None:
    site("identity", "share", "add", MAC)
    data = site("explain", "ws-01", "--json").json
    assert (data["standing"], data["rule"]) == ("unknown", "unknown-support")
    assert MAC in {row["value"] for row in site("identity", "share", "list", "--json").json}
    outcome = site("computer", "add", "ws-03", "--mac", MAC, code=1)
    assert "so it tells no computer from another; leave it out" in outcome.err


@pytest.mark.parametrize("verb", [("ignore",), ("share",)])
def test_what_cannot_be_is_said_in_one_sentence_and_changes_nothing(site: Pxed, verb: tuple[str]) -> None:
    assert "neither a MAC address nor a GUID" in site("identity", *verb, "add", "printer", code=2).err
    site("identity", *verb, "add", MAC)
    outcome = site("identity", *verb, "remove", MAC, "52:54:00:00:00:09", code=1)
    assert outcome.err.strip().endswith("list; nothing was changed")
    assert MAC in {row["value"] for row in site("identity", *verb, "list", "--json").json}


@pytest.fixture
def seen(site: Pxed, tmp_path: Path) -> Pxed:
    """A site on which two computers were seen, of which the first waits for approval."""
    engine = open_database("sqlite:///pxed.db", tmp_path / "state")
    with transaction(engine, "") as tx:
        for number in (8, 9):
            at = datetime.now(UTC)
            sighting = Sighting(f"52:54:00:00:00:0{number}", uuid.UUID(int=number), 7, "eth0", "", at, at, 1)
            tx.saw(sighting)
            if number == 8:
                tx.waits(sighting, begins=True)
    return site


def test_a_computer_that_waits_is_approved_by_its_id(seen: Pxed) -> None:
    first, second = sorted(seen("sightings", "--json").json, key=lambda row: row["mac"])
    assert (bool(first["waiting_since"]), second["waiting_since"]) == (True, None)
    assert seen("status", "--json", code=69).json["site"]["waiting"] == 1
    outcome = seen("computer", "approve", str(first["id"]), "--name", "ws-08", "--collection", "Lab")
    assert outcome.err == "computer ws-08 is known, and it goes on\n"
    shown = seen("computer", "show", "52:54:00:00:00:08", "--json").json
    assert "Lab" in [each["name"] for each in shown["collections"]]
    assert [row["mac"] for row in seen("sightings", "--json").json] == ["52:54:00:00:00:09"]


def test_a_computer_is_rejected_by_its_mac(seen: Pxed) -> None:
    outcome = seen("computer", "reject", "52-54-00-00-00-09", "--comment", "a visitor's")
    assert "pxed identity ignore remove 52:54:00:00:00:09 ends that" in outcome.err
    assert seen("explain", "52:54:00:00:00:09", "--json").json["rule"] == "ignore-list"


def test_an_approval_of_nobody_or_into_nothing_changes_nothing(seen: Pxed) -> None:
    assert "was seen with the ID or MAC address 77" in seen("computer", "approve", "77", "--name", "x", code=1).err
    mac = "52:54:00:00:00:09"
    assert "no collection Gone" in seen("computer", "approve", mac, "--name", "x", "--collection", "Gone", code=1).err
    assert "computer ws-01 has this name" in seen("computer", "approve", mac, "--name", "ws-01", code=1).err
    assert len(seen("sightings", "--json").json) == 2


def test_an_unknown_computer_that_may_wait_is_explained(site: Pxed, config_file: Path) -> None:
    config_file.write_text(config_file.read_text() + '[responder]\nunknown_computers = "approval"\n')
    outcome = site("explain", "52:54:00:00:00:09")
    assert outcome.out.splitlines()[-1].endswith("waits at its boot loader until `pxed computer approve`")
    site("check")
