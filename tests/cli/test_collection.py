"""`pxed collection`: the tree, its rules, its members."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Pxed
from tests.cli.test_site_verbs import GUID, names


class TestCollection:
    def test_add_list_show(self, site: Pxed) -> None:
        added = site("collection", "add", "Empty", "--comment", "Room 214", "--json").json
        assert (added["name"], added["comment"], added["parent_id"]) == ("Empty", "Room 214", None)
        own = [row for row in site("collection", "list", "--json").json if not row["builtin"]]
        plain: dict[str, object] = {"parent_id": None, "builtin": "", "hand_outs_per_hour": None, "rules": []}
        assert own == [
            {"id": 2, "name": "Empty", "comment": "Room 214", "members": 0, "parent": None, **plain},
            {"id": 1, "name": "Lab", "comment": "", "members": 2, "parent": None, **plain},
        ]
        shown = site("collection", "show", "Lab", "--json").json
        assert (shown["computers"], shown["advertisements"]) == (["ws-01", "ws-02"], [])

    def test_the_list_is_a_tree_with_the_built_in_ones_last(self, site: Pxed) -> None:
        site("collection", "add", "Left", "--parent", "Lab", "--comment", "by the window")
        site("collection", "add", "Annex")
        site("collection", "rule", "add", "Left", "--name", "ws-*")
        lines = site("collection", "list").out.splitlines()
        assert [" ".join(line.split()) for line in lines][:8] == [
            "NAME MEMBERS RULES COMMENT",
            "Annex 0",
            "Lab 2",
            "Left 2 1 by the window",
            "all-computers (built in) 2 every known computer",
            "unknown-computers (built in) computers that are not known",
            "unknown-bios (built in) unknown computers with bios firmware",
            "unknown-uefi-amd64 (built in) unknown computers with uefi-amd64 firmware",
        ]
        assert lines[3].startswith("  Left ")
        shown = site("collection", "show", "Lab", "--json").json
        assert (shown["parent"], shown["subcollections"], shown["with_subcollections"]) == (None, ["Left"], 2)
        assert site("collection", "show", "Left", "--json").json["parent"] == "Lab"

    def test_move(self, site: Pxed) -> None:
        site("collection", "add", "Left", "--parent", "Lab")
        assert "Lab in Left in Lab" in site("collection", "move", "Lab", "--under", "Left", code=1).err
        assert site("collection", "move", "Left", "--to-top", "--json").json == ["Left"]
        assert "at the top already" in site("collection", "move", "Left", "--to-top").err
        site("collection", "move", "Left", code=2)
        site("collection", "move", "Left", "--to-top", "--under", "Lab", code=2)
        assert "no collection Nowhere" in site("collection", "move", "Left", "--under", "Nowhere", code=1).err
        assert "takes no subcollections" in site("collection", "move", "Left", "--under", "all-computers", code=1).err

    def test_computers_of_a_collection_with_those_below_it(self, site: Pxed) -> None:
        site("collection", "add", "House")
        site("collection", "move", "Lab", "--under", "House")
        listing = ("computer", "list", "--collection", "House")
        assert names(site, *listing) == []
        assert names(site, *listing, "--subcollections") == ["ws-01", "ws-02"]
        how = {each["name"]: each["how"] for each in site("computer", "show", "ws-01", "--json").json["collections"]}
        assert how == {"House": ["subcollection House/Lab"], "Lab": ["direct"], "all-computers": ["built in"]}

    def test_add_twice_is_refused(self, site: Pxed) -> None:
        assert "Lab" in site("collection", "add", "Lab", code=1).err

    def test_members_come_and_go(self, site: Pxed) -> None:
        site("collection", "add", "Other")
        assert site("collection", "add-member", "Other", "ws-01", "ws-02", "--json").json == ["ws-01", "ws-02"]
        assert "ws-01 was in Other already" in site("collection", "add-member", "Other", "ws-01").err
        assert site("collection", "remove-member", "Other", "ws-01", "--json").json == ["ws-01"]
        assert "ws-01 was not put into Other" in site("collection", "remove-member", "Other", "ws-01").err
        assert names(site, "computer", "list", "--collection", "Other") == ["ws-02"]

    @pytest.mark.parametrize("verb", ["add-member", "remove-member"])
    def test_unknown_members_change_nothing(self, site: Pxed, verb: str) -> None:
        site("collection", "add", "Other")
        site("collection", verb, "Other", "ws-01", "nobody", code=1)
        site("collection", verb, "Nowhere", "ws-01", code=1)
        site("collection", verb, "Other", code=2)
        assert names(site, "computer", "list", "--collection", "Other") == []

    def test_remove_keeps_the_computers_and_refuses_while_advertised(self, site: Pxed) -> None:
        site("advertise", "install", "--to", "Lab", "--optional", "--name", "offer")
        assert "offer" in site("collection", "remove", "Lab", code=1).err
        site("advertisement", "remove", "offer")
        site("collection", "remove", "Lab")
        assert "Lab" not in names(site, "collection", "list")
        assert names(site, "computer", "list") == ["ws-01", "ws-02"]
        site("collection", "remove", "Lab", code=1)
        site("collection", "show", "Lab", code=1)

    def test_a_built_in_one_takes_no_members(self, site: Pxed) -> None:
        refused = site("collection", "add-member", "all-computers", "ws-01", code=1)
        assert "collection all-computers is built in and takes no members" in refused.err


class TestRules:
    def test_add_list_remove(self, site: Pxed) -> None:
        site("collection", "add", "Rules")
        options = ("--name", "ws-*", "--mac", "5254.00", "--arch", "bios", "--guid", GUID.upper())
        assert (
            "4 rules are added to Rules; it has 2 members now"
            in site("collection", "rule", "add", "Rules", *options).err
        )
        again = site("collection", "rule", "add", "Rules", "--mac", "52-54-00", "--mac", "02")
        assert "a rule is added to Rules, 1 were there" in again.err
        rows = site("collection", "rule", "list", "Rules", "--json").json
        assert [(row["kind"], row["value"]) for row in rows] == [
            ("architecture", "bios"),
            ("guid", GUID),
            ("mac", "02"),
            ("mac", "52:54:00"),
            ("name", "ws-*"),
        ]
        assert names(site, "computer", "list", "--collection", "Rules") == ["ws-01", "ws-02"]
        site("collection", "rule", "remove", "Rules", "--name", "ws-*", "--mac", "99", code=1)
        removed = site("collection", "rule", "remove", "Rules", "--name", "ws-*", "--mac", "525400")
        assert "Rules has 0 members now" in removed.err
        assert "by rule" not in site("computer", "show", "ws-01").out

    def test_guids_from_a_file(self, site: Pxed, tmp_path: Path) -> None:
        file = tmp_path / "guids"
        file.write_text(f"# of the new ones\n\n{GUID}  # one\n{{{GUID.upper()}}}\n")
        site("computer", "add", "pc", "--guid", GUID)
        assert "it has 3 members" in site("collection", "rule", "add", "Lab", "--guid-file", str(file)).err
        file.write_text(f"{GUID}\nnonsense\n")
        assert "line 2: 'nonsense' is not a GUID" in site(
            "collection", "rule", "add", "Lab", "--guid-file", str(file), code=2
        ).err  # fmt: skip

    def test_what_can_be_no_rule(self, site: Pxed) -> None:
        add = ("collection", "rule", "add", "Lab")
        assert "whole bytes" in site(*add, "--name", "x", "--mac", "5", code=2).err
        assert "there are bios, " in site(*add, "--arch", "x86", code=2).err
        site(*add, code=2)
        site("collection", "rule", "remove", "Lab", code=2)
        assert "takes no rules" in site("collection", "rule", "add", "all-computers", "--name", "x", code=1).err
        outcome = site("collection", "rule", "list", "Lab")
        assert (outcome.out, outcome.err) == ("", "collection Lab has no rules\n")

    def test_who_is_there_by_a_rule_cannot_be_taken_out(self, site: Pxed) -> None:
        site("collection", "rule", "add", "Lab", "--name", "ws-01")
        assert "computer ws-01 is a member of Lab by a rule" in site("collection", "remove-member", "Lab", "ws-01").err


def test_of_a_large_collection_the_first_are_shown_and_the_others_counted(site: Pxed, tmp_path: Path) -> None:
    (tmp_path / "many.csv").write_text("".join(f"pc{n:03},,52:54:00:00:01:{n:02x}\n" for n in range(150)))
    site("computer", "import", str(tmp_path / "many.csv"), "--collection", "Lab")
    site("collection", "rule", "add", "Lab", "--name", "pc0*")
    text = site("collection", "show", "Lab").out
    assert "pc099, and 52 more (pxed computer list --collection Lab)" in text
    assert "pc100" not in text
    data = site("collection", "show", "Lab", "--json").json
    assert (data["members"], data["with_subcollections"], len(data["computers"])) == (152, 152, 152)
