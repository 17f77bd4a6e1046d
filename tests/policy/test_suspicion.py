"""What identifiers that came together look like."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxed.policy.suspicion import TOO_MANY, suspect
from pxed.site.identifiers import swap_guid
from pxed.site.identity import ConflictKind, Suspicion, Together
from pxed.site.model import Computer

M1, M2, M3 = (f"52:54:00:00:00:0{number}" for number in (1, 2, 3))
G1, G2, G3 = (uuid.UUID(int=number) for number in (1, 2, 3))
ONE, TWO = Computer(1, "one", (M1,), G1), Computer(2, "two", (M2,), G2)
BARE_ONE, BARE_TWO = Computer(1, "one", (M1,), None), Computer(2, "two", (M2,), None)
BY_GUID = Computer(3, "three", (), G3)


def together(
    mac: str,
    guid: uuid.UUID,
    *computers: Computer,
    guids: tuple[uuid.UUID, ...] = (),
    macs: tuple[str, ...] = (),
) -> Together:
    """They came in one packet, after `guids` came with the MAC address and `macs` with the GUID, at a site with these
    computers."""
    owner_of = {mac: each for each in computers for mac in each.macs}
    owner_of_guid = {each.guid: each for each in computers if each.guid}
    owner = owner_of_guid.get(guid)
    return Together(
        mac,
        guid,
        owner_of.get(mac),
        (owner,) if owner else (),
        {each: owner_of_guid.get(each) for each in (*guids, guid)},
        {each: owner_of.get(each) for each in (*macs, mac)},
    )


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        pytest.param(together(M1, G1, ONE, TWO), None, id="as it should be"),
        pytest.param(together(M3, G1, ONE, TWO), None, id="a further network adapter"),
        pytest.param(together(M1, G1, BARE_ONE), None, id="known by its MAC address alone"),
        pytest.param(together(M3, G3, ONE, BY_GUID), None, id="known by its GUID alone"),
        pytest.param(together(M3, uuid.UUID(int=9), ONE), None, id="unknown"),
        pytest.param(together(M1, G3, ONE), ConflictKind.MAINBOARD, id="a new GUID that nobody has"),
        pytest.param(together(M1, G2, ONE, TWO), ConflictKind.ADAPTER, id="one's MAC address, another's GUID"),
        pytest.param(together(M1, G2, ONE, TWO, macs=(M2,)), ConflictKind.ADAPTER, id="and the other's own adapter"),
        pytest.param(
            together(M1, G2, ONE, TWO, guids=(G1,)), ConflictKind.DOCK, id="first with one, then with another"
        ),
        pytest.param(together(M3, G2, ONE, TWO, guids=(G1,)), ConflictKind.DOCK, id="a dock that nobody entered"),
        pytest.param(together(M1, G3, BARE_ONE, BY_GUID), ConflictKind.TWICE, id="entered by MAC and by GUID"),
        pytest.param(together(M1, G3, BARE_ONE, BARE_TWO, macs=(M2,)), ConflictKind.DUPLICATE, id="two show one GUID"),
        pytest.param(together(M2, G1, ONE, BARE_TWO, macs=(M1,)), ConflictKind.DUPLICATE, id="one shows another's"),
    ],
)
def test_what_it_looks_like(seen: Together, kind: ConflictKind | None) -> None:
    suspicion = suspect(seen)
    assert (suspicion.kind if suspicion else None) == kind


def test_it_says_who_is_concerned() -> None:
    assert suspect(together(M1, G2, ONE, TWO)) == Suspicion(ConflictKind.ADAPTER, M1, G2, frozenset({1, 2}))
    dock = suspect(together(M3, G2, ONE, TWO, guids=(G1,)))
    assert dock == Suspicion(ConflictKind.DOCK, M3, None, frozenset({1, 2}))
    duplicate = suspect(together(M2, G3, BARE_ONE, BARE_TWO, macs=(M1,)))
    assert duplicate == Suspicion(ConflictKind.DUPLICATE, "", G3, frozenset({1, 2}))


def test_too_many_of_nobodys_are_suspicious_and_known_adapters_of_one_computer_are_not() -> None:
    guids = tuple(uuid.UUID(int=number) for number in range(20, 20 + TOO_MANY))
    macs = tuple(f"52:54:01:00:00:0{number}" for number in range(TOO_MANY))
    assert suspect(together(M3, guids[0], guids=guids[1:])) == Suspicion(ConflictKind.DOCK, M3, None, frozenset())
    assert suspect(together(M3, guids[0], guids=guids[2:])) is None
    assert suspect(together(macs[0], G3, macs=macs[1:])) == Suspicion(ConflictKind.DUPLICATE, "", G3, frozenset())
    assert suspect(together(macs[0], G3, macs=macs[2:])) is None
    assert suspect(together(macs[0], G3, Computer(3, "three", macs, G3), macs=macs[1:])) is None


def test_two_computers_with_one_guid_in_either_byte_order_are_a_duplicate() -> None:
    other = Computer(2, "two", (M2,), swap_guid(G1))
    seen = Together(M3, G1, None, (ONE, other), {G1: ONE}, {M3: None})
    assert suspect(seen) == Suspicion(ConflictKind.DUPLICATE, "", G1, frozenset({1, 2}))


COMPUTERS = st.sampled_from([(), (ONE,), (ONE, TWO), (BARE_ONE, TWO), (BARE_ONE, BARE_TWO), (BARE_ONE, BY_GUID)])
MACS, GUIDS = st.sampled_from([M1, M2, M3]), st.sampled_from([G1, G2, G3])


@given(MACS, GUIDS, COMPUTERS, st.sets(GUIDS).map(tuple), st.sets(MACS).map(tuple))
def test_every_disagreement_is_suspicious_and_concerns_its_computers(
    mac: str, guid: uuid.UUID, computers: tuple[Computer, ...], guids: tuple[uuid.UUID, ...], macs: tuple[str, ...]
) -> None:
    seen = together(mac, guid, *computers, guids=guids, macs=macs)
    pointed_at = {each.id for each in (seen.mac_owner, *seen.guid_owners) if each}
    suspicion = suspect(seen)
    if len(pointed_at) > 1:
        assert suspicion is not None
    if suspicion is not None:
        assert suspicion.owners >= pointed_at
        assert suspicion.mac in {"", mac}
        assert suspicion.guid in {None, guid}
        assert suspicion.mac or suspicion.guid
