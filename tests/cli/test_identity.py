"""`pxed identity`: lists of identifiers."""

from __future__ import annotations

import pytest

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
