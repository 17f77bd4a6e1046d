"""Finding computers by what they are called: names, MAC addresses, GUIDs; one statement for any number of each."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from pxed.site.model import Computer
from pxed.site.sql.core import select, union_all
from pxed.site.sql.link import Link, Row
from pxed.site.sql.places import placed, places
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import computer, mac

CHUNK = 256
"""identifiers of a kind in one statement"""

COMPUTER_COLUMNS = (
    computer.c.id,
    computer.c.name,
    computer.c.guid,
    computer.c.protected,
    computer.c.architecture,
    computer.c.source,
)
"""What a computer is made of but for its MAC addresses."""

COMPUTER_ROWS = select(*COMPUTER_COLUMNS, mac.c.address).select_from(computer.outerjoin(mac))
"""One row for each MAC address of a computer, or one with None."""


def to_computers(rows: Iterable[Row]) -> Iterator[Computer]:
    """Computers from COMPUTER_ROWS in which those of one computer follow one another."""
    for (number, name, guid, protected, architecture, source), own in groupby(rows, itemgetter(0, 1, 2, 3, 4, 5)):
        macs = tuple(sorted(row[6] for row in own if row[6] is not None))
        yield Computer(number, name, macs, uuid.UUID(guid) if guid else None, bool(protected), architecture, source)


def both_orders(guid: uuid.UUID) -> tuple[str, str]:
    """`guid` in the two byte orders in which it may be in the database, as `swap_guid` has them."""
    text = str(guid)
    a, b, c, d, e, f, g, h = (
        text[0:2],
        text[2:4],
        text[4:6],
        text[6:8],
        text[9:11],
        text[11:13],
        text[14:16],
        text[16:18],
    )
    return text, f"{d}{c}{b}{a}-{f}{e}-{h}{g}{text[18:]}"


def find(
    link: Link, names: Sequence[str] = (), guids: Sequence[uuid.UUID] = (), macs: Sequence[str] = ()
) -> list[Computer]:
    """Every computer that has one of these, in no order; a GUID in either byte order."""
    texts = list(dict.fromkeys(text for guid in guids for text in both_orders(guid)))
    found: dict[int, Computer] = {}
    for start in range(0, max(len(names), len(texts), len(macs)), CHUNK):
        keys = [list(kind[start : start + CHUNK]) for kind in (names, texts, macs)]
        rows = link.rows(_who(*map(len, keys)), **placed("n", keys[0]), **placed("g", keys[1]), **placed("m", keys[2]))
        found.update((each.id, each) for each in to_computers(rows))
    return list(found.values())


@functools.cache
def _who(names: int, guids: int, macs: int) -> Statement:
    """The statement for so many of each; at least one kind has some."""
    sources = []
    if names:
        sources.append(select(computer.c.id).where(computer.c.name.in_(places("n", names))))
    if guids:
        sources.append(select(computer.c.id).where(computer.c.guid.in_(places("g", guids))))
    if macs:
        sources.append(select(mac.c.computer_id).where(mac.c.address.in_(places("m", macs))))
    ids = sources[0] if len(sources) == 1 else union_all(*sources)
    return Statement(COMPUTER_ROWS.where(computer.c.id.in_(ids)).order_by(computer.c.id))
