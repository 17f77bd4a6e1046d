"""One transaction on the site, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from pxed.site.sql.deployment import Deployment
from pxed.site.sql.driver import Database
from pxed.site.sql.guard import Guards
from pxed.site.sql.history import History
from pxed.site.sql.link import Link
from pxed.site.sql.lists import Lists
from pxed.site.sql.members import Members
from pxed.site.sql.merging import Merging
from pxed.site.sql.overview import Overviews
from pxed.site.sql.passwords import Passwords
from pxed.site.sql.properties import Properties
from pxed.site.sql.records import Records


class SqlTx(Members, Properties, Merging, Lists, Deployment, Guards, Records, Passwords, History, Overviews):
    """`pxed.site.store.Tx` on a link whose transaction (or savepoint) is open."""


@contextmanager
def transaction(database: Database, user: str, now: datetime | None = None) -> Iterator[SqlTx]:
    """A transaction that commits at the end of the block, durably, and leaves nothing if the block raises.

    `user` goes into the history. StoreError if the database cannot be used; nothing was done then.
    """
    link = Link(database)
    try:
        with link.transaction():
            yield SqlTx(link, user, now or datetime.now(UTC))
    finally:
        link.close()
