"""The texts of statements for SQLite, which are part of pxed: `python -m pxed.site.sql.texts` writes them anew.

That is to be done whenever a statement or a table was changed; a test compares. Whatever is said of some things at once
has a statement for each number of them; here are those for as many as a command names or a computer has.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterable, Iterator
from itertools import product

import pxed.site.sql
from pxed.site.sql import computers, edits, history, identify, listed, members, properties, reader, records
from pxed.site.sql.statement import SQLITE_TEXTS, Statement

_FEW = range(1, 5)
_OTHERS = {"postgresql", "patience", "flows"}
"""modules: two that need psycopg, and the statements of compiled code, which are for SQLite alone"""


def every_statement() -> dict[str, Statement]:
    """All that are always the same, by module and name, and of the others those for a few things."""
    found: dict[str, Statement] = {}
    for each in pkgutil.iter_modules(pxed.site.sql.__path__):
        if each.name not in _OTHERS:
            module = importlib.import_module(f"pxed.site.sql.{each.name}")
            for name, value in vars(module).items():
                found.update(_in(f"{each.name}.{name}", value))
    found.update(_in("for some", list(_for_some())))
    return found


def _in(name: str, value: object) -> Iterator[tuple[str, Statement]]:
    match value:
        case Statement():
            yield name, value
        case dict():
            for key, each in value.items():
                yield from _in(f"{name} {key}", each)
        case tuple() | list():
            for number, each in enumerate(value):
                yield from _in(f"{name} {number}", each)


def _for_some() -> Iterator[Statement]:
    for few in _FEW:
        yield from (computers._traces(few), computers._add(few), members.computers_by_id(few))
        yield from (members.members_among(few), records.records_among(few), properties.variables_of(few))
        yield from (edits._add_events(few), listed._among(few), listed._among(few + len(_FEW)))
    for few in (0, *_FEW):
        yield from (*computers.adopt_records(few), computers._end_sightings(few))
    for names, guids, macs in product((0, 1), (0, 2), (0, *_FEW)):
        if names or guids or macs:
            yield identify._who(names, guids, macs)
    yield from map(reader._known_to, reader.SIZES)
    for subjects, kinds, by_user, since, forward in product((0, 1), (0, 1, 2), *[(False, True)] * 3):
        yield history._events(subjects, kinds, by_user=by_user, since=since, forward=forward)


def lines_of(statements: Iterable[Statement]) -> list[str]:
    """What the file has of each: how it is written, its text for SQLite, the names of its values, and constants."""
    return sorted({json.dumps([each.written, *each.make("sqlite")]) for each in statements})


if __name__ == "__main__":
    SQLITE_TEXTS.write_text("[\n" + ",\n".join(lines_of(every_statement().values())) + "\n]\n")
