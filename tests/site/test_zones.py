"""Time zones by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxed.errors import UsageError
from pxed.site.zones import machine_zone, zone_of


def test_a_zone_has_its_name() -> None:
    assert zone_of("Europe/Vienna").key == "Europe/Vienna"


@pytest.mark.parametrize("name", ["Europe/Wien", "Europe", "", "../etc/passwd", "/etc/localtime", "a\0b", "ä"])
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(UsageError, match="knows no time zone"):
        zone_of(name)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/usr/share/zoneinfo/Europe/Vienna", "Europe/Vienna"),
        ("../usr/share/zoneinfo/Etc/UTC", "Etc/UTC"),
        ("/usr/share/zoneinfo/Nowhere", "UTC"),
        ("somewhere", "UTC"),
    ],
)
def test_the_zone_of_the_machine_is_where_its_link_points(tmp_path: Path, target: str, name: str) -> None:
    link = tmp_path / "localtime"
    link.symlink_to(target)
    assert machine_zone(link) == name


def test_a_machine_without_a_zone_has_utc(tmp_path: Path) -> None:
    assert machine_zone(tmp_path / "localtime") == "UTC"
