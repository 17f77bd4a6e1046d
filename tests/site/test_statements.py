"""Every statement, in both databases' words."""

from __future__ import annotations

import json
import re
from contextlib import closing

import pytest

from pxed.site.sql import Database, Link
from pxed.site.sql.statement import SQLITE_TEXTS, DialectName, kept_texts
from pxed.site.sql.texts import every_statement, lines_of

STATEMENTS = every_statement()


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_whole_before_it_is_run(name: str, dialect: DialectName) -> None:
    text, names, _ = STATEMENTS[name].make(dialect)
    assert text.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}
    assert "POSTCOMPILE" not in text  # SQLAlchemy would fill that in only when it runs the statement itself
    marks = re.findall(r"[?]|\$\d+", text)
    assert len(names) == (len(marks) if dialect == "sqlite" else len(set(marks)))


def test_the_database_understands_every_statement(database: Database) -> None:
    with closing(database.connect()) as driver:
        begin = "EXPLAIN" if driver.dialect == "sqlite" else "PREPARE statement AS"
        for statement in STATEMENTS.values():
            text, names, _ = statement.compiled(driver.dialect)
            driver.execute(f"{begin} {text}", (None,) * len(names) if begin == "EXPLAIN" else ())
            if begin != "EXPLAIN":
                driver.execute("DEALLOCATE statement")


def test_the_texts_that_are_kept_are_those_that_sqlalchemy_makes() -> None:
    """If they are not: `python -m pxed.site.sql.texts`."""
    assert [json.loads(line) for line in lines_of(STATEMENTS.values())] == json.loads(SQLITE_TEXTS.read_bytes())


def test_a_value_that_is_left_out_is_a_bug_that_is_told(sqlite: Database) -> None:
    with closing(Link(sqlite)) as link, pytest.raises(KeyError, match="value"):
        link.run(STATEMENTS["properties._ADD"], computer_id=1, name="A")


def test_what_is_kept_is_what_is_run(sqlite: Database) -> None:
    kept = kept_texts("sqlite")
    for statement in STATEMENTS.values():
        assert statement.compiled("sqlite") is kept[statement.written]
        assert statement.compiled("sqlite") == statement.make("sqlite")
