"""The queue of identifiers that disagree: what opens a conflict, what settles it, and what opens it again."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pxed.bucket import Bucket
from pxed.errors import NotFound, PxedError, Refused, UsageError
from pxed.identities import Identities
from pxed.policy.suspicion import TOO_MANY
from pxed.site import settling
from pxed.site.event import EventKind
from pxed.site.identity import Conflict, ConflictKind, IdentifierKind, IdentifierList
from pxed.site.model import Computer, RecordState
from pxed.site.sql.conflicts import CONFLICTS_KEPT
from pxed.site.sql.seen import SEEN_KEPT
from pxed.site.store import Tx
from tests.site.samples_of_a_site import GUID, NOW, SWAPPED, A, B, C, advertise, record
from tests.site_in_memory import MemorySite

pytestmark = pytest.mark.usefixtures("new_site")

OTHER_GUID, THIRD_GUID = uuid.UUID(int=7), uuid.UUID(int=8)


class Site(MemorySite):
    """A site on whose network computers boot."""

    def __init__(self) -> None:
        super().__init__("operator", NOW)
        self.identities = Identities(self.run, Bucket(rate=100, burst=100))

    def run(self, job: Callable[[Tx], object]) -> None:
        job(self)

    def boots(self, mac: str, guid: uuid.UUID, *, after: timedelta = timedelta(minutes=5)) -> list[Conflict]:
        """A computer shows both; what is in the queue then."""
        self.now += after
        evidence = self.look_up(mac, [guid])[1]
        self.identities.notice(mac, guid, "eth0", self.now, conflict=evidence.disagrees)
        return list(self.conflicts())

    def settle(self, conflict: Conflict, way: Callable[..., str], *terms: object) -> str:
        how = way(self, conflict, *terms)
        self.settle_conflict(conflict.id, how)
        return how

    def computer(self, name: str) -> Computer:
        found = self.find_computer(name)
        assert found is not None
        return found


@pytest.fixture
def tx() -> Site:
    site = Site()
    site.put_computer("one", [A], GUID)
    site.put_computer("two", [B], OTHER_GUID)
    return site


def test_what_belongs_together_is_no_conflict(tx: Site) -> None:
    assert tx.boots(A, GUID) == []
    assert tx.boots(A, SWAPPED) == []
    assert tx.boots(C, GUID) == []


def test_a_conflict_is_queued_with_what_was_seen_and_told_to_both(tx: Site) -> None:
    (conflict,) = tx.boots(A, OTHER_GUID)
    assert (conflict.kind, conflict.mac, conflict.guid) == (ConflictKind.ADAPTER, A, OTHER_GUID)
    assert (conflict.interface, conflict.serial, conflict.count) == ("eth0", "", 1)
    assert (conflict.first_seen, conflict.owners) == (tx.now, frozenset({1, 2}))
    for owner in conflict.owners:
        (event,) = tx.events(str(owner), 10, [EventKind.IDENTITY])
        assert event.text == f"conflict 1: MAC address {A} and GUID {OTHER_GUID}: a network adapter that moved?"
    (again,) = tx.boots(A, OTHER_GUID)
    assert (again.count, again.last_seen) == (2, tx.now)
    assert len(tx.events(None, 10, [EventKind.IDENTITY])) == 2


def test_a_boot_that_repeats_itself_is_noticed_once(tx: Site) -> None:
    tx.boots(A, OTHER_GUID)
    (conflict,) = tx.boots(A, OTHER_GUID, after=timedelta(seconds=8))
    assert conflict.count == 1


def test_what_was_put_right_by_other_means_leaves_the_queue(tx: Site) -> None:
    tx.boots(A, THIRD_GUID)
    tx.put_computer("one", [A], THIRD_GUID)
    assert tx.boots(A, THIRD_GUID, after=timedelta(hours=2)) == []
    tx.boots(A, OTHER_GUID)
    tx.list_identifier(IdentifierList.SHARED, IdentifierKind.GUID, str(OTHER_GUID))
    assert [each.settled_how for each in tx.conflicts(settled=True)] == [
        f"the GUID {OTHER_GUID} put on the shared list",
        "they belong together now",
    ]


def test_another_thought_of_the_same_two_takes_the_place_of_the_first(tx: Site) -> None:
    tx.put_computer("three", [C], None)
    tx.put_computer("four", [], THIRD_GUID)
    assert [each.kind for each in tx.boots(C, THIRD_GUID)] == [ConflictKind.TWICE]
    tx.boots(A, uuid.UUID(int=9))
    tx.put_computer("four", ["52:54:00:00:00:99"], THIRD_GUID)
    tx.put_computer("three", [C], uuid.UUID(int=10))
    assert [each.kind for each in tx.boots(C, THIRD_GUID)] == [ConflictKind.ADAPTER, ConflictKind.MAINBOARD]


def test_a_dock_takes_the_place_of_what_was_thought_before(tx: Site) -> None:
    assert [each.kind for each in tx.boots(A, OTHER_GUID)] == [ConflictKind.ADAPTER]
    (conflict,) = tx.boots(A, GUID)
    assert (conflict.kind, conflict.mac, conflict.guid) == (ConflictKind.DOCK, A, None)
    assert tx.seen_with(A, None) == ([], [min(GUID, SWAPPED), OTHER_GUID])


def test_a_shared_dock_is_settled_for_good(tx: Site) -> None:
    tx.boots(A, OTHER_GUID)
    (dock,) = tx.boots(A, GUID)
    how = tx.settle(dock, settling.put_on_list, IdentifierList.SHARED, IdentifierKind.MAC)
    assert how == f"the MAC address {A} put on the shared list"
    (listed,) = [each for each in tx.listed(IdentifierList.SHARED) if each.value == A]
    assert (listed.comment, listed.user) == ("conflict 2: a dock that travels", "operator")
    assert tx.boots(A, OTHER_GUID) == tx.boots(A, GUID) == []
    (settled,) = [each for each in tx.conflicts(settled=True) if each.id == dock.id]
    assert (settled.settled_at, settled.settled_by, settled.settled_how) == (
        NOW + timedelta(minutes=10),
        "operator",
        how,
    )


def test_a_moved_mac_belongs_to_the_other_and_comes_back_if_it_is_moved_back(tx: Site) -> None:
    (conflict,) = tx.boots(A, OTHER_GUID)
    assert tx.settle(conflict, settling.move_mac, tx.computer("two")) == f"the MAC address {A} moved from one to two"
    assert (tx.computer("one").macs, tx.computer("two").macs) == ((), (A, B))
    assert tx.boots(A, OTHER_GUID) == []
    tx.put_computer("two", [B], OTHER_GUID)
    tx.put_computer("one", [A], GUID)
    (again,) = tx.boots(A, OTHER_GUID, after=timedelta(hours=2))
    assert (again.id, again.count, again.settled_how) == (conflict.id, 1, "")


def test_a_replaced_mainboard_is_merged_into_its_computer(tx: Site) -> None:
    (conflict,) = tx.boots(A, THIRD_GUID)
    assert conflict.kind is ConflictKind.MAINBOARD
    assert tx.settle(conflict, settling.merge, tx.computer("one")) == f"one has the GUID {THIRD_GUID}"
    assert tx.computer("one").guid == THIRD_GUID
    assert tx.boots(A, THIRD_GUID, after=timedelta(hours=2)) == []


def test_one_computer_that_was_entered_twice_is_merged_with_all_that_it_had(tx: Site) -> None:
    here = advertise(tx)
    by_mac, by_guid = tx.put_computer("by-mac", [C], None), tx.put_computer("by-guid", [], THIRD_GUID)
    home = tx.find_collection("c")
    assert home is not None
    tx.add_member(home.id, by_mac.id)
    tx.save_record(record(str(by_mac.id), here))
    done = tx.save_record(replace(record(str(by_guid.id), here, changed=5), state=RecordState.SUCCEEDED))
    (conflict,) = tx.boots(C, THIRD_GUID)
    assert conflict.kind is ConflictKind.TWICE
    how = tx.settle(conflict, settling.merge, by_guid)
    assert how == f"by-mac merged into by-guid, by-guid has the GUID {THIRD_GUID}"
    one = tx.computer("by-guid")
    assert (one.macs, one.guid, tx.find_computer("by-mac")) == ((C,), THIRD_GUID, None)
    assert [each.name for each in tx.collections(one.id)] == ["c"]
    assert [each.id for each in tx.records(str(one.id))] == [done.id]
    assert "computer by-mac added" in tx.events(str(one.id), 20)[0].text
    assert tx.boots(C, THIRD_GUID, after=timedelta(hours=2)) == []


def test_a_merged_computer_keeps_the_guid_as_it_was_entered(tx: Site) -> None:
    tx.put_computer("three", [C], None)
    (conflict,) = tx.boots(C, SWAPPED)
    tx.settle(conflict, settling.merge, tx.computer("three"))
    assert tx.computer("three").guid == GUID
    assert tx.computer("three").macs == (A, C)


def test_a_dismissed_one_comes_back_only_if_others_are_concerned(tx: Site) -> None:
    (conflict,) = tx.boots(A, OTHER_GUID)
    tx.settle_conflict(conflict.id, "dismissed", dismissed=True)
    assert tx.boots(A, OTHER_GUID, after=timedelta(hours=2)) == []
    tx.put_computer("two", [B], None)
    tx.put_computer("three", [C], OTHER_GUID)
    (again,) = tx.boots(A, OTHER_GUID, after=timedelta(hours=2))
    assert (again.id, again.owners) == (conflict.id, frozenset({1, 3}))


def test_a_guid_that_many_show_is_one_conflict(tx: Site) -> None:
    for number in range(TOO_MANY + 3):
        tx.boots(f"52:54:01:00:00:0{number}", THIRD_GUID)
    (conflict,) = tx.conflicts()
    assert (conflict.kind, conflict.mac, conflict.guid, conflict.count) == (
        ConflictKind.DUPLICATE,
        "",
        THIRD_GUID,
        4,
    )
    tx.settle(conflict, settling.put_on_list, IdentifierList.SHARED, IdentifierKind.GUID)
    assert tx.boots("52:54:01:00:00:ff", THIRD_GUID) == []


def test_more_than_two_computers_are_not_merged_at_once(tx: Site) -> None:
    for number in range(3):
        tx.put_computer(f"pc{number}", [f"52:54:01:00:00:0{number}"], None)
        tx.boots(f"52:54:01:00:00:0{number}", THIRD_GUID)
    (conflict,) = tx.conflicts()
    assert "is about 3 computers" in str(refusal(lambda: settling.merge(tx, conflict, tx.computer("pc0"))))


def test_an_ignored_identifier_settles_too(tx: Site) -> None:
    (conflict,) = tx.boots(A, OTHER_GUID)
    tx.settle(conflict, settling.put_on_list, IdentifierList.IGNORED, IdentifierKind.GUID)
    assert OTHER_GUID in tx.plan().ignored.guids


def refusal(edit: Callable[[], object]) -> PxedError:
    with pytest.raises(PxedError) as caught:
        edit()
    return caught.value


def test_what_cannot_be_is_said_in_a_sentence(tx: Site) -> None:
    tx.put_computer("bare", [C], None)
    (conflict,) = tx.boots(C, GUID)
    refused = refusal(lambda: settling.move_mac(tx, conflict, tx.computer("one")))
    assert str(refused) == "bare would be left without MAC address and GUID; --merge one makes them one"
    assert "has nothing to do with conflict 1: it is about one and bare" in str(
        refusal(lambda: settling.merge(tx, conflict, tx.computer("two")))
    )
    assert "bare has the MAC address" in str(refusal(lambda: settling.move_mac(tx, conflict, tx.computer("bare"))))
    tx.boots(A, OTHER_GUID)
    dock = next(each for each in tx.boots(A, GUID) if each.kind is ConflictKind.DOCK)
    assert isinstance(refusal(lambda: settling.merge(tx, dock, tx.computer("one"))), Refused)
    assert isinstance(
        refusal(lambda: settling.put_on_list(tx, dock, IdentifierList.SHARED, IdentifierKind.GUID)), UsageError
    )
    tx.settle_conflict(dock.id, "dismissed", dismissed=True)
    assert "was settled by operator: dismissed" in str(refusal(lambda: settling.open_conflict(tx, dock.id)))
    assert isinstance(refusal(lambda: settling.open_conflict(tx, 99)), NotFound)


def test_computers_that_went_meanwhile_do_not_matter(tx: Site) -> None:
    (conflict,) = tx.boots(A, OTHER_GUID)
    tx.remove_computer(tx.computer("two").id)
    tx.settle(conflict, settling.merge, tx.computer("one"))
    assert tx.computer("one").guid == OTHER_GUID


def test_strangers_do_not_make_it_grow(tx: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pxed.site.sql.seen.SEEN_KEPT", 150)
    monkeypatch.setattr("pxed.site.sql.conflicts.CONFLICTS_KEPT", 150)
    assert (SEEN_KEPT, CONFLICTS_KEPT) == (20_000, 1_000)
    tx.boots(B, GUID)
    for number in range(400):
        tx.boots(A, uuid.UUID(int=1000 + number), after=timedelta(seconds=1))
        tx.boots(f"52:54:02:00:{number >> 8:02x}:{number & 255:02x}", THIRD_GUID, after=timedelta(seconds=1))
    assert len(tx.conflicts(settled=True)) <= 250
    count = tx._link.command("SELECT count(*) FROM seen_identity")
    assert count is not None
    assert count[0] <= 250
    assert len(tx.identities._noticed) <= 8192
    assert any(each.mac == B for each in tx.conflicts())


def test_a_storm_is_noticed_in_part_and_the_rest_later(tx: Site) -> None:
    for _ in range(2):
        for number in range(150):
            tx.boots(f"52:54:02:00:00:{number:02x}", uuid.UUID(int=1000 + number), after=timedelta(0))
        tx.now += timedelta(seconds=1)
    assert len(tx.identities._noticed) == 150
