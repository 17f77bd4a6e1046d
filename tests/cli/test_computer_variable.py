"""`pxed computer variable`, and the computer that another one replaces."""

from __future__ import annotations

from tests.cli.conftest import Pxed


def test_set_list_unset(site: Pxed) -> None:
    outcome = site("computer", "variable", "set", "ws-01", "Site=Vienna", "Option=a=b", "Empty=")
    assert outcome.err == "computer ws-01: 3 of 3 variables are changed\n"
    listing = ("computer", "variable", "list", "52:54:00:00:00:01")
    assert site(*listing, "--json").json == [
        {"name": "Empty", "value": ""},
        {"name": "Option", "value": "a=b"},
        {"name": "Site", "value": "Vienna"},
    ]
    assert site("computer", "show", "ws-01", "--json").json["variables"]["Site"] == "Vienna"
    assert "0 of 1" in site("computer", "variable", "set", "ws-01", "Site=Vienna").err
    site("computer", "variable", "unset", "ws-01", "Site", "Absent", code=1)
    site("computer", "variable", "unset", "ws-01", "Site", "Empty")
    assert [row["name"] for row in site(*listing, "--json").json] == ["Option"]
    assert site("computer", "variable", "list", "ws-02").err == "computer ws-02 has no variables\n"


def test_what_is_refused(site: Pxed) -> None:
    change = ("computer", "variable", "set", "ws-01", "Good=1")
    assert "is no NAME=VALUE" in site(*change, "Site", code=2).err
    assert "given twice" in site(*change, "Good=2", code=2).err
    assert "pxed's own" in site(*change, "PXED_TRY=1", code=2).err
    assert "no name for a variable" in site(*change, "a b=1", code=2).err
    site("computer", "variable", "set", "nobody", "A=1", code=1)
    assert site("computer", "variable", "list", "ws-01", "--json").json == []


def test_the_computer_that_it_replaces(site: Pxed) -> None:
    added = site("computer", "add", "ws-03", "--mac", "52:54:00:00:00:03", "--source", "ws-01", "--json").json
    assert added["source"] == "ws-01"
    assert site("computer", "show", "ws-03", "--json").json["source"] == "ws-01"
