"""`pxed explain`: the verdict of the service, asked from the command line."""

import pytest

from tests.cli.conftest import Pxed


def test_a_mandatory_advertisement_with_its_trail(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory", "--name", "Now")
    text = site("explain", "ws-01").out
    assert list(dict.fromkeys(line.split()[0] for line in text.splitlines())) == [
        "service-enabled",
        "pxe-client",
        "ignore-list",
        "delay",
        "identity",
        "unknown-support",
        "candidates",
        "due",
        "another-point",
        "guard",
        "password",
        "mandatory",
        "collections",
        "set",
        "verdict",
    ]
    assert "ws-01, known by MAC address" in text
    assert "'Now' has not run yet" in text
    assert text.splitlines()[-1].endswith("boots 'rescue' and runs 'install' without a question")


def test_by_any_identifier_and_as_json(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--optional", "--name", "Later")
    for key in ("ws-01", "52-54-00-00-00-01", "525400000001"):
        data = site("explain", key, "--json").json
        assert (data["verdict"], data["rule"], data["mandatory"]) == ("boot", "optional", False)
        assert (data["computer"], data["standing"]) == ("ws-01", "known")
        assert [one["name"] for one in data["advertisements"]] == ["Later"]
        assert data["trail"][-1]["rule"] == "optional"


def test_another_architecture_than_the_boot_image_has(site: Pxed) -> None:
    site("advertise", "install", "--to", "Lab", "--mandatory")
    assert site("explain", "ws-01", "--arch", "bios", "--json").json["verdict"] == "boot"
    data = site("explain", "ws-01", "--arch", "uefi-arm64", "--json").json
    assert data["verdict"] == "abort"
    assert any("has no variant for ARM 64 UEFI" in one["finding"] for one in data["trail"])


@pytest.mark.parametrize("key", ["52:54:00:99:99:99", "4c4c4544-0044-4a10-8039-b4c04f333232"])
def test_an_unknown_computer_is_explained_too(site: Pxed, key: str) -> None:
    data = site("explain", key, "--json").json
    assert (data["verdict"], data["rule"], data["standing"]) == ("ignore", "unknown-support", "unknown")


def test_a_name_that_nobody_has(site: Pxed) -> None:
    outcome = site("explain", "ws-99", code=1)
    assert "no computer is called 'ws-99'" in outcome.err
    assert outcome.out == ""


def test_in_which_collections_it_is_and_how(site: Pxed) -> None:
    site("collection", "add", "House")
    site("collection", "move", "Lab", "--under", "House")
    site("collection", "add", "Old")
    site("collection", "rule", "add", "Old", "--arch", "bios", "--name", "ws-*")
    site("advertise", "install", "--to", "House", "--mandatory", "--name", "Now")
    told = site("explain", "ws-01", "--arch", "bios")
    assert (
        "House (subcollection House/Lab), Lab (direct), Old (by rule architecture bios, by rule name ws-*)" in told.out
    )
    data = site("explain", "ws-01", "--json").json
    assert (data["verdict"], data["advertisements"][0]["name"]) == ("boot", "Now")
    assert {"name": "Old", "how": ["by rule name ws-*"]} in data["collections"]
    assert site("explain", "52:54:00:00:00:99", "--json").json["collections"] == []
