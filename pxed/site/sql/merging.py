"""Two computers that turn out to be one."""

from __future__ import annotations

from pxed.errors import NotFound, Refused
from pxed.site.sql.computers import adopt_records
from pxed.site.sql.core import Table, bindparam, delete, exists, select, update
from pxed.site.sql.edits import Edits
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import computer, event, hand_out, mac, membership, variable

_FIND = Statement(select(computer.c.name, computer.c.protected).where(computer.c.id == bindparam("key")))
_PROTECT = Statement(update(computer).where(computer.c.id == bindparam("key")), "protected")
_REMOVE = Statement(delete(computer).where(computer.c.id == bindparam("key")))
_MOVE_MACS = Statement(update(mac).where(mac.c.computer_id == bindparam("other")).values(computer_id=bindparam("one")))


def _move(table: Table, key: str) -> Statement:
    """Gives `one` the rows of `other` for which it has none with the same `key`."""
    own = table.alias("own")
    has = exists().where(own.c.computer_id == bindparam("one"), own.c[key] == table.c[key])
    moved = update(table).where(table.c.computer_id == bindparam("other"), ~has)
    return Statement(moved.values(computer_id=bindparam("one_too")))


def _retell(table: Table) -> Statement:
    told = update(table).where(table.c.subject == bindparam("other"))
    return Statement(told.values(subject=bindparam("one")))


_MOVES = (_move(membership, "collection_id"), _move(variable, "name"))
_RETELLINGS = (_retell(event), _retell(hand_out))


class Merging(Edits):
    """The transaction's part for merging; `pxed.site.store.Tx` says what it does."""

    def merge_computers(self, computer_id: int, other_id: int) -> None:
        one, other = (self._link.row(_FIND, key=key) for key in (computer_id, other_id))
        if one is None or other is None:
            missing = computer_id if one is None else other_id
            raise NotFound(f"there is no computer with the id {missing}")
        if computer_id == other_id:
            raise Refused(f"computer {one[0]} cannot be merged into itself")
        self._link.run(_MOVE_MACS, one=computer_id, other=other_id)
        for statement in _MOVES:
            self._link.run(statement, one=computer_id, one_too=computer_id, other=other_id)
        subject, gone = str(computer_id), str(other_id)
        drop_superseded, own = adopt_records(0)
        self._link.run(drop_superseded, subject=subject, g0=gone, g1=gone)
        self._link.run(own, subject_now=subject, g0=gone, g1=gone)
        for statement in _RETELLINGS:
            self._link.run(statement, one=subject, other=gone)
        self._link.run(_PROTECT, key=computer_id, protected=one[1] or other[1])
        self._link.run(_REMOVE, key=other_id)
        self._edited(f"computer {other[0]} merged into {one[0]}", subject)
