"""Every statement, in both databases' words."""

from __future__ import annotations

import importlib
import pkgutil
import re
from contextlib import closing

import pytest
from sqlalchemy.engine import Engine, make_url

import pxed.site.sql
from pxed.site.sql import (
    computers,
    edits,
    fitting,
    history,
    identify,
    listed,
    members,
    merging,
    properties,
    reader,
    records,
)
from pxed.site.sql.link import Link, Statement
from pxed.site.sql.postgresql import PostgresDriver

MODULES = [
    importlib.import_module(f"{pxed.site.sql.__name__}.{each.name}")
    for each in pkgutil.iter_modules(pxed.site.sql.__path__)
]
STATEMENTS = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Statement)
} | {
    **{f"members {deep} {many}": statement for (deep, many), statement in members._MEMBERS.items()},
    **{f"member ids {deep}": statement for deep, statement in members._MEMBER_IDS.items()},
    **{f"member names {deep} {many}": statement for (deep, many), statement in members._MEMBER_NAMES.items()},
    **{f"names {by_name}": statement for by_name, statement in fitting.NAMES.items()},
    **{f"without MACs {by_name}": statement for by_name, statement in fitting.WITHOUT_MACS.items()},
    **{f"with MACs {by_name}": statement for by_name, statement in fitting.WITH_MACS.items()},
    "computers by id": members.computers_by_id(2),
    **{f"count members {deep}": statement for deep, statement in members._COUNT_MEMBERS.items()},
    **{f"count members up to, {deep}": statement for deep, statement in members._COUNT_UP_TO.items()},
    "who": identify._who(2, 4, 3),
    "variables of": properties.variables_of(2),
    "members among": members.members_among(2),
    **{f"adopt {number}": statement for number, statement in enumerate(computers.adopt_records(2))},
    **{f"end sightings {macs}": computers._end_sightings(macs) for macs in range(3)},
    "records among": records.records_among(2),
    "traces": computers._traces(3),
    "add computers": computers._add(2),
    "among": listed._among(3),
    **{f"merge {number}": statement for number, statement in enumerate((*merging._MOVES, *merging._RETELLINGS))},
    "events": edits._add_events(2),
    "wanted events": history._events(2, 2, by_user=True, since=True, forward=False),
    **{f"known to {clients}": reader._known_to(clients) for clients in (1, 8)},
}


DIALECTS = {"sqlite": make_url("sqlite://").get_dialect()(), "postgresql": PostgresDriver.dialect}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_whole_before_it_is_run(name: str, dialect: str) -> None:
    text, names, _ = STATEMENTS[name].compiled(DIALECTS[dialect])
    assert text.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}
    assert "POSTCOMPILE" not in text  # SQLAlchemy would fill that in only when it runs the statement itself
    marks = re.findall(r"[?]|\$\d+", text)
    assert len(names) == (len(marks) if dialect == "sqlite" else len(set(marks)))


def test_the_database_understands_every_statement(engine: Engine) -> None:
    begin = "EXPLAIN" if engine.dialect.name == "sqlite" else "PREPARE statement AS"
    with closing(Link(engine)) as link:
        for statement in STATEMENTS.values():
            text, names, _ = statement.compiled(link._driver.dialect)
            link._driver.execute(f"{begin} {text}", (None,) * len(names) if begin == "EXPLAIN" else ())
            if begin != "EXPLAIN":
                link.command("DEALLOCATE statement")
