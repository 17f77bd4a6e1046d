"""Rules of collections: what is taken, and that looking up finds what trying each of them finds."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.errors import UsageError
from pxed.site.identifiers import swap_guid
from pxed.site.model import CollectionRule, Computer, RuleKind
from pxed.site.rules import Rules, fits, make_rule

GUID = uuid.UUID("4c4c4544-0044-4a10-8039-b4c04f333232")
PC = Computer(1, "ws-01", ("52:54:00:12:34:56", "de:ad:00:00:00:01"), GUID)

NAMES = st.text("ab-1", min_size=1, max_size=4)
PATTERNS = st.text("ab-1*?[]!", min_size=1, max_size=5)
MACS = st.binary(min_size=6, max_size=6).map(lambda octets: bytes(octet & 1 for octet in octets).hex(":"))
GUIDS = st.sampled_from([GUID, swap_guid(GUID), uuid.UUID(int=7)])
RULES = st.one_of(
    PATTERNS.map(lambda text: make_rule(RuleKind.NAME, text)),
    st.tuples(MACS, st.integers(1, 6)).map(lambda it: make_rule(RuleKind.MAC, it[0][: 3 * it[1] - 1])),
    st.sampled_from(["bios", "uefi-amd64"]).map(lambda text: make_rule(RuleKind.ARCHITECTURE, text)),
    GUIDS.map(lambda guid: make_rule(RuleKind.GUID, str(guid))),
)


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [
        (RuleKind.NAME, "ws-*", "ws-*"),
        (RuleKind.NAME, "[", "["),
        (RuleKind.MAC, "52:54:00", "52:54:00"),
        (RuleKind.MAC, "5254", "52:54"),
        (RuleKind.MAC, "52-54-AA", "52:54:aa"),
        (RuleKind.MAC, "5254.0012.34", "52:54:00:12:34"),
        (RuleKind.MAC, "525400-123456", "52:54:00:12:34:56"),
        (RuleKind.ARCHITECTURE, "uefi-arm64", "uefi-arm64"),
        (RuleKind.GUID, f"{{{GUID}}}".upper(), str(GUID)),
    ],
)
def test_a_rule_is_kept_in_one_form(kind: RuleKind, text: str, kept: str) -> None:
    assert make_rule(kind, text) == CollectionRule(kind, kept)
    assert make_rule(kind, kept).value == kept


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (RuleKind.NAME, "", "no pattern"),
        (RuleKind.NAME, " ws", "space around"),
        (RuleKind.NAME, "ws\a*", r"U\+0007"),
        (RuleKind.MAC, "52:5", "whole bytes"),
        (RuleKind.MAC, "52:54:00:12:34:56:78", "beginning of a MAC"),
        (RuleKind.MAC, "ws", "beginning of a MAC"),
        (RuleKind.ARCHITECTURE, "x86", "there are bios, uefi-amd64"),
        (RuleKind.GUID, "4c4c", "is not a GUID"),
    ],
)
def test_what_can_be_no_rule_is_told_with_what_would_be_right(kind: RuleKind, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        make_rule(kind, text)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (RuleKind.NAME, "ws-*", True),
        (RuleKind.NAME, "WS-*", False),
        (RuleKind.NAME, "ws-0[!1]", False),
        (RuleKind.MAC, "de:ad", True),
        (RuleKind.MAC, "12:34", False),
        (RuleKind.ARCHITECTURE, "bios", True),
        (RuleKind.ARCHITECTURE, "uefi-amd64", False),
        (RuleKind.GUID, str(swap_guid(GUID)), True),
        (RuleKind.GUID, str(uuid.UUID(int=9)), False),
    ],
)
def test_whom_a_rule_holds(kind: RuleKind, text: str, expected: bool) -> None:
    rule = make_rule(kind, text)
    assert fits(rule, PC, "bios") is expected
    assert Rules({7: [rule]}).holding(PC, "bios") == ({7} if expected else frozenset())


def test_a_computer_that_was_never_heard_fits_no_firmware() -> None:
    assert not Rules({7: [make_rule(RuleKind.ARCHITECTURE, "bios")]}).holding(PC, "")


@given(
    st.dictionaries(st.integers(1, 6), st.lists(RULES, max_size=4), max_size=6),
    st.builds(Computer, st.just(1), NAMES, st.lists(MACS, max_size=3).map(tuple), st.none() | GUIDS),
    st.sampled_from(["", "bios", "uefi-amd64"]),
)
def test_looking_up_finds_what_trying_finds(
    rules: dict[int, list[CollectionRule]], computer: Computer, firmware: str
) -> None:
    tried = {number for number, own in rules.items() if any(fits(rule, computer, firmware) for rule in own)}
    compiled = Rules(rules)
    assert compiled.holding(computer, firmware) == tried
    assert bool(compiled) == any(rules.values())
