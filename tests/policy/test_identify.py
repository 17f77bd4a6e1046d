"""Who is it, if some evidence is none."""

import uuid
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pxed.policy.identify import Standing, identify
from pxed.policy.verdict import Abort, Boot, Ignore
from pxed.site.identity import IdentifierKind, IdentifierList, Identifiers, ListedIdentifier
from pxed.site.model import Computer, Evidence, Kind, Plan, RecordState
from tests.policy.test_decide import FACTS, GUID, MAC, NOW, advertisement, ask, configured, known, plan, record

SECOND = Computer(2, "PC2", (), GUID)


def listed(which: IdentifierList, value: str) -> ListedIdentifier:
    kind = IdentifierKind.MAC if value == MAC else IdentifierKind.GUID
    return ListedIdentifier(which, kind, value, "", "jane", NOW)


def list_of(which: IdentifierList, *, mac: bool = False, guid: bool = False) -> Identifiers:
    macs = {MAC: listed(which, MAC)} if mac else {}
    return Identifiers(macs, {GUID: listed(which, str(GUID))} if guid else {})


NO_LIST = Identifiers()


def with_lists(site: Plan, ignored: Identifiers = NO_LIST, shared: Identifiers = NO_LIST) -> Plan:
    return replace(site, ignored=ignored, shared=shared)


def test_whoever_shows_an_ignored_identifier_gets_silence_whatever_else_is_true() -> None:
    for mac, guid in ((True, False), (False, True)):
        site = with_lists(plan(advertisement(1)), list_of(IdentifierList.IGNORED, mac=mac, guid=guid))
        verdict = ask(site=site)
        assert isinstance(verdict, Ignore)
        assert (verdict.rule, verdict.identity) == ("ignore-list", None)
        assert "was put on the ignore list by jane at 2026-05-04 12:00 UTC" in verdict.reason
    assert isinstance(
        ask(site=with_lists(plan(), list_of(IdentifierList.IGNORED, guid=True)), facts=FACTS._replace(guid=None)), Abort
    )


def test_the_sentence_says_what_was_no_evidence() -> None:
    site = with_lists(plan(), shared=list_of(IdentifierList.SHARED, mac=True))
    verdict = ask(Evidence(None, (known(),)), site)
    finding = next(finding.text for finding in verdict.trail if finding.rule == "identity")
    assert finding.startswith(f"PC1, known by GUID; no evidence: the MAC address {MAC} was put on the shared list")


def test_nothing_mandatory_for_one_that_nobody_can_tell_from_others() -> None:
    site = with_lists(
        plan(advertisement(1), advertisement(2, Kind.OPTIONAL)),
        shared=list_of(IdentifierList.SHARED, mac=True, guid=True),
    )
    verdict = ask(Evidence(None, ()), site, configured(unknown_computers="lab"))
    assert isinstance(verdict, Boot)
    assert (verdict.mandatory, [choice.advertisement.id for choice in verdict.choices]) == (False, [2])
    due = next(finding.text for finding in verdict.trail if finding.rule == "due")
    assert due == "'ad1' is held back: nothing tells it from others"


def test_one_that_nobody_can_tell_from_others_cannot_be_approved_of() -> None:
    site = with_lists(plan(), shared=list_of(IdentifierList.SHARED, mac=True, guid=True))
    verdict = ask(Evidence(None, ()), site, configured(unknown_computers="approval"))
    assert isinstance(verdict, Ignore)
    assert verdict.reason == "cannot be approved of: nothing tells it from others"


def test_behind_a_shared_mac_an_unknown_computer_is_told_by_its_guid() -> None:
    site = with_lists(plan(advertisement(1)), shared=list_of(IdentifierList.SHARED, mac=True))
    config = configured(unknown_computers="lab")
    first = ask(Evidence(None, ()), site, config)
    assert isinstance(first, Boot)
    assert first.identity is not None
    assert (first.mandatory, first.identity.subject) == (True, str(GUID))
    done = replace(record(1, RecordState.SUCCEEDED), subject=str(GUID))
    assert isinstance(ask(Evidence(None, (), (done,)), site, config), Abort)


COMPUTERS = st.sampled_from([known(), known(SECOND), known(replace(SECOND, id=3, name="PC3"))])


@given(
    st.none() | COMPUTERS,
    st.lists(COMPUTERS, max_size=2).map(tuple),
    st.sampled_from([MAC, "52:54:00:00:00:99"]),
    st.sampled_from([None, GUID, uuid.UUID(int=5)]),
    st.booleans(),
    st.booleans(),
)
def test_only_agreement_is_free_of_doubt(
    by_mac: object, by_guid: tuple[object, ...], mac: str, guid: uuid.UUID | None, mac_shared: bool, guid_shared: bool
) -> None:
    """The evidence has nothing of what is shared, as the reader gives it."""
    site = with_lists(plan(), shared=list_of(IdentifierList.SHARED, mac=mac_shared, guid=guid_shared))
    facts = FACTS._replace(mac=mac, guid=guid)
    nobody_by_mac = mac in site.shared.macs
    nobody_by_guid = guid is None or guid in site.shared.guids
    evidence = Evidence(
        None if nobody_by_mac else by_mac,  # type: ignore[arg-type]
        () if nobody_by_guid else by_guid,  # type: ignore[arg-type]
    )
    identity = identify(facts, evidence, site)
    pointed_at = {each.computer.id for each in (evidence.by_mac, *evidence.by_guid) if each is not None}
    assert len(pointed_at) > 1 if identity.standing is Standing.CONFLICT else len(pointed_at) < 2
    assert (identity.standing is Standing.UNKNOWN) == (not pointed_at)
    assert bool(identity.doubt) == (len(pointed_at) > 1 or (nobody_by_mac and nobody_by_guid))
    assert identity.computer is None or identity.computer.id in pointed_at
    if evidence.by_mac is not None:
        assert identity.computer is evidence.by_mac.computer
    if not pointed_at:
        assert identity.subject == (mac if not nobody_by_mac or nobody_by_guid else str(guid))
    assert str(identity.words).count("no evidence: ") == (mac in site.shared.macs) + (guid in site.shared.guids)
