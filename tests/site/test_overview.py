"""The site in numbers."""

from __future__ import annotations

import pytest

from pxed.site.model import Kind, Overview, PxeRecord, RecordState, Sighting
from tests.site_in_memory import MemorySite
from tests.support import NOW, add_computer, advertise

pytestmark = pytest.mark.usefixtures("new_site")

NONE = dict.fromkeys(RecordState, 0)


def test_an_empty_site_has_nothing() -> None:
    assert MemorySite().overview() == Overview(0, 0, 0, 0, 0, 0, 0, 0, NONE)


def test_everything_is_counted_and_optional_tries_are_not() -> None:
    site = MemorySite(now=NOW)
    add_computer(site)
    mandatory, optional = advertise(site, Kind.MANDATORY), advertise(site, Kind.OPTIONAL, "Rescue")
    for subject, advertisement, state in (
        ("1", mandatory, RecordState.FAILED),
        ("52:54:00:00:00:98", mandatory, RecordState.RUNNING),
        ("52:54:00:00:00:99", mandatory, RecordState.RUNNING),
        ("1", optional, RecordState.RUNNING),
    ):
        site.save_record(PxeRecord(0, subject, advertisement.id, state, 1, NOW, NOW, "", ""))
    site.saw(Sighting("52:54:00:00:00:99", None, 7, "eth0", "", NOW, NOW, 1))
    mandatory_states = NONE | {RecordState.FAILED: 1, RecordState.RUNNING: 2}
    assert site.overview() == Overview(1, 1, 1, 1, 2, 1, 0, 0, mandatory_states)
