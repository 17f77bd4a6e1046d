"""The verbs of the guard: protect, limit, stop-all, resume, approve."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pxed.cli.session import Session
from pxed.site.draft import Draft
from tests.cli.conftest import Pxed

WAITER = """
import sys
from pxed.cli.main import run
print('begins', flush=True)
sys.exit(run(['--config', sys.argv[1], 'advertisement', 'disable', '1']))
"""


def verdict(site: Pxed, computer: str = "ws-01") -> tuple[bool, str]:
    said = site("explain", computer, "--json").json
    return said["mandatory"], next(each["finding"] for each in said["trail"] if each["rule"] == "guard")


def test_a_protected_computer_gets_nothing_until_it_is_unprotected(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory")
    assert site("computer", "protect", "ws-01", "52:54:00:00:00:01", "--json").json == ["ws-01"]
    is_given, why = verdict(site)
    assert not is_given
    assert why == "'install to Lab' is held back: ws-01 is protected; `pxed computer unprotect` ends that"
    assert verdict(site, "ws-02")[0]
    assert "was already protected" in site("computer", "protect", "ws-01").err
    site("computer", "protect", "ws-02", "nobody", code=1)
    assert site("computer", "unprotect", "ws-01", "ws-02", "--json").json == ["ws-01"]
    assert verdict(site)[0]
    (line,) = [each for each in site("history", "ws-01", "--json").json if "no longer protected" in each["text"]]
    assert (line["kind"], line["user"]) == ("edit", "jane")


def test_stop_all_is_seen_everywhere_until_resume(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory")
    assert site("stop-all", "--reason", "wrong image", "--json").json["by"] == "jane"
    assert "by jane (wrong image)" in verdict(site)[1]
    status = site("status", "--json", code=69)
    assert "ALL MANDATORY HAND-OUTS ARE STOPPED" in status.err
    assert status.json["site"]["stopped"]["reason"] == "wrong image"
    assert "jane has stopped everything already" in site("stop-all").err
    assert "control character" in site("stop-all", "--reason", "a\nb", code=2).err
    site("resume")
    assert verdict(site)[0]
    assert "nothing was stopped" in site("resume").err
    assert site("status", "--json", code=69).json["site"]["stopped"] is None
    texts = [json.loads(line)["text"] for line in site("log", "--kind", "guard", "--json").out.splitlines()]
    assert texts == ["all mandatory hand-outs are stopped: wrong image", "mandatory hand-outs go on"]


def test_a_limit_of_a_collection(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory")
    assert site("collection", "limit", "Lab", "0", "--json").json == {"collection": "Lab", "per_hour": 0}
    assert "collection 'Lab' had its 0" in verdict(site)[1]
    assert "already" in site("collection", "limit", "Lab", "0").err
    site("collection", "limit", "Lab", "--none")
    assert verdict(site)[0]
    for wrong in (("Lab",), ("Lab", "-1"), ("Lab", "3", "--none")):
        site("collection", "limit", *wrong, code=2)
    site("collection", "limit", "Nowhere", "3", code=1)


def test_a_second_person(site: Pxed, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.write_text(config_file.read_text() + "[guard]\nsecond_person = true\n")
    site("advertise", "install", "--to", "Lab", "--mandatory")
    assert "somebody other than jane says `pxed advertisement approve 1`" in verdict(site)[1]
    assert "made or changed by jane" in site("advertisement", "approve", "1", code=1).err
    monkeypatch.setenv("SUDO_USER", "joe")
    assert site("advertisement", "approve", "1", "--json").json["approved_by"] == "joe"
    assert verdict(site)[0]
    site("advertisement", "approve", "1")
    site("advertisement", "disable", "1")
    site("advertisement", "enable", "1")
    assert not verdict(site)[0]
    site("advertise", "install", "--to", "Lab", "--optional", "--name", "choice")
    assert "needs no second person" in site("advertisement", "approve", "choice", code=1).err


def test_of_two_operators_both_edits_are_kept_value_by_value_and_in_the_history(site: Pxed, config_file: Path) -> None:
    """One waits for the other, and then changes what it was asked to change and nothing else."""
    site("advertise", "install", "--to", "Lab", "--mandatory")
    session = Session(config_path=config_file)
    with session.writing() as tx:
        waiting = subprocess.Popen([sys.executable, "-c", WAITER, str(config_file)], stdout=subprocess.PIPE)
        assert waiting.stdout is not None
        with waiting.stdout:
            waiting.stdout.readline()
        draft = Draft.of(tx.advertisement(1))
        tx.change_advertisement(1, replace(draft, comment="the other edit"))
    assert waiting.wait() == 0
    shown = site("advertisement", "show", "1", "--json").json
    assert (shown["comment"], shown["enabled"]) == ("the other edit", False)
    texts = [json.loads(line)["text"] for line in site("log", "--kind", "edit", "--json").out.splitlines()]
    assert texts[-2].endswith("changed: comment = 'the other edit'")
    assert texts[-1].endswith("disabled")


def test_a_large_collection_has_to_be_meant_by_its_size(site: Pxed, config_file: Path) -> None:
    config_file.write_text(config_file.read_text() + "[guard]\ncollection_size = 1\n")
    refused = site("advertise", "install", "--to", "Lab", "--mandatory", code=1).err
    assert "collection Lab has 2 computers, more than guard.collection_size = 1" in refused
    assert "--yes-really 2" in refused
    assert (
        "2 computers now, not 3"
        in site("advertise", "install", "--to", "Lab", "--mandatory", "--yes-really", "3", code=1).err
    )
    assert site("advertisement", "list", "--json").json == []
    site("advertise", "install", "--to", "Lab", "--optional", "--name", "choice")
    site("advertise", "install", "--to", "Lab", "--mandatory", "--yes-really", "2")
    assert verdict(site)[0]
    site("computer", "add", "ws-03", "--mac", "52:54:00:00:00:03", "--collection", "Lab")
    assert "has 3 computers, and 2 are agreed to" in verdict(site)[1]
    number = str(site("advertisement", "show", "install to Lab", "--json").json["id"])
    site("advertisement", "change", number, "--comment", "reaches nobody else")
    site("advertisement", "change", number, "--yes-really", "3")
    assert verdict(site)[0]
    assert "--yes-really 3" in site("advertisement", "change", "choice", "--mandatory", code=1).err


def test_a_collection_with_a_protected_computer_has_to_be_meant(site: Pxed) -> None:
    site("computer", "protect", "ws-01")
    assert (
        "protected ones, which will not get it: ws-01"
        in site("advertise", "install", "--to", "Lab", "--mandatory", code=1).err
    )
    site("advertise", "install", "--to", "Lab", "--mandatory", "--yes-really", "2")
    assert not verdict(site)[0]
    assert verdict(site, "ws-02")[0]
