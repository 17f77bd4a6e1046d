"""How large collections are, counted once for each change of the site: of a large one that takes long."""

from __future__ import annotations

from collections.abc import Callable

from pxed.site.model import Advertisement


class Sizes:
    """Those that were counted of late."""

    def __init__(self) -> None:
        self._counted: dict[tuple[int, bool], tuple[int, int]] = {}
        """by collection, without or with its subcollections: the change number, and how many computers there were"""

    def of(self, advertisement: Advertisement, change: int, count: Callable[[int, bool], int]) -> int:
        """How many computers `advertisement` reaches when the site has that change number.

        `count` is asked for it: the id of the collection, and whether those below it count as well.
        """
        key = advertisement.collection_id, advertisement.include_subcollections
        counted = self._counted.get(key)
        if counted is None or counted[0] != change:
            counted = self._counted[key] = change, count(*key)
        return counted[1]
