"""What a transaction does with what stands between a computer and what is due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from pxed.site.model import Advertisement, Password, PasswordScope
from pxed.site.restraints import Restraints


class Guards(Protocol):
    """Passwords, and the guard."""

    def put_password(self, scope: PasswordScope, scope_id: int, person: str, hashed: str) -> bool:
        """Sets or replaces one, of which only the hash is told; True if there was one. UsageError: no user name."""
        ...

    def remove_password(self, scope: PasswordScope, scope_id: int, person: str) -> None:
        """NotFound."""
        ...

    def refresh_password(self, scope: PasswordScope, scope_id: int, person: str, before: str, after: str) -> None:
        """Another hash of the same password, unless it was changed meanwhile. No edit."""
        ...

    def passwords(self) -> Sequence[Password]:
        """All, without their hashes."""
        ...

    def restraints(self) -> Restraints:
        """What holds for everybody."""
        ...

    def stop_all(self, reason: str = "") -> bool:
        """No mandatory hand-out any more until `resume`; False if they are stopped already."""
        ...

    def resume(self) -> bool:
        """Ends the stop; False if there is none."""
        ...

    def is_protected(self, computer_id: int) -> bool:
        """Whether it is; False if there is none."""
        ...

    def protected(self) -> frozenset[int]:
        """The ids of all that are."""
        ...

    def set_protected(self, computer_id: int, protected: bool) -> bool:
        """A protected computer never gets a mandatory advertisement; False if it is as wanted already. NotFound."""
        ...

    def limit_collection(self, collection_id: int, per_hour: int | None) -> bool:
        """At most so many mandatory hand-outs an hour, None for any number; False if that was the limit. NotFound."""
        ...

    def approve(self, advertisement_id: int) -> Advertisement:
        """The second person agrees. NotFound; Refused if it is whoever made it or set one of its values."""
        ...

    def hand_outs(self) -> Mapping[int, int]:
        """As `Tally.hand_outs` has it, now."""
        ...

    def add_hand_out(self, subject: str, advertisement_id: int, collections: Iterable[int]) -> None:
        """A mandatory advertisement is handed out to a computer that is in these collections."""
        ...
