"""Passwords in the site: who has one for what, and that nothing of them is told."""

import pytest

from pxed.errors import NotFound, UsageError
from pxed.site.event import EventKind
from pxed.site.model import Kind, PasswordScope
from tests.site_in_memory import MemorySite
from tests.support import NOW, advertise

pytestmark = pytest.mark.usefixtures("new_site")

SITE = PasswordScope.SITE, 0


@pytest.fixture
def site() -> MemorySite:
    return MemorySite("jane", NOW)


def test_a_password_is_set_changed_and_removed(site: MemorySite) -> None:
    assert not site.put_password(*SITE, "", "one")
    assert not site.put_password(*SITE, "bob", "two")
    assert site.put_password(*SITE, "bob", "three")
    assert site.plan().passwords == {SITE: ("", "bob")}
    assert site.password_hashes(*SITE) == {"": "one", "bob": "three"}
    site.remove_password(*SITE, "bob")
    with pytest.raises(NotFound, match="there is no password of 'bob' for the site"):
        site.remove_password(*SITE, "bob")
    (left,) = site.passwords()
    assert (left.scope, left.scope_id, left.person, left.changed_by, left.changed_at) == (*SITE, "", "jane", NOW)


def test_every_edit_is_in_the_history_and_no_hash_is(site: MemorySite) -> None:
    before = site.plan().change
    site.put_password(*SITE, "bob", "$argon2id$secret")
    site.put_password(*SITE, "bob", "$argon2id$secret2")
    site.remove_password(*SITE, "bob")
    events = site.events(None, 10, [EventKind.EDIT])
    assert [(event.text, event.user) for event in events] == [
        ("password of 'bob' for the site set", "jane"),
        ("password of 'bob' for the site changed", "jane"),
        ("password of 'bob' for the site removed", "jane"),
    ]
    assert site.plan().change == before + 3
    assert site.provenance("site", 0)["password"].user == "jane"


def test_a_hash_is_made_anew_unless_the_password_was_changed_meanwhile(site: MemorySite) -> None:
    site.put_password(*SITE, "", "old")
    site.refresh_password(*SITE, "", "another", "wrong")
    assert site.password_hashes(*SITE) == {"": "old"}
    site.refresh_password(*SITE, "", "old", "new")
    assert site.password_hashes(*SITE) == {"": "new"}
    assert len(site.events(None, 10, [EventKind.EDIT])) == 1


def test_what_is_removed_takes_its_passwords_along(site: MemorySite) -> None:
    made = advertise(site, Kind.OPTIONAL)
    site.put_password(PasswordScope.ADVERTISEMENT, made.id, "", "a")
    site.put_password(PasswordScope.COLLECTION, made.collection_id, "", "c")
    site.put_password(*SITE, "", "s")
    site.remove_advertisement(made.id)
    site.remove_collection("lab")
    assert [one.scope for one in site.passwords()] == [PasswordScope.SITE]


@pytest.mark.parametrize(("person", "why"), [("a\nb", "control character"), (" a", "space")])
def test_user_names_that_cannot_be(site: MemorySite, person: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        site.put_password(*SITE, person, "x")
    assert not site.passwords()
