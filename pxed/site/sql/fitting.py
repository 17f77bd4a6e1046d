"""Who fits a rule, among all computers: what no rule looks at is not read, and nothing is made of who fits none."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from pxed.site.model import firmware_of
from pxed.site.rules import Rules
from pxed.site.sql.core import Select, select
from pxed.site.sql.link import Link
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import computer, mac


def _both_ways(rows: Select[Any]) -> dict[bool, Statement]:
    """`rows` of computers by id, or by name: what is asked of names alone is found in their index."""
    return {False: Statement(rows.order_by(computer.c.id)), True: Statement(rows.order_by(computer.c.name))}


_FEATURES = (computer.c.id, computer.c.name, computer.c.architecture, computer.c.guid)
NAMES = _both_ways(select(computer.c.id, computer.c.name))
WITHOUT_MACS = _both_ways(select(*_FEATURES))
WITH_MACS = _both_ways(select(*_FEATURES, mac.c.address).select_from(computer.outerjoin(mac)))


def all_with_rules(link: Link, rules: Rules, *, by_name: bool) -> Iterator[tuple[int, str, frozenset[int]]]:
    """Every computer, by id or by name: its id, its name, and the collections one of whose rules it fits."""
    hold = rules.holding_one
    if not rules.look_beyond_names:
        for number, name in link.each(NAMES[by_name]):
            yield number, name, hold(name, (), None, "")
        return
    look_at_guids = rules.look_at_guids  # reading one takes longer than all the rest
    for number, name, code, guid, macs in _features(link, rules.look_at_macs, by_name):
        own = uuid.UUID(guid) if guid and look_at_guids else None
        yield number, name, hold(name, macs, own, firmware_of(code))


def _features(link: Link, with_macs: bool, by_name: bool) -> Iterator[tuple[int, str, int | None, str, Sequence[str]]]:
    """Id, name, architecture, GUID and MAC addresses of every computer, these if they are wanted."""
    if not with_macs:
        for number, name, code, guid in link.each(WITHOUT_MACS[by_name]):
            yield number, name, code, guid, ()
        return
    for (number, name, code, guid), own in groupby(link.each(WITH_MACS[by_name]), itemgetter(0, 1, 2, 3)):
        yield number, name, code, guid, [row[4] for row in own if row[4]]
