"""`pxed computer import`: many computers from a file."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.conftest import Pxed
from tests.cli.test_site_verbs import GUID, names

NEW, OLD = "52:54:00:00:00:03", "52:54:00:00:00:02"


class TestImport:
    GOOD = f"NEWCOMP1,{GUID},05:06:07:08:09:0A\nws-01,,52:54:00:00:00:01 52:54:00:00:00:11\nws-02,,52:54:00:00:00:02\n"

    def write(self, path: Path, text: str) -> str:
        file = path / "computers.csv"
        file.write_text(text)
        return str(file)

    def test_adds_changes_and_keeps(self, site: Pxed, tmp_path: Path) -> None:
        outcome = site("computer", "import", self.write(tmp_path, self.GOOD), "--collection", "Lab")
        assert outcome.out == ""
        assert outcome.err == "1 computer added, 1 changed, 1 unchanged\n"
        assert names(site, "computer", "list", "--collection", "Lab") == ["NEWCOMP1", "ws-01", "ws-02"]
        assert site("computer", "show", "ws-01", "--json").json["macs"] == ["52:54:00:00:00:01", "52:54:00:00:00:11"]

    def test_json_lists_every_line(self, site: Pxed, tmp_path: Path) -> None:
        rows = site("computer", "import", self.write(tmp_path, self.GOOD), "--json").json
        assert [(row["line"], row["name"], row["change"]) for row in rows] == [
            (1, "NEWCOMP1", "add"),
            (2, "ws-01", "change"),
            (3, "ws-02", "keep"),
        ]
        assert "52:54:00:00:00:11 added" in rows[1]["text"]

    def test_dry_run_shows_and_changes_nothing(self, site: Pxed, tmp_path: Path) -> None:
        outcome = site("computer", "import", self.write(tmp_path, self.GOOD), "--dry-run")
        assert "NEWCOMP1" in outcome.out
        assert outcome.err == "1 computer would be added, 1 would be changed, 1 unchanged\n"
        assert names(site, "computer", "list") == ["ws-01", "ws-02"]

    def test_a_bad_line_stops_everything(self, site: Pxed, tmp_path: Path) -> None:
        file = self.write(tmp_path, f"{self.GOOD}broken\nnothing,,\n")
        outcome = site("computer", "import", file, code=1)
        assert "line 4: " in outcome.err
        assert "line 5: " in outcome.err
        assert "nothing is imported: 2 bad lines" in outcome.err
        assert names(site, "computer", "list") == ["ws-01", "ws-02"]

    def test_many_bad_lines_are_counted(self, site: Pxed, tmp_path: Path) -> None:
        file = self.write(tmp_path, "".join(f"pc{n},52:54:00:00:02:{n:02x}\n" for n in range(50)))
        said = site("computer", "import", file, code=1).err.splitlines()
        assert [line.partition(":")[0] for line in said[:20]] == [f"line {n}" for n in range(1, 21)]
        assert said[20:] == [
            "and 30 more bad lines; --json lists them all",
            "its first lines look like --columns name,mac",
            "pxed: nothing is imported: 50 bad lines; --skip-bad would leave them out",
        ]
        assert len(site("computer", "import", file, "--json", code=1).json) == 50

    def test_a_bad_line_is_in_the_json_too(self, site: Pxed, tmp_path: Path) -> None:
        file = self.write(tmp_path, f"broken\n{self.GOOD}")
        rows = site("computer", "import", file, "--json", code=1).json
        assert (rows[0]["line"], rows[0]["change"], rows[0]["name"]) == (1, "bad", None)

    def test_skip_bad_imports_the_others(self, site: Pxed, tmp_path: Path) -> None:
        file = self.write(tmp_path, f"{self.GOOD}broken\n")
        assert "1 bad line left out" in site("computer", "import", file, "--skip-bad").err
        assert names(site, "computer", "list") == ["NEWCOMP1", "ws-01", "ws-02"]

    def test_header_and_standard_input(self, site: Pxed, monkeypatch: pytest.MonkeyPatch) -> None:
        data = io.BytesIO(b"name,guid,mac\r\npc,,525400000003\r\n")
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=data))
        site("computer", "import", "-", "--header")
        assert names(site, "computer", "list") == ["pc", "ws-01", "ws-02"]

    def test_a_file_or_collection_that_is_not_there(self, site: Pxed, tmp_path: Path) -> None:
        assert "does not exist" in site("computer", "import", "absent.csv", code=2).err
        site("computer", "import", self.write(tmp_path, self.GOOD), "--collection", "Nowhere", code=1)
        assert names(site, "computer", "list") == ["ws-01", "ws-02"]

    def test_columns_collections_and_a_preview(self, site: Pxed, tmp_path: Path) -> None:
        site("collection", "add", "Vienna")
        text = f"name,serial,mac,mac,old,site\nnew,S1,{NEW},52:54:00:00:00:04,ws-01,Vienna\nws-02,S2,{OLD},,,Linz\n"
        file = self.write(tmp_path, text)
        options = ("--header", "--columns", "name,ignore,mac,mac,source,variable:Site")
        homes = ("--collection", "Lab", "--collection", "Vienna")
        preview = site("computer", "import", file, *options, *homes, "--preview")
        assert [" ".join(line.split()) for line in preview.out.splitlines()] == [
            "LINE COMPUTER GUID MAC ADDRESSES SOURCE VARIABLES CHANGE WHAT",
            f"2 new {NEW}, 52:54:00:00:00:04 ws-01 Site Vienna add",
            f"3 ws-02 {OLD} Site Linz change variable Site none -> 'Linz'",
        ]
        assert names(site, "computer", "list") == ["ws-01", "ws-02"]
        site("computer", "import", file, *options, *homes)
        assert names(site, "computer", "list", "--collection", "Vienna") == ["new", "ws-02"]
        shown = site("computer", "show", "new", "--json").json
        assert (shown["source"], shown["variables"]) == ("ws-01", {"Site": "Vienna"})

    def test_a_preview_shows_the_first_lines(self, site: Pxed, tmp_path: Path) -> None:
        file = self.write(tmp_path, "".join(f"pc{n},,52:54:00:00:01:{n:02x}\n" for n in range(30)))
        preview = site("computer", "import", file, "--preview")
        assert len(preview.out.splitlines()) == 21
        assert "and 10 more lines" in preview.err
        assert len(site("computer", "import", file, "--preview", "--json").json) == 30

    def test_a_built_in_collection_takes_nobody(self, site: Pxed, tmp_path: Path) -> None:
        file = self.write(tmp_path, self.GOOD)
        assert "takes no members" in site("computer", "import", file, "--collection", "all-computers", code=1).err
        assert names(site, "computer", "list") == ["ws-01", "ws-02"]

    def test_columns_that_cannot_be(self, site: Pxed, tmp_path: Path) -> None:
        file = self.write(tmp_path, self.GOOD)
        assert "no column 'serial'" in site("computer", "import", file, "--columns", "name,serial,mac", code=2).err
