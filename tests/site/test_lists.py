"""The ignore list and the shared list, as transactions keep them and the boot path reads them."""

from __future__ import annotations

import uuid

import pytest

from pxed.errors import Refused
from pxed.site.identity import IdentifierKind, IdentifierList
from pxed.site.model import PxeRecord
from tests.site.samples_of_a_site import GUID, NOW, SWAPPED, A, B, advertise, record, sighting, texts
from tests.site_in_memory import MemorySite

pytestmark = pytest.mark.usefixtures("new_site")

IGNORED, SHARED = IdentifierList.IGNORED, IdentifierList.SHARED
MAC, GUID_KIND = IdentifierKind.MAC, IdentifierKind.GUID


@pytest.fixture
def tx() -> MemorySite:
    return MemorySite("operator", NOW)


def test_a_list_is_kept_with_who_why_and_when(tx: MemorySite) -> None:
    assert tx.listed(IGNORED) == []
    assert tx.list_identifier(IGNORED, MAC, A, "a printer")
    assert not tx.list_identifier(IGNORED, MAC, A, "the printer")
    assert not tx.list_identifier(IGNORED, MAC, A)
    (listed,) = tx.listed(IGNORED)
    assert (listed.kind, listed.value, listed.comment, listed.user, listed.at) == (
        MAC,
        A,
        "the printer",
        "operator",
        NOW,
    )
    assert str(listed) == (
        f"the MAC address {A} (the printer) was put on the ignore list by operator at 2026-03-01 12:00 UTC"
    )
    assert tx.unlist_identifier(IGNORED, MAC, A)
    assert not tx.unlist_identifier(IGNORED, MAC, A)
    assert texts(tx, A)[-1] == f"MAC address {A} taken off the ignore list"


def test_a_guid_is_one_line_in_either_byte_order(tx: MemorySite) -> None:
    assert tx.list_identifier(IGNORED, GUID_KIND, str(GUID))
    assert not tx.list_identifier(IGNORED, GUID_KIND, str(SWAPPED))
    assert [each.value for each in tx.listed(IGNORED)] == [str(GUID)]
    assert set(tx.plan().ignored.guids) == {GUID, SWAPPED}
    assert tx.unlist_identifier(IGNORED, GUID_KIND, str(GUID))


def test_every_edit_reaches_the_plan(tx: MemorySite) -> None:
    before = tx.plan()
    tx.list_identifier(SHARED, MAC, A, "a dock")
    assert tx.plan().change > before.change
    assert tx.plan().shared.macs[A].comment == "a dock"


@pytest.mark.parametrize("filler", [b"\0", b"\xff", b"\x44"])
def test_every_site_begins_with_the_guids_that_firmware_comes_with(tx: MemorySite, filler: bytes) -> None:
    junk = uuid.UUID(bytes=16 * filler)
    assert junk in tx.plan().shared.guids
    with pytest.raises(Refused, match="tells no computer from another"):
        tx.put_computer("one", [A], junk)
    tx.unlist_identifier(SHARED, GUID_KIND, str(junk))
    assert tx.put_computer("one", [A], junk).guid == junk


def test_a_default_of_firmware_is_known_in_both_byte_orders(tx: MemorySite) -> None:
    guids = tx.plan().shared.guids
    assert uuid.UUID("03000200-0400-0500-0006-000700080009") in guids
    assert uuid.UUID("00020003-0004-0005-0006-000700080009") in guids


def test_other_guids_of_sixteen_equal_bytes_are_taken(tx: MemorySite) -> None:
    assert tx.put_computer("one", [], uuid.UUID(bytes=16 * b"\x55")).guid


def test_what_is_shared_is_no_evidence_and_no_new_computers(tx: MemorySite) -> None:
    one = tx.put_computer("one", [A], GUID)
    tx.list_identifier(SHARED, MAC, A)
    tx.list_identifier(SHARED, GUID_KIND, str(SWAPPED))
    evidence = tx.look_up(A, [GUID])[1]
    assert (evidence.by_mac, evidence.by_guid) == (None, ())
    assert tx.put_computer("one", [A, B], GUID).id == one.id
    with pytest.raises(Refused, match=f"two: the MAC address {A} .*leave it out"):
        tx.put_computer("two", [A], None)


def test_an_unknown_computer_with_a_shared_mac_keeps_its_records_under_its_guid(tx: MemorySite) -> None:
    tx.list_identifier(SHARED, MAC, A)
    here = advertise(tx)
    by_guid = tx.save_record(record(str(GUID), here))
    tx.save_record(record(A, here))
    assert tx.look_up(A, [GUID])[1].unknown_records == (by_guid,)
    assert tx.look_up(A, [SWAPPED])[1].unknown_records == ()
    assert [each.subject for each in tx.look_up(A, [])[1].unknown_records] == [A]
    one = tx.put_computer("one", [B], SWAPPED)
    adopted: list[PxeRecord] = list(tx.records(str(one.id)))
    assert [each.id for each in adopted] == [by_guid.id]


def test_who_is_behind_a_shared_mac_is_sighted(tx: MemorySite) -> None:
    tx.put_computer("one", [A], GUID)
    tx.saw(sighting(A))
    assert tx.sightings() == []
    tx.list_identifier(SHARED, MAC, A)
    tx.saw(sighting(A))
    assert [each.mac for each in tx.sightings()] == [A]
