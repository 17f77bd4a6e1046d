"""The guard where a try is handed out: in the transaction, whatever the verdict before it knew."""

import asyncio

import pytest

from pxed.config import Config, Guard
from pxed.errors import NotFound, Refused
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.verdict import Boot
from pxed.records import Records
from pxed.site.model import Kind, PxeRecord, RuleKind
from pxed.site.restraints import THE_SITE
from pxed.site.rules import make_rule
from pxed.verdicts import Verdicts
from pxed.wire.architecture import architecture
from tests.site_in_memory import MemorySite
from tests.support import NOW, Clock, DirectWriter, add_computer, advertise


class Bench:
    """Five computers, PC0 to PC4, to which something mandatory is advertised by jane."""

    def __init__(self, **guard: object) -> None:
        self.clock = Clock()
        self.site = MemorySite("jane", now=NOW)
        self.macs = [f"52:54:00:00:00:0{number}" for number in range(5)]
        self.computers = [add_computer(self.site, f"PC{number}", mac, None) for number, mac in enumerate(self.macs)]
        self.advertisement = advertise(self.site, Kind.MANDATORY)
        config = Config(guard=Guard(**guard))  # type: ignore[arg-type]
        self.records = Records(DirectWriter(self.site), config, self.clock)
        self.verdicts = Verdicts(self.site, self.records, config, self.clock)

    def asks(self, number: int, stage: Stage = Stage.FIRMWARE) -> Boot | None:
        verdict = self.verdicts.decide(Facts(self.macs[number], None, architecture(7), Client.PXE, stage, "eth0"))
        return verdict if isinstance(verdict, Boot) and verdict.mandatory else None

    def claims(self, verdict: Boot | None) -> PxeRecord:
        assert verdict is not None
        return asyncio.run(self.records.claim(verdict, verdict.choices[0]))

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.site.now = self.clock.now


def test_a_limit_holds_for_those_who_were_offered_at_the_same_time() -> None:
    bench = Bench(hand_outs_per_hour=2)
    offered = [bench.asks(number) for number in range(5)]
    assert all(offered)
    assert [bench.claims(verdict).tries for verdict in offered[:2]] == [1, 1]
    for verdict in offered[2:]:
        with pytest.raises(Refused, match="the site had its 2 mandatory hand-outs"):
            bench.claims(verdict)
    assert bench.site.hand_outs()[THE_SITE] == 2
    assert [len(bench.site.records(str(each.id))) for each in bench.computers] == [1, 1, 0, 0, 0]  # no try is lost
    assert bench.asks(2) is None
    bench.later(3601)
    assert bench.claims(bench.asks(2)).tries == 1


def test_a_script_that_is_asked_for_twice_counts_once() -> None:
    bench = Bench(hand_outs_per_hour=1)
    first = bench.claims(bench.asks(0))
    assert bench.claims(bench.asks(0, Stage.SCRIPT)) == first
    assert bench.site.hand_outs()[THE_SITE] == 1


def test_a_limit_of_a_collection_counts_whichever_advertisement_its_computers_get() -> None:
    bench = Bench()
    servers = bench.site.add_collection("servers")
    for each in bench.computers[:2]:
        bench.site.add_member(servers.id, each.id)
    bench.site.limit_collection(servers.id, 1)
    assert bench.claims(bench.asks(0)).tries == 1
    assert bench.asks(1) is None
    assert bench.claims(bench.asks(2)).tries == 1
    bench.site.limit_collection(servers.id, None)
    assert bench.claims(bench.asks(1)).tries == 1


def test_a_clock_that_was_set_back_does_not_hold_back_for_long() -> None:
    bench = Bench(hand_outs_per_hour=1)
    bench.later(365 * 86400.0)
    bench.claims(bench.asks(0))
    bench.later(-365 * 86400.0)
    bench.claims(bench.asks(1))
    assert bench.asks(2) is None
    bench.later(3601)
    assert bench.claims(bench.asks(2)).tries == 1


