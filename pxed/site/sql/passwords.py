"""Passwords: who has one for what, and their hashes, which nobody is told but who checks one."""

from __future__ import annotations

from collections.abc import Sequence

from pxed.errors import NotFound
from pxed.site.model import Password, PasswordScope
from pxed.site.names import check_name
from pxed.site.sql.core import bindparam, delete, insert, select, update
from pxed.site.sql.edits import Edits
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.link import Link
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import password

_ONE = (
    password.c.scope == bindparam("of"),
    password.c.scope_id == bindparam("key"),
    password.c.person == bindparam("whose"),
)
_ALL = Statement(
    select(
        password.c.scope, password.c.scope_id, password.c.person, password.c.changed_by, password.c.changed_at
    ).order_by(password.c.scope, password.c.scope_id, password.c.person)
)
_HASHES = Statement(
    select(password.c.person, password.c.hash).where(
        password.c.scope == bindparam("of"), password.c.scope_id == bindparam("key")
    )
)
_ADD = Statement(insert(password), "scope", "scope_id", "person", "hash", "changed_by", "changed_at")
_REMOVE = Statement(delete(password).where(*_ONE))
_REMOVE_ALL = Statement(
    delete(password).where(password.c.scope == bindparam("of"), password.c.scope_id == bindparam("key"))
)
_REFRESH = Statement(update(password).where(*_ONE, password.c.hash == bindparam("before")), "hash")


def read_people(link: Link) -> dict[tuple[PasswordScope, int], tuple[str, ...]]:
    """Who has a password, by what it guards."""
    people: dict[tuple[PasswordScope, int], tuple[str, ...]] = {}
    for scope, scope_id, person, *_ in link.rows(_ALL):
        key = PasswordScope(scope), scope_id
        people[key] = (*people.get(key, ()), person)
    return people


def read_hashes(link: Link, scope: PasswordScope, scope_id: int) -> dict[str, str]:
    """The hashes of one lock, by person."""
    return dict(link.rows(_HASHES, of=scope.value, key=scope_id))


def forget_passwords(link: Link, scope: PasswordScope, scope_id: int) -> None:
    """Of what is removed."""
    link.run(_REMOVE_ALL, of=scope.value, key=scope_id)


class Passwords(Edits):
    """The transaction's part for passwords; `pxed.site.store.Tx` says what each method does."""

    def put_password(self, scope: PasswordScope, scope_id: int, person: str, hashed: str) -> bool:
        if person:
            check_name(person)
        replaced = self._link.run(_REMOVE, of=scope.value, key=scope_id, whose=person) > 0
        self._link.run(
            _ADD,
            scope=scope.value,
            scope_id=scope_id,
            person=person,
            hash=hashed,
            changed_by=self._user,
            changed_at=to_micros(self._now),
        )
        self._set_by(scope.value, scope_id, ["password"])
        self._edited(f"{_called(scope, scope_id, person)} {'changed' if replaced else 'set'}")
        return replaced

    def remove_password(self, scope: PasswordScope, scope_id: int, person: str) -> None:
        if not self._link.run(_REMOVE, of=scope.value, key=scope_id, whose=person):
            raise NotFound(f"there is no {_called(scope, scope_id, person)}")
        self._set_by(scope.value, scope_id, ["password"])
        self._edited(f"{_called(scope, scope_id, person)} removed")

    def refresh_password(self, scope: PasswordScope, scope_id: int, person: str, before: str, after: str) -> None:
        self._link.run(_REFRESH, of=scope.value, key=scope_id, whose=person, before=before, hash=after)

    def passwords(self) -> Sequence[Password]:
        return [
            Password(PasswordScope(scope), scope_id, person, changed_by, from_micros(changed_at))
            for scope, scope_id, person, changed_by, changed_at in self._link.rows(_ALL)
        ]


def _called(scope: PasswordScope, scope_id: int, person: str) -> str:
    what = "the site" if scope is PasswordScope.SITE else f"{scope} {scope_id}"
    return f"password of {person!r} for {what}" if person else f"shared password for {what}"
