"""Statements as text, which SQLAlchemy Core makes of expressions and knows each database's ways for.

Running a statement through SQLAlchemy costs tens of microseconds of bookkeeping, and importing it a fifth of a second.
A text is handed to the driver as it is, with its values: a few microseconds, and the same expressions serve SQLite and
PostgreSQL. Values and rows are plain integers, strings and None, so nothing needs converting on the way. The texts for
SQLite are part of pxed, in `sqlite.json`, which `python -m pxed.site.sql.texts` writes; what is not there SQLAlchemy
makes when it is first run.
"""

from __future__ import annotations

import functools
import importlib
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pxed.site.sql.deferred import made, written

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql import ClauseElement

DialectName = Literal["sqlite", "postgresql"]
SQLITE_TEXTS = Path(__file__).with_name("sqlite.json")
_making = threading.Lock()
"""A part of two expressions is made once, so that it is one thing in both."""


class Compiled(NamedTuple):
    """What a driver runs."""

    text: str
    names: tuple[str, ...]
    """of its values, in order"""
    constants: dict[str, Any]
    """those values that are always the same"""


class Statement:
    """A Core expression; `columns` names what an INSERT or UPDATE sets, the other values are its bind parameters."""

    __slots__ = ("_clause", "_columns", "_compiled")

    def __init__(self, clause: ClauseElement, *columns: str) -> None:
        self._clause = clause
        self._columns = columns
        self._compiled: dict[DialectName, Compiled] = {}

    @property
    def written(self) -> str:
        """The expression in Python, and the columns."""
        return written((self._clause, *self._columns))

    def compiled(self, dialect: DialectName) -> Compiled:
        """For the drivers of that database."""
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = kept_texts(dialect).get(self.written) or self.make(dialect)
        return found

    def make(self, dialect: DialectName) -> Compiled:
        """As `compiled`, by SQLAlchemy."""
        with _making:
            clause: ClauseElement = made(self._clause)
            compiled: Any = clause.compile(dialect=_dialect(dialect), column_keys=list(self._columns) or None)
        names = tuple(compiled.positiontup or ())
        binds = {name: compiled.binds[name] for name in names}
        constants = {name: bind.value for name, bind in binds.items() if not bind.required and bind.value is not None}
        return Compiled(str(compiled), names, constants)


@functools.cache
def kept_texts(dialect: DialectName) -> dict[str, Compiled]:
    """The texts that were made beforehand, by how their expressions are `written`."""
    if dialect != "sqlite":
        return {}
    kept = json.loads(SQLITE_TEXTS.read_bytes())
    return {key: Compiled(text, tuple(names), constants) for key, text, names, constants in kept}


def import_sqlalchemy() -> None:
    """Takes a fifth of a second, before anybody is there who would wait for a text that is not kept."""
    importlib.import_module("pxed.site.tables")
    _dialect("sqlite")


@functools.cache
def _dialect(name: DialectName) -> Dialect:
    if name == "sqlite":
        from sqlalchemy.dialects.sqlite import dialect

        return dialect()
    from sqlalchemy.dialects.postgresql.base import PGDialect

    # the server's own marks for values, which psycopg passes on as they are, and the types that their columns have
    return PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
