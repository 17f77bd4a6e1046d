"""What statements are made of: names of SQLAlchemy Core, deferred (`deferred.py`); to a type checker they are its own.

To import SQLAlchemy takes longer than all else that a short command does, and what becomes of an expression is the same
text each time: it is made beforehand (`statement.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import (
        BindParameter,
        ColumnClause,
        ColumnElement,
        Function,
        Integer,
        ScalarSelect,
        Select,
        Table,
        Text,
        and_,
        bindparam,
        cast,
        delete,
        exists,
        func,
        insert,
        literal_column,
        null,
        or_,
        select,
        true,
        union_all,
        update,
    )
else:
    from pxed.site.sql.deferred import names_of

    __getattr__ = names_of("sqlalchemy")

__all__ = [
    "BindParameter",
    "ColumnClause",
    "ColumnElement",
    "Function",
    "Integer",
    "ScalarSelect",
    "Select",
    "Table",
    "Text",
    "and_",
    "bindparam",
    "cast",
    "delete",
    "exists",
    "func",
    "insert",
    "literal_column",
    "null",
    "or_",
    "select",
    "true",
    "union_all",
    "update",
]
