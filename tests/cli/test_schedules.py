"""Advertising with a schedule: `advertise`, `advertisement change|list|show`, `sequence disable|enable`."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.cli.conftest import Pxed

VIENNA = ZoneInfo("Europe/Vienna")


@pytest.fixture(autouse=True)
def _zone_of_the_site(config_file: Path) -> None:
    config_file.write_text(config_file.read_text().replace("[service]", '[service]\ntime_zone = "Europe/Vienna"'))


def mandatory(site: Pxed, *options: str) -> Pxed:
    site("advertise", "install", "--to", "Lab", "--mandatory", "--name", "ad", *options)
    return site


def test_all_terms_are_kept(site: Pxed) -> None:
    mandatory(
        site,
        *("--at", "Weekly Thu,Mon 18:30", "--at", "monthly second tuesday 8:00", "--rerun", "if-failed"),
        *("--start", "2096-01-01 08:00", "--expires", "2097-01-01T00:00:00Z", "--no-subcollections", "--no-pxe"),
        *("--wake", "--disabled", "--comment", "for the new year"),
    )
    made = site("advertisement", "show", "ad", "--json").json
    assert made["assignments"] == ["weekly mon,thu 18:30", "monthly second tue 08:00"]
    assert (made["rerun"], made["zone"], made["comment"]) == ("if-failed", "Europe/Vienna", "for the new year")
    assert (made["include_subcollections"], made["pxe"], made["wake"], made["enabled"]) == (False, False, True, False)
    assert (made["start"], made["expires"]) == ("2096-01-01T07:00:00Z", "2097-01-01T00:00:00Z")
    assert made["set_by"]["assignments"]["user"] == "jane"


def test_without_assignments_it_is_due_at_once(site: Pxed) -> None:
    outcome = site("advertise", "install", "--to", "Lab", "--mandatory")
    assert "mandatory, due since " in outcome.err
    assert site("advertisement", "show", "1", "--json").json["assignments"] == ["as soon as possible"]


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("utc", "2096-07-01 18:30 UTC"),
        ("site", "2096-07-01 18:30 CEST"),
        ("Asia/Tokyo", "2096-07-01 18:30 JST"),
    ],
)
def test_the_time_zone_of_its_assignments(site: Pxed, zone: str, shown: str) -> None:
    outcome = site("advertise", "install", "--to", "Lab", "--mandatory", "--at", "2096-07-01 18:30", "--zone", zone)
    assert outcome.err.endswith(f"mandatory, falls due {shown}\n")


def test_the_next_times_are_shown(site: Pxed) -> None:
    mandatory(site, "--at", "every 2 days from 2096-07-01 18:30")
    shown = site("advertisement", "show", "ad", "--json").json
    assert shown["next_due"][:2] == ["2096-07-01T16:30:00Z", "2096-07-03T16:30:00Z"]
    assert len(shown["next_due"]) == 5
    assert "2096-07-01 18:30 CEST, 2096-07-03 18:30 CEST" in site("advertisement", "show", "ad").out
    assert site("advertisement", "list", "--json").json[0]["next_due"] == "2096-07-01T16:30:00Z"
    site("advertisement", "disable", "ad")
    assert site("advertisement", "list", "--json").json[0]["next_due"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--at", "2001-01-01 10:00"), "'2001-01-01 10:00' would never fall due: now it is "),
        (("--at", "asap", "--at", "2001-01-01 10:00"), "right would be a time to come, or 'as soon as possible'"),
        (("--at", "2096-02-30 10:00"), "there is no day 2096-02-30"),
        (("--at", "monthly 32 10:00"), "no month has a day 32"),
        (("--at", "tomorrow"), "is no assignment; right would be one like 'as soon as possible', '2026-12-24 18:30'"),
        (
            ("--at", "2096-07-02 10:00", "--expires", "2096-07-01 10:00"),
            "its first time is 2096-07-02 10:00 CEST, and it expires 2096-07-01 10:00 CEST before that",
        ),
        (
            ("--at", "monthly 31 10:00", "--start", "2096-06-01 00:00", "--expires", "2096-07-01 00:00"),
            "its first time is 2096-07-31 10:00 CEST",
        ),
        (("--at", "2096-07-01 10:00", "--start", "2096-08-01 10:00"), "over before the start, 2096-08-01 10:00 CEST"),
        (("--expires", "2001-01-01 10:00"), "would expire before it starts: it expires 2001-01-01 10:00 CET and"),
        (
            ("--start", "2001-01-01 10:00", "--expires", "2002-01-01 10:00"),
            "would have expired already, 2002-01-01 10:00 CET",
        ),
        (("--zone", "Europe/Wien"), "knows no time zone 'Europe/Wien'"),
        (("--expires", "soon"), "'soon' is not a time such as"),
        (("--start", "0001-01-01 00:00"), "is not a time such as"),
        (("--name", "a\x1bb"), "contains the control character U+001B"),
    ],
)
def test_a_schedule_that_nobody_could_ever_get_is_refused_at_once(
    site: Pxed, options: tuple[str, ...], words: str
) -> None:
    assert words in site("advertise", "install", "--to", "Lab", "--mandatory", *options, code=2).err
    assert site("advertisement", "list", "--json").json == []


@pytest.mark.parametrize("option", [("--at", "asap"), ("--rerun", "always"), ("--wake",)])
def test_what_goes_with_mandatory_alone(site: Pxed, option: tuple[str, ...]) -> None:
    outcome = site("advertise", "install", "--to", "Lab", "--optional", *option, code=2)
    assert f"{option[0]} goes with --mandatory" in outcome.err


@pytest.mark.parametrize(
    ("at", "note"),
    [
        ("2096-03-25 02:30", "no clock in Europe/Vienna shows 2096-03-25 02:30"),
        ("2096-10-28 02:30", "clocks in Europe/Vienna show 2096-10-28 02:30 twice"),
        ("monthly 30 08:00", "leaves out the months that have no day 30"),
        ("monthly 28 08:00", ""),
        ("2096-03-25 03:00", ""),
    ],
)
def test_what_is_odd_about_a_time_is_said(site: Pxed, at: str, note: str) -> None:
    err = site("advertise", "install", "--to", "Lab", "--mandatory", "--at", at).err
    assert note in err
    assert ("note: " in err) == bool(note)


class TestChange:
    def test_what_is_named_changes_and_nothing_else(self, site: Pxed) -> None:
        mandatory(site, "--comment", "first", "--rerun", "always")
        before = site("advertisement", "show", "ad", "--json").json
        site("advertisement", "change", "ad", "--at", "weekly sat 22:00", "--expires", "2096-01-01 00:00", "--wake")
        after = site("advertisement", "show", "ad", "--json").json
        assert {name for name in before if before[name] != after[name]} - {"set_by"} == {
            *("assignments", "expires", "wake", "next_due")
        }
        assert "wake jane, " in site("advertisement", "show", "ad").out
        texts = [json.loads(line)["text"] for line in site("log", "--json").out.splitlines()]
        (text,) = [text for text in texts if "changed" in text]
        assert "assignments = weekly sat 22:00" in text

    def test_everything_can_be_changed(self, site: Pxed, tmp_path: Path) -> None:
        mandatory(site, "--rerun", "always", "--expires", "2096-01-01 00:00")
        site("collection", "add", "Hall")
        site("sequence", "add", "other", f"{tmp_path}/install.json", "--boot-image", "rescue")
        site(
            *("advertisement", "change", "ad", "--name", "new", "--sequence", "other", "--to", "Hall", "--optional"),
            *("--comment", "why", "--zone", "utc", "--expires", "never", "--no-pxe", "--no-subcollections"),
        )
        made = site("advertisement", "show", "new", "--json").json
        assert (made["sequence"], made["collection"], made["kind"]) == ("other", "Hall", "optional")
        assert made["assignments"] == []
        assert (made["comment"], made["zone"], made["expires"], made["pxe"]) == ("why", "UTC", None, False)

    def test_an_assignment_that_is_over_may_stay(self, site: Pxed) -> None:
        soon = datetime.now(VIENNA) + timedelta(minutes=2)
        mandatory(site, "--at", f"{soon:%Y-%m-%d %H:%M}", "--at", "weekly mon 8:00")
        later = f"{soon + timedelta(days=1):%Y-%m-%d %H:%M}"
        site("advertisement", "change", "ad", "--start", later)  # the first one is before that now
        site("advertisement", "change", "ad", "--comment", "still")
        assert "would never fall due" in site("advertisement", "change", "ad", "--at", "2001-01-01 8:00", code=2).err

    def test_nothing_is_different(self, site: Pxed) -> None:
        mandatory(site)
        assert "nothing is different" in site("advertisement", "change", "ad", "--rerun", "never").err
        site("advertisement", "change", "nobody", "--rerun", "never", code=1)

    def test_what_is_odd_about_its_times_is_said_when_they_change(self, site: Pxed) -> None:
        mandatory(site, "--at", "monthly 30 8:00")
        assert "note: " not in site("advertisement", "change", "ad", "--comment", "x").err
        assert (
            "note: 'monthly 29 08:00' leaves out"
            in site("advertisement", "change", "ad", "--at", "monthly 29 8:00").err
        )


def test_a_task_sequence_is_disabled_for_all(site: Pxed) -> None:
    mandatory(site)
    assert site("sequence", "disable", "install").err == "task sequence install is disabled\n"
    assert site("sequence", "list", "--json").json[0]["enabled"] is False
    assert "task sequence 'install' is disabled" in site("explain", "ws-01").out
    site("sequence", "enable", "install")
    assert site("explain", "ws-01", "--json").json["rule"] == "mandatory"
    site("sequence", "disable", "nothing", code=1)