@pytest.mark.parametrize("what", ["stop", "protect", "disable", "remove", "second person"])
def test_what_an_operator_does_between_offer_and_script_counts(what: str) -> None:
    bench = Bench(second_person=what == "second person")
    bench.site._user = "joe"
    bench.site.approve(bench.advertisement.id)
    verdict = bench.asks(0)
    match what:
        case "stop":
            bench.site.stop_all("wrong image")
        case "protect":
            bench.site.set_protected(bench.computers[0].id, True)
        case "disable":
            bench.site.set_enabled(bench.advertisement.id, False)
        case "remove":
            bench.site.remove_advertisement(bench.advertisement.id)
        case "second person":
            for enabled in (False, True):  # a change of what decides voids the approval
                bench.site.set_enabled(bench.advertisement.id, enabled)
    with pytest.raises((Refused, NotFound)):
        bench.claims(verdict)
    assert bench.site.hand_outs() == {}


def test_the_maker_cannot_be_the_second_person() -> None:
    bench = Bench(second_person=True)
    assert bench.asks(0) is None
    with pytest.raises(Refused, match="jane"):
        bench.site.approve(bench.advertisement.id)
    bench.site._user = "joe"
    assert bench.site.approve(bench.advertisement.id).approved_by == "joe"
    assert bench.claims(bench.asks(0)).tries == 1
    bench.site.set_enabled(bench.advertisement.id, False)
    bench.site.set_enabled(bench.advertisement.id, True)
    assert bench.asks(1) is None
    with pytest.raises(Refused, match="joe"):
        bench.site.approve(bench.advertisement.id)


def test_a_changed_task_sequence_is_approved_anew_and_not_by_whoever_changed_it() -> None:
    bench = Bench(second_person=True)
    bench.site._user = "joe"
    bench.site.approve(bench.advertisement.id)
    bench.site.put_sequence("install", "debian", '{"steps": []}')
    assert bench.asks(0) is None
    with pytest.raises(Refused, match="joe"):
        bench.site.approve(bench.advertisement.id)
    bench.site._user = "mary"
    bench.site.approve(bench.advertisement.id)
    assert bench.asks(0)


def test_the_size_of_a_collection_is_the_one_of_now() -> None:
    bench = Bench(collection_size=5)
    assert bench.asks(0)
    add_computer(bench.site, "PC5", "52:54:00:00:00:05", None)
    assert bench.asks(1) is None


def test_a_collection_that_grows_between_offer_and_script_is_too_large() -> None:
    bench = Bench(collection_size=5)
    verdicts = [bench.asks(0), bench.asks(1)]
    assert bench.claims(verdicts[0]).tries == 1
    add_computer(bench.site, "PC5", "52:54:00:00:00:05", None)
    with pytest.raises(Refused, match="'lab' has 6 computers, and 5 are agreed to"):
        bench.claims(verdicts[1])
    assert bench.asks(1) is None


def test_no_more_become_members_by_what_they_ask_with_than_are_agreed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(collection_size=2)
    lab = bench.site.find_collection("lab")
    assert lab
    bench.site.add_rules(lab.id, [make_rule(RuleKind.ARCHITECTURE, "uefi-amd64")])
    for each in bench.computers:
        bench.site.remove_member(lab.id, each.id)
    monkeypatch.setattr(bench.records, "heard", lambda *_: None)  # in a storm it is written late, or not at all
    offered = [bench.asks(number) for number in range(5)]
    assert [bench.claims(verdict).tries for verdict in offered[:2]] == [1, 1]
    for verdict in offered[2:]:
        with pytest.raises(Refused, match=r"'lab' has [345] computers, and 2 are agreed to"):
            bench.claims(verdict)


def test_what_is_held_back_is_in_the_history_once_and_in_the_log_loudly(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    verdict = bench.asks(0)
    bench.site.stop_all("wrong image")
    with pytest.raises(Refused):
        bench.claims(verdict)
    for _ in range(3):
        assert bench.asks(1) is None
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "ALL MANDATORY HAND-OUTS ARE STOPPED by jane: wrong image"
    ]
    guarded = [event for event in bench.site.events(None, 100) if event.kind == "guard"]
    assert [event.subject for event in guarded] == ["", str(bench.computers[0].id), str(bench.computers[1].id)]
