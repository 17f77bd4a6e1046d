"""What the rest of the program may ask of the site's database: three interfaces.

`Reader` is the boot path's view: read-only, indexed, never waiting for a writer. `Tx` is a transaction: what the
command line and the service's writer thread do to the site, whole or not at all; a file for each family of what it can
do. `sql/` implements both. `Jobs` is the way to that thread. Every method may raise StoreError; what a person typed and
cannot be (a name with a control character, a computer without any identifier) is a UsageError.
"""

from __future__ import annotations

from pxed.site.store.computers import Identity
from pxed.site.store.jobs import Jobs, Line
from pxed.site.store.reader import Client, Reader
from pxed.site.store.tx import Tx

__all__ = ["Client", "Identity", "Jobs", "Line", "Reader", "Tx"]
