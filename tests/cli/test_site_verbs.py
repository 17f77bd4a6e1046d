"""The verbs that keep the site, each with what it does and what it refuses."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from pxed.sequence.model import CommandStep, Group, parse_toml
from tests.cli.conftest import Pxed

GUID = "4c4c4544-0044-4a10-8039-b4c04f333232"


def names(site: Pxed, *arguments: str) -> list[str]:
    return [row["name"] for row in site(*arguments, "--json").json]


@pytest.mark.parametrize("verb", ["computer", "bootimage", "sequence", "advertisement"])
def test_listings_of_an_empty_site_are_empty(pxed: Pxed, verb: str) -> None:
    pxed("collection", "add", "x")
    pxed("collection", "remove", "x")
    assert pxed(verb, "list", "--json").json == []
    outcome = pxed(verb, "list")
    assert outcome.out == ""
    assert outcome.err.startswith("no ")


def test_reading_a_site_that_was_not_begun_says_how_to_begin(pxed: Pxed, tmp_path: Path) -> None:
    outcome = pxed("computer", "list", code=74)
    assert "there is no database" in outcome.err
    assert not (tmp_path / "state").exists()


def test_writing_begins_a_site_that_others_cannot_read(pxed: Pxed, tmp_path: Path) -> None:
    pxed("collection", "add", "Lab")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "state" / "pxed.db").stat().st_mode & 0o777 == 0o600


def test_a_state_directory_that_cannot_be_made_is_named(pxed: Pxed, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    outcome = pxed("collection", "add", "Lab", code=1)
    assert f"{tmp_path}/state" in outcome.err


class TestComputer:
    def test_add_takes_every_notation_and_prints_one(self, pxed: Pxed) -> None:
        added = pxed(
            "computer", "add", "pc", "--mac", "52-54-00-AA-00-01", "--mac", "525400aa0002", "--guid", GUID.upper()
        )
        assert added.out == ""
        assert "computer pc" in added.err
        assert pxed("computer", "list", "--json").json == [
            {
                "id": 1,
                "name": "pc",
                "macs": ["52:54:00:aa:00:01", "52:54:00:aa:00:02"],
                "guid": GUID,
                "protected": False,
                "source": "",
                "firmware": "",
            }
        ]
        assert pxed("computer", "list").out.splitlines()[1].split() == [
            "pc", "52:54:00:aa:00:01,", "52:54:00:aa:00:02", GUID,
        ]  # fmt: skip

    def test_add_with_json_prints_what_was_added(self, pxed: Pxed) -> None:
        outcome = pxed("computer", "add", "pc", "--guid", GUID, "--json")
        assert outcome.json == {
            "id": 1, "name": "pc", "macs": [], "guid": GUID, "protected": False, "source": "", "firmware": "",
        }  # fmt: skip
        assert outcome.err == ""

    def test_add_overwrites_the_computer_that_it_is(self, site: Pxed) -> None:
        site("computer", "add", "renamed", "--mac", "52:54:00:00:00:01")
        assert names(site, "computer", "list") == ["renamed", "ws-02"]

    def test_add_refuses_what_identifies_nothing_or_two(self, site: Pxed) -> None:
        assert "neither a MAC address nor a GUID" in site("computer", "add", "pc", code=2).err
        assert "is not a MAC address" in site("computer", "add", "pc", "--mac", "52:54", code=2).err
        assert "is not a GUID" in site("computer", "add", "pc", "--guid", "1234", code=2).err
        both = ("--mac", "52:54:00:00:00:01", "--mac", "52:54:00:00:00:02")
        assert "different computers" in site("computer", "add", "pc", *both, code=1).err
        assert names(site, "computer", "list") == ["ws-01", "ws-02"]

    def test_add_to_an_unknown_collection_adds_nothing(self, site: Pxed) -> None:
        site("computer", "add", "pc", "--guid", GUID, "--collection", "Nowhere", code=1)
        assert names(site, "computer", "list") == ["ws-01", "ws-02"]

    def test_list_of_a_collection(self, site: Pxed) -> None:
        site("computer", "add", "pc", "--guid", GUID)
        assert names(site, "computer", "list", "--collection", "Lab") == ["ws-01", "ws-02"]
        site("computer", "list", "--collection", "Nowhere", code=1)

    @pytest.mark.parametrize("key", ["ws-01", "525400000001", "52-54-00-00-00-01"])
    def test_show_by_any_identifier(self, site: Pxed, key: str) -> None:
        assert site("computer", "show", key, "--json").json == {
            "id": 1,
            "name": "ws-01",
            "macs": ["52:54:00:00:00:01"],
            "guid": None,
            "protected": False,
            "source": "",
            "firmware": "",
            "variables": {},
            "collections": [{"name": "Lab", "how": ["direct"]}, {"name": "all-computers", "how": ["built in"]}],
            "records": [],
        }
        assert "collections:  name Lab, how direct\n" in site("computer", "show", key).out

    def test_show_of_nobody(self, site: Pxed) -> None:
        assert site("computer", "show", "nobody", code=1).err == (
            "pxed: no computer has the name, MAC address or GUID nobody\n"
        )

    def test_remove_removes_all_or_none(self, site: Pxed) -> None:
        site("computer", "remove", "ws-01", "nobody", code=1)
        assert names(site, "computer", "list") == ["ws-01", "ws-02"]
        assert site("computer", "remove", "ws-01", "52:54:00:00:00:01", "--json").json == ["ws-01"]
        assert names(site, "computer", "list") == ["ws-02"]
        site("computer", "remove", code=2)


class TestBootImage:
    def test_add_keeps_the_files_with_their_checksums(self, site: Pxed, tmp_path: Path) -> None:
        (image,) = site("bootimage", "list", "--json").json
        assert (image["name"], image["architectures"], image["size"]) == ("rescue", ["amd64"], 12)
        (variant,) = image["variants"]
        assert variant["command_line"] == "quiet"
        assert [file["name"] for file in (variant["kernel"], *variant["initrds"])] == ["vmlinuz", "initrd.img"]
        assert (tmp_path / "state" / "images" / str(image["id"]) / "amd64" / "vmlinuz").read_bytes() == b"kernel"

    def test_a_second_architecture_joins_the_first(self, site: Pxed, tmp_path: Path) -> None:
        site("bootimage", "add", "rescue", "--arch", "arm64", "--kernel", f"{tmp_path}/vmlinuz")
        assert sorted(site("bootimage", "show", "rescue", "--json").json["architectures"]) == ["amd64", "arm64"]

    def test_add_on_a_site_that_was_not_begun(self, pxed: Pxed, tmp_path: Path) -> None:
        (tmp_path / "vmlinuz").write_bytes(b"kernel")
        pxed("bootimage", "add", "x", "--arch", "amd64", "--kernel", f"{tmp_path}/vmlinuz")
        assert names(pxed, "bootimage", "list") == ["x"]

    def test_add_refuses(self, site: Pxed, tmp_path: Path) -> None:
        kernel = ("--kernel", f"{tmp_path}/vmlinuz")
        site("bootimage", "add", "x", "--arch", "amd64", "--kernel", "absent", code=2)
        site("bootimage", "add", "x", "--arch", "vax", *kernel, code=2)
        site("bootimage", "add", "x", "--arch", "amd64", *kernel, "--command-line", "a\nb", code=2)
        assert names(site, "bootimage", "list") == ["rescue"]

    def test_show(self, site: Pxed) -> None:
        out = site("bootimage", "show", "rescue").out
        assert "vmlinuz, bytes 6, sha256 " in out
        assert "install" in out
        site("bootimage", "show", "nothing", code=1)

    def test_verify_finds_what_was_changed(self, site: Pxed, tmp_path: Path) -> None:
        assert site("bootimage", "verify", "--json").json == []
        (tmp_path / "state/images/1/amd64/vmlinuz").write_bytes(b"Kernel")
        (tmp_path / "state/images/1/amd64/initrd.img").unlink()
        outcome = site("bootimage", "verify", "rescue", code=1)
        assert "SHA-256" in outcome.out
        assert "missing" in outcome.out
        assert "1 of 1 boot images" in outcome.err
        site("bootimage", "verify", "nothing", code=1)

    def test_remove_refuses_while_used(self, site: Pxed) -> None:
        assert "install" in site("bootimage", "remove", "rescue", code=1).err
        site("sequence", "remove", "install")
        site("bootimage", "remove", "rescue")
        assert names(site, "bootimage", "list") == []
        site("bootimage", "remove", "rescue", code=1)

    def test_files_of_an_old_revision_stay_until_no_grant_can_name_them(
        self, site: Pxed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        again = ("bootimage", "add", "rescue", "--arch", "amd64", "--kernel", f"{tmp_path}/vmlinuz")
        images = tmp_path / "state" / "images"
        site(*again)
        assert sorted(path.name for path in images.iterdir()) == ["1", "2"]
        later = datetime.now(UTC) + timedelta(minutes=241)
        monkeypatch.setattr("pxed.cli.bootimage.datetime", SimpleNamespace(now=lambda _zone: later))
        site(*again)
        assert sorted(path.name for path in images.iterdir()) == ["3"]


class TestSequence:
    def test_the_help_shows_a_task_sequence(self, pxed: Pxed) -> None:
        lines = pxed("sequence", "add", "--help").out.splitlines()
        begin, end = lines.index("    [[steps]]"), next(i for i, line in enumerate(lines) if "Example:" in line)
        first, second = parse_toml("\n".join(lines[begin:end])).steps
        assert isinstance(first, CommandStep)
        assert isinstance(second, Group)
        assert second.continue_on_error

    DOCUMENT = {"steps": [{"kind": "command", "name": "Say", "run": "echo hello"}]}  # noqa: RUF012 - read only

    def test_add_list_show(self, site: Pxed) -> None:
        expected = {"id": 1, "name": "install", "boot_image": "rescue", "document": self.DOCUMENT, "enabled": True}
        assert site("sequence", "list", "--json").json == [expected]
        assert site("sequence", "list").out.splitlines()[1].split() == ["install", "rescue", "1", "yes"]
        assert site("sequence", "show", "install", "--json").json == expected | {"advertisements": []}

    def test_toml_with_groups_is_shown_as_an_outline(self, site: Pxed, tmp_path: Path) -> None:
        (tmp_path / "nested.toml").write_text(
            '[[steps]]\nkind = "group"\nname = "Outer"\n'
            '[[steps.steps]]\nkind = "command"\nname = "Inner"\nrun = "true"\ncontinue_on_error = true\n'
        )
        site("sequence", "add", "nested", f"{tmp_path}/nested.toml", "--boot-image", "rescue")
        out = site("sequence", "show", "nested").out
        assert "1 Outer\n" in out
        assert "1.1 Inner, run true, continue on error yes\n" in out

    def test_add_from_standard_input_overwrites(self, site: Pxed, monkeypatch: pytest.MonkeyPatch) -> None:
        data = io.BytesIO(b'{"steps": [{"kind": "command", "name": "New", "run": "true"}]}')
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=data))
        site("sequence", "add", "install", "-", "--boot-image", "rescue")
        assert site("sequence", "show", "install", "--json").json["document"]["steps"][0]["name"] == "New"

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("bad.json", b"{", "not JSON"),
            ("bad.json", b'{"steps": []}', "steps"),
            ("bad.json", b"\xff", "utf-8"),
            ("bad.toml", b"steps = x\n", "line 1"),
            ("bad.toml", b'[[steps]]\nkind = "dance"', "steps[0]"),
        ],
    )
    def test_a_bad_document_is_refused_with_its_place(
        self, site: Pxed, tmp_path: Path, name: str, content: bytes, words: str
    ) -> None:
        (tmp_path / name).write_bytes(content)
        err = site("sequence", "add", "other", f"{tmp_path}/{name}", "--boot-image", "rescue", code=2).err
        assert f"{tmp_path}/{name}: " in err
        assert words in err
        assert names(site, "sequence", "list") == ["install"]

    def test_add_needs_a_boot_image_that_exists(self, site: Pxed, tmp_path: Path) -> None:
        site("sequence", "add", "other", f"{tmp_path}/install.json", "--boot-image", "nothing", code=1)
        site("sequence", "add", "other", f"{tmp_path}/install.json", code=2)
        site("sequence", "add", "other", f"{tmp_path}/absent.json", "--boot-image", "rescue", code=2)

    def test_remove_refuses_while_advertised(self, site: Pxed) -> None:
        site("advertise", "install", "--to", "Lab", "--optional")
        site("sequence", "remove", "install", code=1)
        site("advertisement", "remove", "1")
        site("sequence", "remove", "install")
        site("sequence", "show", "install", code=1)
        site("sequence", "remove", "install", code=1)
