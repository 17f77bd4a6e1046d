"""What is known of a computer beside its identity: variables, the computer that it replaces, its firmware."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from pxed.errors import Refused
from pxed.site.model import Computer, RuleKind
from pxed.site.names import MAX_VARIABLES, check_name, check_variable
from pxed.site.sql.core import bindparam, delete, insert, literal_column, select, update
from pxed.site.sql.edits import Edits
from pxed.site.sql.identify import CHUNK
from pxed.site.sql.places import placed, places
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import collection_rule, computer, variable

VARIABLES_OF_ONE = Statement(
    select(variable.c.name, variable.c.value)
    .where(variable.c.computer_id == bindparam("key"))
    .order_by(variable.c.name)
)
SOURCE_OF_ONE = Statement(select(computer.c.source).where(computer.c.id == bindparam("key")))
_ADD = Statement(insert(variable), "computer_id", "name", "value")
_CHANGE = Statement(
    update(variable).where(variable.c.computer_id == bindparam("key"), variable.c.name == bindparam("which")), "value"
)
_REMOVE = Statement(
    delete(variable).where(variable.c.computer_id == bindparam("key"), variable.c.name == bindparam("which"))
)
_SET_SOURCE = Statement(update(computer).where(computer.c.id == bindparam("key")), "source")
_ARCHITECTURE = Statement(select(computer.c.architecture).where(computer.c.id == bindparam("key")))
_RULE_OF_KIND = Statement(
    select(collection_rule.c.id).where(collection_rule.c.kind == bindparam("kind")).limit(literal_column("1"))
)
_SET_ARCHITECTURE = Statement(update(computer).where(computer.c.id == bindparam("key")), "architecture")


@functools.cache
def variables_of(computers: int) -> Statement:
    """The variables of so many computers."""
    return Statement(
        select(variable.c.computer_id, variable.c.name, variable.c.value)
        .where(variable.c.computer_id.in_(places("c", computers)))
        .order_by(variable.c.computer_id, variable.c.name)
    )


class Properties(Edits):
    """The transaction's part for these; `pxed.site.store.Tx` says what each method does."""

    def variables(self, computers: Sequence[Computer]) -> Mapping[int, Mapping[str, str]]:
        found: dict[int, dict[str, str]] = {each.id: {} for each in computers}
        for start in range(0, len(computers), CHUNK):
            keys = placed("c", (each.id for each in computers[start : start + CHUNK]))
            for number, name, value in self._link.rows(variables_of(len(keys)), **keys):
                found[number][name] = value
        return found

    def set_variables(self, computer: Computer, values: Mapping[str, str]) -> int:
        before: dict[str, str] = dict(self._link.rows(VARIABLES_OF_ONE, key=computer.id))
        for name, value in values.items():
            check_variable(name, value)
        different = {name: value for name, value in values.items() if before.get(name) != value}
        if len(before.keys() | values.keys()) > MAX_VARIABLES:
            raise Refused(f"computer {computer.name} would have more than {MAX_VARIABLES} variables")
        for name, value in different.items():
            if name in before:
                self._link.run(_CHANGE, key=computer.id, which=name, value=value)
            else:
                self._link.run(_ADD, computer_id=computer.id, name=name, value=value)
        if different:
            text = ", ".join(f"{name} = {value!r}" for name, value in different.items())
            self._edited(f"variables of computer {computer.name}: {text}", str(computer.id))
        return len(different)

    def unset_variable(self, computer: Computer, name: str) -> bool:
        if not self._link.run(_REMOVE, key=computer.id, which=name):
            return False
        self._edited(f"variable {name} of computer {computer.name} removed", str(computer.id))
        return True

    def set_source(self, computer: Computer, source: str) -> bool:
        if source:
            check_name(source)
        if source == computer.source:
            return False
        self._link.run(_SET_SOURCE, key=computer.id, source=source)
        what = f"replaces {source}" if source else f"no longer replaces {computer.source}"
        self._edited(f"computer {computer.name} {what}", str(computer.id))
        return True

    def heard(self, computer_id: int, architecture: int) -> None:
        row = self._link.row(_ARCHITECTURE, key=computer_id)
        if row is None or row[0] == architecture:
            return
        self._link.run(_SET_ARCHITECTURE, key=computer_id, architecture=architecture)
        if self._link.row(_RULE_OF_KIND, kind=RuleKind.ARCHITECTURE.value):
            self._raise_change()
