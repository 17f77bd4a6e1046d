"""The verbs about what computers shall do and did: advertise, advertisement, clear-last, history, sightings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pxed.cli.session import Session, user_name
from pxed.site.event import EventKind
from pxed.site.model import PxeRecord, RecordState, Sighting
from pxed.site.store import Tx
from tests.cli.conftest import Pxed

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@contextmanager
def writing(config_file: Path) -> Iterator[Tx]:
    """What the service does to the site beside the command line."""
    with Session(config_file).writing() as tx:
        yield tx


def give(config_file: Path, subject: str, advertisement: int, when: datetime, state: RecordState) -> None:
    """A record as it is after `advertisement` was handed out."""
    with writing(config_file) as tx:
        tx.save_record(PxeRecord(0, subject, advertisement, state, 1, when, when, "", ""))


class TestAdvertise:
    def test_mandatory_begins_now_and_has_a_name(self, site: Pxed) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        made = site("advertise", "install", "--to", "Lab", "--mandatory", "--json").json
        assert (made["name"], made["kind"], made["enabled"]) == ("install to Lab", "mandatory", True)
        assert (made["sequence"], made["collection"], made["boot_image"]) == ("install", "Lab", "rescue")
        assert before <= datetime.fromisoformat(made["start"]) <= datetime.now(UTC)
        assert made["expires"] is None

    def test_a_second_one_of_the_same_gets_a_name_of_its_own(self, site: Pxed) -> None:
        names = [site("advertise", "install", "--to", "Lab", "--optional", "--json").json["name"] for _ in range(3)]
        assert names == ["install to Lab", "install to Lab (2)", "install to Lab (3)"]
        assert site("advertisement", "show", "install to Lab (2)", "--json").json["id"] == 2

    def test_what_a_change_leaves_out_stays_and_has_no_default(self, site: Pxed) -> None:
        assert "default: as soon as possible" in " ".join(site("advertise", "--help").out.split())
        assert "[default" not in site("advertisement", "change", "--help").out.replace("default: /etc", "")

    def test_a_time_without_a_zone_is_that_of_the_site(self, site: Pxed) -> None:
        options = ("--mandatory", "--at", "2096-12-24 18:30", "--expires", "2097-01-01T00:00:00Z")
        made = site("advertise", "install", "--to", "Lab", *options, "--json").json
        assert made["assignments"] == ["2096-12-24 18:30"]
        assert made["expires"] == "2097-01-01T00:00:00Z"
        assert "falls due 2096-12-24 18:30 " in site("advertise", "install", "--to", "Lab", *options).err

    def test_optional_with_a_name(self, site: Pxed) -> None:
        assert (
            "rescue disk: optional"
            in site("advertise", "install", "--to", "Lab", "--optional", "--name", "rescue disk").err
        )

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("install", "--to", "Lab"), "either --mandatory or --optional"),
            (("install", "--to", "Lab", "--mandatory", "--optional"), "either --mandatory or --optional"),
            (("install", "--to", "Lab", "--optional", "--at", "2031-01-01 10:00"), "--at goes with --mandatory"),
            (("install", "--to", "Lab", "--mandatory", "--at", "tomorrow"), "is no assignment"),
            (("install", "--to", "Lab", "--mandatory", "--at", "2031-01-01"), "is no assignment"),
            (("install", "--to", "Lab", "--mandatory", "--at", "2031-02-30 10:00"), "there is no day 2031-02-30"),
            (("install", "--to", "Lab", "--mandatory", "--expires", "2001-01-01 10:00"), "expire before it starts"),
            (("install", "--mandatory"), "--to"),
            (("--to", "Lab", "--mandatory"), "SEQUENCE"),
        ],
    )
    def test_wrong_use(self, site: Pxed, arguments: tuple[str, ...], words: str) -> None:
        assert words in site("advertise", *arguments, code=2).err
        assert site("advertisement", "list", "--json").json == []

    def test_what_does_not_exist(self, site: Pxed) -> None:
        assert "nothing" in site("advertise", "nothing", "--to", "Lab", "--optional", code=1).err
        assert "Nowhere" in site("advertise", "install", "--to", "Nowhere", "--optional", code=1).err


class TestAdvertisement:
    @pytest.fixture(autouse=True)
    def _advertised(self, site: Pxed) -> None:
        for name in ("twin", "twin", "single", "2"):
            site("advertise", "install", "--to", "Lab", "--optional", "--name", name)

    def test_list_is_newest_first(self, site: Pxed) -> None:
        assert [row["id"] for row in site("advertisement", "list", "--json").json] == [4, 3, 2, 1]
        assert site("advertisement", "list").out.splitlines()[2].split()[:4] == ["3", "single", "optional", "install"]

    def test_a_name_that_only_one_has_will_do_and_wins_over_an_id(self, site: Pxed) -> None:
        assert site("advertisement", "show", "single", "--json").json["id"] == 3
        assert site("advertisement", "show", "1", "--json").json["id"] == 1
        assert site("advertisement", "show", "2", "--json").json["id"] == 4

    @pytest.mark.parametrize("verb", ["show", "enable", "disable", "remove"])
    def test_an_ambiguous_name_is_refused_with_the_ids(self, site: Pxed, verb: str) -> None:
        err = site("advertisement", verb, "twin", code=2).err
        assert "2 (to Lab), 1 (to Lab)" in err
        site("advertisement", verb, "nothing", code=1)
        site("advertisement", verb, "99", code=1)

    def test_disable_and_enable_are_repeatable(self, site: Pxed) -> None:
        for _ in range(2):
            assert site("advertisement", "disable", "single", "--json").json["enabled"] is False
        for _ in range(2):
            assert "is enabled" in site("advertisement", "enable", "single").err
        assert site("advertisement", "show", "single", "--json").json["enabled"] is True

    def test_remove(self, site: Pxed) -> None:
        assert site("advertisement", "remove", "1", "--json").json["id"] == 1
        assert [row["id"] for row in site("advertisement", "list", "--json").json] == [4, 3, 2]
        assert site("advertisement", "show", "twin", "--json").json["id"] == 2


class TestClearLast:
    @pytest.fixture(autouse=True)
    def _advertised(self, site: Pxed, config_file: Path) -> None:
        """ws-01 was given an older and a newer mandatory advertisement and, last of all, an optional one."""
        for name, kind in (("old", "--mandatory"), ("new", "--mandatory"), ("offer", "--optional")):
            site("advertise", "install", "--to", "Lab", kind, "--name", name)
        give(config_file, "1", 2, NOW, RecordState.SUCCEEDED)
        give(config_file, "1", 1, NOW - timedelta(days=1), RecordState.FAILED)
        give(config_file, "1", 3, NOW + timedelta(days=1), RecordState.BOOTING)

    def records(self, site: Pxed) -> list[str]:
        return [record["advertisement"] for record in site("computer", "show", "ws-01", "--json").json["records"]]

    @pytest.mark.parametrize("key", ["ws-01", "52-54-00-00-00-01"])
    def test_forgets_the_latest_mandatory_record_and_nothing_else(self, site: Pxed, key: str) -> None:
        outcome = site("clear-last", key, "--json")
        assert outcome.json == [
            {
                "computer": "ws-01",
                "advertisement": "new",
                "state": "succeeded",
                "tries": 1,
                "offered_at": "2026-05-01T12:00:00Z",
            }
        ]
        assert self.records(site) == ["offer", "old"]

    def test_a_second_time_there_is_nothing_to_forget(self, site: Pxed) -> None:
        assert "ws-01: new (succeeded, given " in site("clear-last", "ws-01").err
        for _ in range(2):
            assert site("clear-last", "ws-01").err == "ws-01: nothing to forget\n"
        assert self.records(site) == ["offer", "old"]

    def test_an_older_one_is_forgotten_by_its_name(self, site: Pxed) -> None:
        assert "ws-01: old (failed, given " in site("clear-last", "ws-01", "--advertisement", "old").err
        assert self.records(site) == ["offer", "new"]
        assert "is optional" in site("clear-last", "ws-01", "--advertisement", "offer", code=2).err

    def test_several_at_once_or_none(self, site: Pxed) -> None:
        site("clear-last", "ws-01", "nobody", code=1)
        assert self.records(site) == ["offer", "new", "old"]
        outcomes = site("clear-last", "ws-01", "ws-02", "52:54:00:00:00:01", "--json").json
        assert [(each["computer"], each["advertisement"]) for each in outcomes] == [("ws-01", "new"), ("ws-02", None)]

    def test_a_collection_with_or_without_what_is_below_it(self, site: Pxed) -> None:
        site("collection", "add", "House")
        site("collection", "move", "Lab", "--under", "House")
        assert site("clear-last", "--collection", "House", "--no-subcollections", "--json").json == []
        outcomes = site("clear-last", "--collection", "House", "--dry-run", "--json").json
        assert [each["computer"] for each in outcomes] == ["ws-01", "ws-02"]

    def test_leaves_a_line_of_history_with_the_person(self, site: Pxed) -> None:
        site("clear-last", "ws-01")
        site("clear-last", "ws-02")
        lines = [event for event in site("history", "ws-01", "--json").json if event["kind"] == "clear"]
        assert [(line["user"], "'new'" in line["text"]) for line in lines] == [("jane", True)]
        assert [event for event in site("history", "ws-02", "--json").json if event["kind"] == "clear"] == []

    def test_dry_run_forgets_nothing(self, site: Pxed) -> None:
        assert "ws-01: new (succeeded, given " in (err := site("clear-last", "ws-01", "--dry-run").err)
        assert "would be forgotten" in err
        assert self.records(site) == ["offer", "new", "old"]

    def test_a_collection(self, site: Pxed) -> None:
        outcomes = site("clear-last", "--collection", "Lab", "--json").json
        assert [(each["computer"], each["advertisement"]) for each in outcomes] == [("ws-01", "new"), ("ws-02", None)]
        site("collection", "add", "Empty")
        assert site("clear-last", "--collection", "Empty", "--json").json == []
        assert site("clear-last", "--collection", "Empty").err == "no computers in it\n"

    def test_of_a_large_collection_those_come_first_that_were_given_something(self, site: Pxed, tmp_path: Path) -> None:
        (tmp_path / "many.csv").write_text("".join(f"a{n},,52:54:00:00:01:{n:02x}\n" for n in range(150)))
        site("computer", "import", str(tmp_path / "many.csv"), "--collection", "Lab")
        said = site("clear-last", "--collection", "Lab").err.splitlines()
        assert said[0].startswith("ws-01: new (succeeded")
        assert said[1] == "a0: nothing to forget"
        assert said[100:] == ["and 52 more; --json lists them all"]

    def test_an_unknown_computer_that_was_served(self, site: Pxed, config_file: Path) -> None:
        give(config_file, "52:54:00:00:00:99", 1, NOW, RecordState.BOOTING)
        outcomes = site("clear-last", "525400000099", "--json").json
        assert [(each["computer"], each["advertisement"]) for each in outcomes] == [("52:54:00:00:00:99", "old")]

    def test_wrong_use(self, site: Pxed) -> None:
        site("clear-last", code=2)
        site("clear-last", "ws-01", "--no-subcollections", code=2)
        site("clear-last", "nobody", code=1)
        site("clear-last", "--collection", "Nowhere", code=1)


class TestHistory:
    def test_is_oldest_first_and_limited_to_the_latest(self, site: Pxed, config_file: Path) -> None:
        with writing(config_file) as tx:
            for number in range(3):
                tx.add_event(NOW + timedelta(minutes=number), EventKind.VERDICT, "1", f"verdict {number}")
        events = site("history", "ws-01", "--limit", "2", "--json").json
        assert [event["text"] for event in events] == ["verdict 1", "verdict 2"]
        assert events[0]["at"] == "2026-05-01T12:01:00Z"
        assert "verdict 2" in site("history", "52:54:00:00:00:01").out.splitlines()[-1]

    def test_of_some_kinds_alone(self, site: Pxed, config_file: Path) -> None:
        with writing(config_file) as tx:
            tx.add_event(NOW, EventKind.GUARD, "1", "held back")
            tx.add_event(NOW, EventKind.VERDICT, "1", "local boot")
        events = site("history", "ws-01", "--kind", "guard", "--kind", "state", "--json").json
        assert [event["text"] for event in events] == ["held back"]

    def test_of_a_computer_that_did_nothing(self, site: Pxed) -> None:
        assert site("history", "52:54:00:00:00:99", "--json").json == []
        assert "nothing is known" in site("history", "52:54:00:00:00:99").err

    def test_wrong_use(self, site: Pxed) -> None:
        site("history", "nobody", code=1)
        site("history", code=2)
        site("history", "ws-01", "--limit", "0", code=2)


class TestSightings:
    def test_listing(self, site: Pxed, config_file: Path) -> None:
        assert site("sightings", "--json").json == []
        assert site("sightings").err == "no unknown computers were seen\n"
        with writing(config_file) as tx:
            tx.saw(Sighting("52:54:00:00:00:99", None, 7, "eth\x1b0", "", NOW, NOW, 1))
        (row,) = site("sightings", "--json").json
        assert (row["mac"], row["guid"], row["architecture"], row["interface"]) == (
            "52:54:00:00:00:99",
            None,
            7,
            "eth\x1b0",
        )
        assert (row["architecture_name"], row["last_seen"]) == ("x64 UEFI", "2026-05-01T12:00:00Z")
        assert r"eth\x1b0" in site("sightings").out


def test_behind_sudo_the_person_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "jane")
    assert user_name() == "jane"
    monkeypatch.delenv("SUDO_USER")
    monkeypatch.setenv("LOGNAME", "joe")
    assert user_name() == "joe"
