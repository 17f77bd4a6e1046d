"""Asking for a verdict: what is logged once, what is remembered, and what a broken database makes of it."""

import logging
from collections.abc import Callable, Sequence

import pytest

from pxed.config import Config
from pxed.errors import StoreError
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.verdict import Abort, Ignore
from pxed.records import Records
from pxed.site.event import EventKind
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.model import Evidence, Kind, Plan
from pxed.site.store import Client as Identifiers
from pxed.verdict_log import Soon, at_once
from pxed.verdicts import Verdicts
from pxed.wire.architecture import architecture
from tests.site_in_memory import MemorySite
from tests.support import GUID, MAC, NOW, Clock, DirectWriter, add_computer, advertise

FACTS = Facts(MAC, GUID, architecture(7), Client.PXE, Stage.FIRMWARE, "eth0")


class BrokenSite(MemorySite):
    """A site whose database can be made to fail."""

    fault = ""

    def look_up_all(self, clients: Sequence[Identifiers]) -> tuple[Plan, list[Evidence]]:
        if self.fault:
            raise StoreError(self.fault)
        return super().look_up_all(clients)


class Bench:
    def __init__(self, soon: Soon = at_once) -> None:
        self.clock = Clock()
        self.site = BrokenSite(now=NOW)
        records = Records(DirectWriter(self.site), Config(), self.clock)
        self.verdicts = Verdicts(self.site, records, Config(), self.clock, soon)


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Bench:
    caplog.set_level(logging.INFO, "pxed")
    return Bench()


def texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_retry_is_not_logged_again_and_a_later_boot_is(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    add_computer(bench.site)
    for seconds in (4, 8, 16, 61):
        bench.verdicts.decide(FACTS)
        bench.clock.advance(seconds)
    bench.verdicts.decide(FACTS)
    assert len(texts(caplog)) == 2
    record = caplog.records[0]
    assert record.getMessage().startswith("local boot: nothing to do")
    fields = {key: str(record.__dict__[key]) for key in ("mac", "guid", "iface", "arch", "computer", "rule")}
    assert fields == {
        "mac": MAC,
        "guid": str(GUID),
        "iface": "eth0",
        "arch": "x64 UEFI",
        "computer": "PC1",
        "rule": "nothing",
    }


def test_verdicts_of_a_turn_are_told_together_after_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pxed")
    after: list[Callable[[], None]] = []
    bench = Bench(after.append)
    computer = add_computer(bench.site)
    add_computer(bench.site, "PC2", mac="52:54:00:00:00:02", guid=None)
    bench.verdicts.decide(FACTS)
    bench.clock.advance(2)
    bench.verdicts.decide(FACTS._replace(mac="52:54:00:00:00:02", guid=None))
    assert texts(caplog) == []
    (tell,) = after
    tell()
    assert [record.__dict__["computer"] for record in caplog.records] == ["PC1", "PC2"]
    (event,) = [one for one in bench.site.events(str(computer.id), 10) if one.kind == "verdict"]
    assert event.at == NOW  # and not when it was told
    bench.verdicts.decide(FACTS._replace(stage=Stage.LOADER))
    assert len(after) == 2
    bench.verdicts.flush()
    assert len(texts(caplog)) == 3
    after[1]()
    assert len(texts(caplog)) == 3


def test_another_verdict_is_logged_at_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    add_computer(bench.site)
    bench.verdicts.decide(FACTS)
    advertise(bench.site, Kind.MANDATORY)
    bench.verdicts.decide(FACTS)
    assert [text.split(":")[0] for text in texts(caplog)] == ["local boot", "boot"]


def test_ordinary_dhcp_clients_are_no_news(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.verdicts.decide(FACTS._replace(client=Client.OTHER))
    assert texts(caplog) == []
    assert bench.site.sightings() == []


def test_what_a_known_computer_was_told_is_history_and_an_unknown_one_a_sighting(bench: Bench) -> None:
    bench.verdicts.decide(FACTS)
    assert [sighting.mac for sighting in bench.site.sightings()] == [MAC]
    computer = add_computer(bench.site)
    bench.verdicts.decide(FACTS)
    (event,) = [one for one in bench.site.events(str(computer.id), 10) if one.kind == "verdict"]
    assert event.text.startswith("firmware: local boot: nothing to do")


def test_a_database_that_fails_is_silence_and_one_line_until_it_answers_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    add_computer(bench.site)
    bench.site.fault = "the database is locked"
    for _ in range(3):
        verdict = bench.verdicts.decide(FACTS)
        assert isinstance(verdict, Ignore)
        assert verdict.rule == "database"
    bench.site.fault = ""
    assert isinstance(bench.verdicts.decide(FACTS), Abort)
    errors = [text for text in texts(caplog) if "cannot be asked" in text]
    assert errors == ["the database cannot be asked, clients get silence: the database is locked"]
    assert "the database answers again" in texts(caplog)


def test_invented_addresses_do_not_grow_its_memory(bench: Bench) -> None:
    for number in range(5000):
        bench.verdicts.decide(FACTS._replace(mac=f"52:54:01:00:{number >> 8:02x}:{number & 255:02x}", guid=None))
    assert len(bench.verdicts._log._last) == 4096
    assert len(bench.site.sightings()) <= 10_000


def test_a_batch_is_told_of_and_remembered_one_by_one(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    computers = [add_computer(bench.site, f"PC{number}", f"52:54:00:00:00:0{number}", None) for number in range(3)]
    clients = [FACTS._replace(mac=mac, guid=None) for one in computers for mac in one.macs]
    stranger = FACTS._replace(mac="52:54:00:00:00:ff", guid=None)
    verdicts = bench.verdicts.decide_all([*clients, stranger])
    assert [verdict.rule for verdict in verdicts] == ["nothing"] * 3 + ["unknown-support"]
    assert [record.__dict__["computer"] for record in caplog.records] == ["PC0", "PC1", "PC2", ""]
    assert [len(bench.site.events(str(one.id), 10)) for one in computers] == [3, 3, 3]  # made, member, verdict
    assert [sighting.mac for sighting in bench.site.sightings()] == [stranger.mac]
    assert bench.verdicts.decide_all([]) == []


def test_a_mandatory_advertisement_of_a_batch_is_each_computer_s_own(bench: Bench) -> None:
    computers = [add_computer(bench.site, f"PC{number}", f"52:54:00:00:00:0{number}", None) for number in range(3)]
    advertise(bench.site, Kind.MANDATORY)
    bench.verdicts.decide_all([FACTS._replace(mac=mac, guid=None) for one in computers for mac in one.macs])
    assert [len(bench.site.records(str(one.id))) for one in computers] == [1, 1, 1]


def strangers(count: int, group: int) -> list[Facts]:
    return [
        FACTS._replace(mac=f"52:54:01:{group:02x}:{number >> 8:02x}:{number & 255:02x}", guid=None)
        for number in range(count)
    ]


def test_of_a_storm_no_more_is_told_than_the_journal_takes_and_the_rest_is_counted(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.verdicts.decide_all(strangers(4503, 1))
    subject = str(add_computer(bench.site).id)
    bench.verdicts.decide(FACTS)
    assert len(caplog.records) == 4500
    assert bench.site.events(subject, 10, [EventKind.VERDICT]) == []
    bench.clock.advance(2)
    bench.verdicts.decide_all(strangers(301, 2))
    assert len(caplog.records) == 4800
    bench.clock.advance(61)
    bench.verdicts.decide(FACTS)
    assert [record.getMessage() for record in caplog.records[4800:4801]] == [
        "a storm of packets: 5 verdicts more were neither logged nor kept"
    ]
    assert len(bench.site.events(subject, 10, [EventKind.VERDICT])) == 1


def test_of_a_storm_the_first_are_remembered_then_some_each_second(bench: Bench) -> None:
    bench.verdicts.decide_all(strangers(1_003, 1))
    assert len(bench.site.sightings()) == 1_000
    bench.clock.advance(2)
    bench.verdicts.decide_all(strangers(300, 2))
    assert len(bench.site.sightings()) == 1_200


def test_in_a_storm_too_every_mandatory_advertisement_is_the_computer_s(bench: Bench) -> None:
    bench.verdicts.decide_all(strangers(1_003, 1))
    pc = add_computer(bench.site)
    advertise(bench.site, Kind.MANDATORY)
    bench.verdicts.decide(FACTS)
    assert len(bench.site.records(str(pc.id))) == 1


def test_the_firmware_that_asks_is_noted_if_it_is_another_one(bench: Bench) -> None:
    pc = add_computer(bench.site)
    for code, noted in ((7, 7), (9, 7), (0, 0), (7, 7)):  # 7 and 9 are both x64 UEFI
        bench.verdicts.decide_all([FACTS._replace(architecture=architecture(code))])
        found = bench.site.find_computer(pc.name)
        assert found is not None
        assert found.architecture == noted
    bench.verdicts.decide(FACTS._replace(architecture=architecture(0), stage=Stage.SCRIPT))
    found = bench.site.find_computer(pc.name)
    assert found is not None
    assert found.firmware == "uefi-amd64"


def test_identifiers_that_disagree_are_queued(bench: Bench) -> None:
    add_computer(bench.site, "PC1", MAC, None)
    add_computer(bench.site, "PC2", "52:54:00:00:00:02", GUID)
    for _ in range(3):
        bench.verdicts.decide_all([FACTS])
    (conflict,) = bench.site.conflicts()
    assert (conflict.mac, conflict.guid, conflict.interface, conflict.count) == (MAC, GUID, "eth0", 1)


def test_one_that_is_ignored_leaves_no_trace(bench: Bench) -> None:
    bench.site.list_identifier(IdentifierList.IGNORED, IdentifierKind.MAC, MAC)
    bench.verdicts.decide_all([FACTS])
    assert bench.site.sightings() == []
    assert bench.site.seen_with(MAC, None) == ([], [])
