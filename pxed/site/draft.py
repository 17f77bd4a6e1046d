"""What somebody wants to be advertised, before the site has made an advertisement of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pxed.site.model import Advertisement, Kind, Rerun


@dataclass(frozen=True, slots=True)
class Draft:
    """All of an advertisement that a person decides; fields as in `Advertisement`.

    `Tx.advertise` makes a new one of it. To change one, take `Draft.of` it, replace what shall be different in the
    same transaction, and give it to `Tx.change_advertisement`.
    """

    name: str
    kind: Kind
    sequence: str
    """name of the task sequence"""
    collection: str
    """name of the collection"""
    start: datetime
    expires: datetime | None = None
    enabled: bool = True
    comment: str = ""
    include_subcollections: bool = True
    pxe: bool = True
    rerun: Rerun = Rerun.NEVER
    zone: str = "UTC"
    assignments: tuple[str, ...] = ()
    """of a mandatory one, as `pxed.site.assignments` reads them; none: as soon as possible"""
    wake: bool = False
    confirmed_size: int = 0

    @classmethod
    def of(cls, advertisement: Advertisement) -> Draft:
        """The draft that an advertisement would be made of."""
        return cls(**{name: getattr(advertisement, name) for name in cls.__dataclass_fields__})
