"""A transaction on the site."""

from __future__ import annotations

from typing import Protocol

from pxed.site.store.collections import Collections
from pxed.site.store.computers import Computers
from pxed.site.store.deployment import Deployment
from pxed.site.store.guards import Guards
from pxed.site.store.history import History
from pxed.site.store.identities import Identities
from pxed.site.store.records import Records


class Tx(Computers, Identities, Collections, Deployment, Guards, Records, History, Protocol):
    """One transaction on the site. Edits raise the change number and leave an EDIT event with the user's name."""

    def change(self) -> int:
        """The change number: what is worked out of the site holds until it is another, records and history excepted."""
        ...

    def look_over(self) -> None:
        """There is much more of something than there was: the database finds its ways by that from now on."""
        ...
