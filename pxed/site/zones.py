"""Time zones by their IANA names, as this machine's data base of them has it."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pxed.errors import UsageError

_LOCALTIME = Path("/etc/localtime")
_ZONES = "zoneinfo/"


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name; UsageError if this machine knows none.

    The data are read once in the life of a process.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: `name` is a directory of zones
        text = f"this machine knows no time zone {name!r}; right would be UTC or a name like Europe/Vienna"
        raise UsageError(f"{text} (from Debian's package tzdata)") from None


def machine_zone(localtime: Path = _LOCALTIME) -> str:
    """The name of the machine's own zone, or UTC if it has none that has a name."""
    try:
        name = str(localtime.readlink()).rpartition(_ZONES)[2]
        zone_of(name)
    except (OSError, UsageError):
        return "UTC"
    return name
