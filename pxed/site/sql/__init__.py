"""The site in SQL: `SqlReader` for the boot path, `SqlTx` and `transaction` for everything that changes it."""

from __future__ import annotations

from pxed.site.sql.driver import Database
from pxed.site.sql.link import Link
from pxed.site.sql.reader import SqlReader
from pxed.site.sql.transaction import SqlTx, transaction

__all__ = ["Database", "Link", "SqlReader", "SqlTx", "transaction"]
