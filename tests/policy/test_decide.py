"""The rules, one by one and in their order."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pxed.config import Config, Responder, Service
from pxed.policy.decide import RULES, decide, name_of
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.identify import Standing
from pxed.policy.verdict import Abort, Boot, Ignore, Verdict, Wait
from pxed.site.boot_image import BootImage, Cpu, ImageFile, ImageVariant
from pxed.site.model import Advertisement, Computer, Evidence, Kind, Known, Plan, PxeRecord, RecordState
from pxed.wire.architecture import architecture

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
GUID = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232")
MAC = "52:54:00:12:34:56"
FACTS = Facts(MAC, GUID, architecture(7), Client.PXE, Stage.FIRMWARE, "eth0")
LAB, OTHER = 10, 20
FILE = ImageFile("vmlinuz", 1, "0" * 64)
IMAGE = BootImage(5, "debian", (ImageVariant(Cpu.AMD64, FILE, (), "quiet"),), NOW)
PC1 = Computer(1, "PC1", (MAC,), GUID)


def advertisement(number: int, kind: Kind = Kind.MANDATORY, **changes: Any) -> Advertisement:
    base = Advertisement(
        number, f"ad{number}", kind, "install", "debian", LAB, "lab", True, NOW - timedelta(hours=1), None, NOW
    )
    return replace(base, **changes)


def plan(*advertisements: Advertisement) -> Plan:
    return Plan(1, advertisements, {"debian": IMAGE}, {}, {"lab": LAB, "other": OTHER})


def known(computer: Computer = PC1, *records: PxeRecord, collections: frozenset[int] = frozenset({LAB})) -> Known:
    return Known(computer, collections, records)


def record(advertisement_id: int, state: RecordState, tries: int = 1, age: timedelta = timedelta(hours=1)) -> PxeRecord:
    return PxeRecord(7, "1", advertisement_id, state, tries, NOW - age, NOW - age, "", "")


def ask(
    evidence: Evidence | None = None,
    site: Plan | None = None,
    config: Config | None = None,
    facts: Facts = FACTS,
    now: datetime = NOW,
) -> Verdict:
    return decide(facts, evidence or Evidence(known(), ()), site or plan(), config or Config(), now)


def configured(**responder: Any) -> Config:
    return Config(responder=Responder(**responder))


def test_rules_have_the_names_and_the_order_of_the_documentation() -> None:
    assert [name_of(rule) for rule in RULES] == [
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
        "optional",
        "nothing",
    ]


def test_a_service_that_is_switched_off_ignores_everybody() -> None:
    verdict = ask(site=plan(advertisement(1)), config=Config(service=Service(enabled=False)))
    assert isinstance(verdict, Ignore)
    assert verdict.rule == "service-enabled"


def test_an_ordinary_dhcp_client_is_ignored() -> None:
    verdict = ask(facts=FACTS._replace(client=Client.OTHER))
    assert isinstance(verdict, Ignore)
    assert verdict.rule == "pxe-client"


def test_delay_is_silence_until_it_has_passed() -> None:
    config = configured(delay_seconds=1.5)
    early = ask(config=config, facts=FACTS._replace(waited=0.5))
    assert isinstance(early, Ignore)
    assert (early.rule, early.retry_after) == ("delay", 1.0)
    assert isinstance(ask(config=config, facts=FACTS._replace(waited=1.5)), Abort)


@pytest.mark.parametrize(
    ("evidence", "standing"),
    [
        (Evidence(known(), ()), Standing.KNOWN),
        (Evidence(None, (known(),)), Standing.KNOWN),
        (Evidence(known(), (known(),)), Standing.KNOWN),
        (Evidence(known(), (known(Computer(2, "PC2", (), GUID)),)), Standing.CONFLICT),
        (Evidence(None, ()), Standing.UNKNOWN),
    ],
)
def test_mac_and_guid_are_evidence(evidence: Evidence, standing: Standing) -> None:
    verdict = ask(evidence)
    assert verdict.identity is not None
    assert verdict.identity.standing is standing


def test_a_conflict_gets_nothing_mandatory_but_may_choose() -> None:
    evidence = Evidence(known(), (known(Computer(2, "PC2", (), GUID)),))
    verdict = ask(evidence, plan(advertisement(1), advertisement(2, Kind.OPTIONAL)))
    assert isinstance(verdict, Boot)
    assert not verdict.mandatory
    assert [choice.advertisement.id for choice in verdict.choices] == [2]


def test_unknown_computers_are_ignored_by_default() -> None:
    verdict = ask(Evidence(None, ()), plan(advertisement(1)))
    assert isinstance(verdict, Ignore)
    assert verdict.rule == "unknown-support"


def test_unknown_computers_act_as_members_of_their_collection() -> None:
    verdict = ask(Evidence(None, ()), plan(advertisement(1)), configured(unknown_computers="lab"))
    assert isinstance(verdict, Boot)
    assert verdict.identity is not None
    assert verdict.identity.subject == MAC


def test_an_unknown_computer_may_have_to_wait_for_approval() -> None:
    verdict = ask(Evidence(None, ()), plan(advertisement(1)), configured(unknown_computers="approval"))
    assert isinstance(verdict, Wait)
    assert verdict.rule == "unknown-support"
    assert isinstance(ask(site=plan(), config=configured(unknown_computers="approval")), Abort)


def test_an_unknown_computer_that_was_installed_is_not_installed_again() -> None:
    done = replace(record(1, RecordState.SUCCEEDED), subject=MAC)
    evidence = Evidence(None, (), (done,))
    assert isinstance(ask(evidence, plan(advertisement(1)), configured(unknown_computers="lab")), Abort)


def test_a_collection_for_unknown_computers_that_does_not_exist_is_silence() -> None:
    verdict = ask(Evidence(None, ()), plan(advertisement(1)), configured(unknown_computers="gone"))
    assert isinstance(verdict, Ignore)
    assert "'gone'" in verdict.reason


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"enabled": False}, "disabled"),
        ({"start": NOW + timedelta(seconds=1)}, "starts"),
        ({"expires": NOW}, "expired"),
        ({"boot_image": "gone"}, "no variant"),
        ({"collection_id": OTHER}, None),
    ],
)
def test_advertisements_that_do_not_reach_a_computer(changes: dict[str, Any], why: str | None) -> None:
    verdict = ask(site=plan(advertisement(1, **changes)))
    assert isinstance(verdict, Abort)
    finding = next(finding.text for finding in verdict.trail if finding.rule == "candidates")
    assert "advertised: none" in finding
    assert why is None or why in finding


def test_a_boot_image_without_the_clients_architecture_is_passed_over() -> None:
    assert isinstance(ask(site=plan(advertisement(1)), facts=FACTS._replace(architecture=architecture(11))), Abort)


def test_a_bios_client_runs_an_amd64_image() -> None:
    assert isinstance(ask(site=plan(advertisement(1)), facts=FACTS._replace(architecture=architecture(0))), Boot)


def test_the_newest_mandatory_advertisement_boots_without_a_question() -> None:
    older = advertisement(1, start=NOW - timedelta(days=2))
    newer = advertisement(2, start=NOW - timedelta(days=1))
    verdict = ask(site=plan(newer, older))
    assert isinstance(verdict, Boot)
    assert verdict.mandatory
    assert [choice.advertisement.id for choice in verdict.choices] == [2]
    assert (verdict.choices[0].image_id, verdict.rule) == (5, "mandatory")


def test_of_two_as_new_the_one_made_later_counts() -> None:
    verdict = ask(site=plan(advertisement(1), advertisement(2)))
    assert isinstance(verdict, Boot)
    assert verdict.choices[0].advertisement.id == 2


def test_an_older_mandatory_advertisement_is_superseded_for_good() -> None:
    older = advertisement(1, start=NOW - timedelta(days=2))
    done = record(2, RecordState.SUCCEEDED)
    assert isinstance(ask(Evidence(known(PC1, done), ()), plan(older, advertisement(2))), Abort)


def test_mandatory_comes_before_optional_until_it_has_run() -> None:
    site = plan(advertisement(1), advertisement(2, Kind.OPTIONAL), advertisement(3, Kind.OPTIONAL))
    first = ask(site=site)
    assert isinstance(first, Boot)
    assert first.mandatory
    later = ask(Evidence(known(PC1, record(1, RecordState.SUCCEEDED)), ()), site)
    assert isinstance(later, Boot)
    assert not later.mandatory
    assert [choice.advertisement.id for choice in later.choices] == [3, 2]


@pytest.mark.parametrize(
    ("consume", "state", "again"),
    [
        ("offered", RecordState.OFFERED, False),
        ("booting", RecordState.OFFERED, True),
        ("booting", RecordState.LOADING, True),
        ("booting", RecordState.BOOTING, False),
        ("booting", RecordState.RUNNING, False),
        ("booting", RecordState.FAILED, False),
        ("succeeded", RecordState.BOOTING, True),
        ("succeeded", RecordState.RUNNING, True),
        ("succeeded", RecordState.FAILED, True),
        ("succeeded", RecordState.SUCCEEDED, False),
    ],
)
def test_what_counts_as_run(consume: Any, state: RecordState, again: bool) -> None:
    verdict = ask(Evidence(known(PC1, record(1, state)), ()), plan(advertisement(1)), configured(consume=consume))
    assert isinstance(verdict, Boot if again else Abort)


@pytest.mark.parametrize("consume", ["booting", "succeeded"])
def test_tries_are_bounded(consume: Any) -> None:
    config = configured(consume=consume, attempts=3)
    for tries, again in ((1, True), (2, True), (3, False)):
        evidence = Evidence(known(PC1, record(1, RecordState.LOADING, tries)), ())
        assert isinstance(ask(evidence, plan(advertisement(1)), config), Boot if again else Abort)


@pytest.mark.parametrize("stage", [Stage.FIRMWARE, Stage.REQUEST, Stage.LOADER, Stage.SCRIPT])
def test_all_stages_of_the_last_try_get_the_same_verdict(stage: Stage) -> None:
    config = configured(consume="offered", attempts=1)
    fresh = record(1, RecordState.OFFERED, age=timedelta(seconds=20))
    verdict = ask(Evidence(known(PC1, fresh), ()), plan(advertisement(1)), config, FACTS._replace(stage=stage))
    assert isinstance(verdict, Boot)
    assert "try 1 of 1 is under way" in verdict.reason


def test_nothing_to_do_is_abort_or_silence() -> None:
    assert isinstance(ask(), Abort)
    silent = ask(config=configured(nothing_to_do="silent"))
    assert isinstance(silent, Ignore)
    assert silent.rule == "nothing"


def test_every_verdict_carries_the_trail_of_all_rules_asked() -> None:
    names = [name_of(rule) for rule in RULES]
    assert [finding.rule for finding in ask().trail] == names
    assert [finding.rule for finding in ask(site=plan(advertisement(1))).trail] == names[: names.index("mandatory") + 1]
