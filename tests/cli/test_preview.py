"""`pxed preview`, and `pxed explain` at another time with who set what."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from pxed.cli.session import Session
from pxed.site.model import PxeRecord, RecordState
from tests.cli.conftest import Pxed
from tests.support import NOW

WHEN = "2096-07-01 18:30"


@pytest.fixture(autouse=True)
def _zone_of_the_site(config_file: Path) -> None:
    config_file.write_text(config_file.read_text().replace("[service]", '[service]\ntime_zone = "Europe/Vienna"'))


def outcomes(site: Pxed, *options: str) -> dict[str, str]:
    return {row["computer"]: row["outcome"] for row in site("preview", *options, "--json").json}


def test_before_and_after_an_assignment(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory", "--at", WHEN)
    assert outcomes(site) == {"ws-01": "disk", "ws-02": "disk"}
    assert outcomes(site, "--at", "2096-07-01 18:29") == {"ws-01": "disk", "ws-02": "disk"}
    assert outcomes(site, "--at", WHEN) == {"ws-01": "install", "ws-02": "install"}
    assert outcomes(site, "--at", "2096-07-01T16:29:59Z") == {"ws-01": "disk", "ws-02": "disk"}


def test_each_computer_by_its_own_records_and_collections(site: Pxed, config_file: Path) -> None:
    site("collection", "add", "Left", "--parent", "Lab")
    site("collection", "add", "Hall")
    for name, mac, home in (("ws-03", "3", "Left"), ("ws-04", "4", "Hall")):
        site("computer", "add", name, "--mac", f"52:54:00:00:00:0{mac}", "--collection", home)
    site("advertise", "install", "--to", "Lab", "--mandatory", "--name", "Now")
    site("advertise", "install", "--to", "Hall", "--optional", "--name", "Later")
    site("computer", "protect", "ws-02")
    with Session(config_file).writing() as tx:
        tx.save_record(PxeRecord(0, "1", 1, RecordState.SUCCEEDED, 1, NOW, NOW, "", ""))
    everyone = site("preview", "--json").json
    assert [(row["computer"], row["outcome"]) for row in everyone] == [
        ("ws-01", "disk"),
        ("ws-02", "held back"),
        ("ws-03", "install"),
        ("ws-04", "ask"),
    ]
    assert "'Now' has run (try 1: succeeded)" in everyone[0]["reason"]
    assert "ws-02 is protected" in everyone[1]["reason"]
    assert (everyone[2]["advertisements"], everyone[3]["advertisements"]) == (["Now"], ["Later"])
    assert outcomes(site, "--collection", "Lab").keys() == {"ws-01", "ws-02", "ws-03"}


def test_what_is_decided_is_what_explain_says(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory", "--at", "weekly mon,thu 18:30", "--rerun", "always")
    for when in (WHEN, "2096-07-02 18:30"):
        for row in site("preview", "--at", when, "--json").json:
            data = site("explain", row["computer"], "--at", when, "--json").json
            assert (row["rule"], row["reason"]) == (data["rule"], data["reason"])


def test_the_last_line_counts(site: Pxed) -> None:
    assert site("preview").err == "2 computers: 2 disk\n"
    site("advertise", "install", "--to", "Lab", "--optional")
    outcome = site("preview", "--csv")
    assert outcome.err == "2 computers: 2 ask\n"
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert [(row["Computer"], row["Outcome"]) for row in rows] == [("ws-01", "ask"), ("ws-02", "ask")]


def test_a_processor_that_the_boot_image_is_not_for(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory")
    assert outcomes(site, "--arch", "uefi-arm64") == {"ws-01": "disk", "ws-02": "disk"}


def test_wrong_use(site: Pxed) -> None:
    site("preview", "--collection", "Nowhere", code=1)
    site("preview", "--at", "soon", code=2)
    site("preview", "--csv", "--json", code=2)


def test_nobody_at_all(pxed: Pxed) -> None:
    pxed("collection", "add", "Lab")
    assert pxed("preview", "--collection", "Lab", "--json").json == []
    assert pxed("preview").err == "no computers\n"


class TestExplain:
    def test_at_another_time(self, site: Pxed) -> None:
        site("advertise", "install", "--to", "Lab", "--mandatory", "--at", WHEN, "--expires", "2096-07-02 00:00")
        assert site("explain", "ws-01", "--json").json["next_change"] == "2096-07-01T16:30:00Z"
        due = site("explain", "ws-01", "--at", WHEN, "--json").json
        assert (due["rule"], due["next_change"]) == ("mandatory", "2096-07-01T22:00:00Z")
        over = site("explain", "ws-01", "--at", "2096-07-02 00:00", "--json").json
        assert (over["rule"], over["next_change"]) == ("nothing", None)
        text = site("explain", "ws-01", "--at", WHEN).out
        assert "next             may change by itself at 2096-07-02 00:00 CEST" in text
        site("explain", "ws-01", "--at", "soon", code=2)

    def test_says_who_set_what_it_rests_on(
        self, site: Pxed, config_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site("advertise", "install", "--to", "Lab", "--mandatory", "--name", "Now")
        monkeypatch.setenv("SUDO_USER", "joe")
        site("advertisement", "change", "Now", "--rerun", "always", "--wake")
        site("sequence", "disable", "install")
        origins = site("explain", "ws-01", "--json").json["set_by"]
        assert [(each["what"], each["user"]) for each in origins] == [
            ("advertisement 'Now' (id 1): rerun, wake", "joe"),
            ("advertisement 'Now' (id 1): made", "jane"),
            ("task sequence 'install' disabled", "joe"),
            ("computer ws-01 added to collection Lab", "jane"),
            (f"configuration {config_file}", ""),
        ]
        assert "set              task sequence 'install' disabled by joe, " in site("explain", "ws-01").out

    def test_an_unknown_computer_rests_on_the_configuration(self, site: Pxed, config_file: Path) -> None:
        (origin,) = site("explain", "52:54:00:99:99:99", "--json").json["set_by"]
        assert origin["what"] == f"configuration {config_file}"
