"""An operator's word about a computer that was seen."""

from __future__ import annotations

import pytest

from pxed.errors import Refused
from pxed.site.approval import approve, reject
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.model import Sighting
from tests.site.samples_of_a_site import GUID, NOW, A, B, advertise, record, sighting
from tests.site_in_memory import MemorySite

pytestmark = pytest.mark.usefixtures("new_site")


@pytest.fixture
def tx() -> MemorySite:
    return MemorySite("operator", NOW)


def seen(tx: MemorySite, mac: str = A) -> Sighting:
    tx.saw(sighting(mac, guid=GUID))
    found = tx.find_sighting(mac)
    assert found is not None
    return found


def test_a_sighting_is_found_by_id_and_by_mac(tx: MemorySite) -> None:
    assert tx.find_sighting("9" * 18) is None
    found = seen(tx)
    assert tx.find_sighting(str(found.id)) == tx.find_sighting(A.upper().replace(":", "-")) == found
    for key in ("0", "x", "-1", "9" * 30, B):
        assert tx.find_sighting(key) is None


def test_an_approved_computer_has_both_identifiers_its_collections_and_its_records(tx: MemorySite) -> None:
    before = tx.save_record(record(A, advertise(tx)))
    home = tx.find_collection("c")
    assert home is not None
    one = approve(tx, seen(tx), "one", [home])
    assert (one.macs, one.guid) == ((A,), GUID)
    assert [each.name for each in tx.collections(one.id)] == ["c"]
    assert [each.id for each in tx.records(str(one.id))] == [before.id]
    assert tx.sightings() == []


def test_what_is_shared_is_not_given_to_it(tx: MemorySite) -> None:
    found = seen(tx)
    tx.list_identifier(IdentifierList.SHARED, IdentifierKind.MAC, A)
    assert approve(tx, found, "one").macs == ()


@pytest.mark.parametrize(("name", "mac"), [("one", B), ("two", A)])
def test_an_approval_overwrites_nobody(tx: MemorySite, name: str, mac: str) -> None:
    found = seen(tx, mac)
    tx.put_computer("one", [A], None)
    with pytest.raises(Refused, match="computer one has this name or its identifiers already"):
        approve(tx, found, name)


def test_a_rejected_computer_is_ignored_by_what_is_its_own(tx: MemorySite) -> None:
    found = seen(tx)
    assert reject(tx, found) == A
    tx.list_identifier(IdentifierList.SHARED, IdentifierKind.MAC, A)
    assert reject(tx, found) == str(GUID)
    tx.list_identifier(IdentifierList.SHARED, IdentifierKind.GUID, str(GUID))
    with pytest.raises(Refused, match="others"):
        reject(tx, found)
