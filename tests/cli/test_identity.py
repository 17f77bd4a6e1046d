"""`pxed identity`: lists of identifiers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pxed.bucket import Bucket
from pxed.identities import Identities
from pxed.site.database import open_database
from pxed.site.model import PxeRecord, RecordState, Sighting
from pxed.site.sql import transaction
from pxed.site.store import Tx
from tests.cli.conftest import Pxed

MAC, GUID = "52:54:00:00:00:01", "4c4c4544-0044-4a10-8039-b4c04f333232"


def test_what_is_ignored_is_listed_explained_and_taken_off_again(site: Pxed) -> None:
    assert "no identifier is on the ignore list" in site("identity", "ignore", "list").err
    outcome = site("identity", "ignore", "add", "5254.0000.0001", GUID.upper(), "--comment", "a printer")
    assert outcome.err.splitlines() == [
        f"MAC address {MAC} is put on the ignore list; computer ws-01 has it",
        f"GUID {GUID} is put on the ignore list",
    ]
    rows = site("identity", "ignore", "list", "--json").json
    assert [(row["kind"], row["value"], row["comment"], row["user"]) for row in rows] == [
        ("mac", MAC, "a printer", "jane"),
        ("guid", GUID, "a printer", "jane"),
    ]
    data = site("explain", "ws-01", "--json").json
    assert (data["verdict"], data["rule"]) == ("ignore", "ignore-list")
    assert f"the MAC address {MAC} (a printer) was put on the ignore list by jane" in data["reason"]
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
    database = open_database("sqlite:///pxed.db", tmp_path / "state")
    with transaction(database, "") as tx:
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


@pytest.fixture
def disagreeing(site: Pxed, tmp_path: Path) -> Pxed:
    """A site on which a computer showed the MAC address of one and the GUID of another."""
    site("computer", "add", "ws-09", "--guid", GUID)
    with transaction(open_database("sqlite:///pxed.db", tmp_path / "state"), "") as tx:
        identities = Identities(lambda job: run_in(tx, job), Bucket(rate=1, burst=1))
        identities.notice(MAC, uuid.UUID(GUID), "eth0", datetime.now(UTC), conflict=True)
    return site


def run_in(tx: Tx, job: Callable[[Tx], object]) -> None:
    job(tx)


def test_the_queue_says_what_was_seen_and_what_it_looks_like(disagreeing: Pxed) -> None:
    (row,) = disagreeing("identity", "conflicts", "--json").json
    assert (row["kind"], row["looks_like"]) == ("twice", "one computer entered twice")
    assert (row["macs"], row["guids"], row["computers"]) == ([MAC], [GUID], ["ws-01", "ws-09"])
    assert (row["interface"], row["count"], row["serial"]) == ("eth0", 1, "")
    assert disagreeing("status", "--json", code=69).json["site"]["conflicts"] == 1
    data = disagreeing("explain", MAC, "--guid", GUID, "--json").json
    assert data["standing"] == "conflict"


@pytest.mark.parametrize(
    ("way", "how"),
    [
        (("--merge", "ws-01"), f"ws-09 merged into ws-01, ws-01 has the GUID {GUID}"),
        (("--share", "mac"), f"the MAC address {MAC} put on the shared list"),
        (("--ignore", "guid"), f"the GUID {GUID} put on the ignore list"),
        (("--dismiss",), "dismissed"),
    ],
)
def test_each_way_settles_it_and_says_how(disagreeing: Pxed, way: tuple[str, ...], how: str) -> None:
    assert disagreeing("identity", "settle", "1", *way).err == f"conflict 1 is settled: {how}\n"
    assert disagreeing("identity", "conflicts", "--json").json == []
    (row,) = disagreeing("identity", "conflicts", "--all", "--json").json
    assert (row["settled_by"], row["settled_how"]) == ("jane", how)
    texts = [(event["user"], event["text"]) for event in disagreeing("history", "ws-01", "--json").json]
    assert ("jane", f"conflict 1 settled: {how}") in texts
    assert "was settled by jane" in disagreeing("identity", "settle", "1", "--dismiss", code=1).err


def test_a_mac_that_is_all_that_a_computer_has_cannot_be_moved_away(disagreeing: Pxed) -> None:
    outcome = disagreeing("identity", "settle", "1", "--move-mac", "ws-09", code=1)
    assert "--merge ws-09 makes them one" in outcome.err
    disagreeing("computer", "add", "ws-01", "--mac", MAC, "--guid", "4c4c4544-0044-4a10-8039-b4c04f333233")
    outcome = disagreeing("identity", "settle", "1", "--move-mac", "ws-09")
    assert outcome.err.endswith(f"the MAC address {MAC} moved from ws-01 to ws-09\n")


@pytest.mark.parametrize("way", [(), ("--share", "mac", "--dismiss"), ("--share", "name")])
def test_one_way_is_needed(disagreeing: Pxed, way: tuple[str, ...]) -> None:
    disagreeing("identity", "settle", "1", *way, code=2)
    assert len(disagreeing("identity", "conflicts", "--json").json) == 1


def test_a_conflict_that_is_none(site: Pxed) -> None:
    assert "there is no conflict 7" in site("identity", "settle", "7", "--dismiss", code=1).err
    assert site("identity", "conflicts").err == "no identifiers disagree\n"


def test_an_unknown_computer_that_was_installed_is_explained(site: Pxed, config_file: Path, tmp_path: Path) -> None:
    config_file.write_text(config_file.read_text() + '[responder]\nunknown_computers = "Lab"\n')
    site("advertise", "install", "--to", "Lab", "--mandatory", "--name", "Now")
    mac, now = "52:54:00:00:00:09", datetime.now(UTC)
    assert site("explain", mac, "--json").json["mandatory"]
    with transaction(open_database("sqlite:///pxed.db", tmp_path / "state"), "") as tx:
        (one,) = tx.advertisements()
        done = PxeRecord(0, mac, one.id, RecordState.SUCCEEDED, 1, now, now, "", "", assigned_at=now)
        tx.save_record(done)
    for name in ("", "ws-09"):
        data = site("explain", mac, "--json").json
        assert (data["verdict"], data["computer"]) == ("abort", name)
        assert "'Now' has run (try 1: succeeded); clear-last allows it again" in data["reason"]
        site("computer", "add", "ws-09", "--mac", mac, "--collection", "Lab")


class TestAnUnknownComputerBehindASharedMac:
    """Its records are kept under its GUID."""

    DOCK = "52:54:00:00:00:77"

    @pytest.fixture
    def installed(self, site: Pxed, config_file: Path, tmp_path: Path) -> Pxed:
        """A site on which it was installed."""
        config_file.write_text(config_file.read_text() + '[responder]\nunknown_computers = "Lab"\n')
        site("identity", "share", "add", self.DOCK)
        site("advertise", "install", "--to", "Lab", "--mandatory", "--name", "Now")
        now = datetime.now(UTC)
        with transaction(open_database("sqlite:///pxed.db", tmp_path / "state"), "") as tx:
            (one,) = tx.advertisements()
            tx.save_record(PxeRecord(0, GUID, one.id, RecordState.FAILED, 1, now, now, "", "", assigned_at=now))
        return site

    @pytest.mark.parametrize("guid", [GUID, str(uuid.UUID(bytes=uuid.UUID(GUID).bytes_le))])
    def test_is_told_by_its_guid_in_either_byte_order(self, installed: Pxed, guid: str) -> None:
        assert "'Now' has run (try 1: failed)" in installed("explain", guid, "--json").json["reason"]
        assert [row["advertisement"] for row in installed("report", "computer", guid, "--json").json] == ["Now"]
        assert f"{GUID}: Now (failed" in installed("clear-last", guid).err
        assert installed("explain", guid, "--json").json["mandatory"]
        assert [line["kind"] for line in installed("history", guid, "--json").json] == ["clear"]
        assert "nothing to forget" in installed("clear-last", guid).err
        assert "no MAC address is known" in installed("wake", guid, code=69).err

    def test_is_not_told_by_the_address(self, installed: Pxed) -> None:
        for verb in (("clear-last",), ("report", "computer")):
            said = installed(*verb, self.DOCK, code=2).err
            assert f"several computers share the MAC address {self.DOCK}; say the GUID of the one that is meant" in said

    def test_is_no_known_one(self, installed: Pxed) -> None:
        said = installed("computer", "show", GUID, code=1).err
        assert f"{GUID}; `pxed report computer {GUID}` shows what an unknown one was given" in said


def test_an_unknown_computer_is_told_by_the_guid_that_it_showed_if_no_other_did(site: Pxed, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first, second = "52:54:00:00:00:78", "52:54:00:00:00:79"

    def shows(mac: str) -> None:
        with transaction(open_database("sqlite:///pxed.db", tmp_path / "state"), "") as tx:
            tx.saw(Sighting(mac, uuid.UUID(GUID), 7, "lo", "", now, now, 1))

    assert "no computer has the name" in site("clear-last", GUID, code=1).err
    shows(first)
    assert site("clear-last", GUID).err == f"{first}: nothing to forget\n"
    assert first in site("explain", GUID).out
    shows(second)
    for verb in ("clear-last", "explain", "history"):
        said = site(verb, GUID, code=2).err
        assert f"several unknown computers showed the GUID {GUID}; say which MAC address is meant: " in said
