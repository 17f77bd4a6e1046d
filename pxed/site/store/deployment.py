"""What a transaction does with what there is to boot, and whom it is for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pxed.site.boot_image import BootImage, ImageVariant
from pxed.site.draft import Draft
from pxed.site.model import Advertisement, TaskSequence


class Deployment(Protocol):
    """Boot images, task sequences, advertisements."""

    def add_boot_image(self, name: str) -> BootImage:
        """A new revision of boot image `name` without variants yet; an older one of that name is retired."""
        ...

    def add_variant(self, image_id: int, variant: ImageVariant) -> None:
        """Adds (or replaces) the variant of one architecture. NotFound if the revision is not current."""
        ...

    def remove_boot_image(self, name: str) -> BootImage:
        """Retires it. NotFound; Refused while a task sequence uses it."""
        ...

    def retired_boot_images(self, before: datetime) -> Sequence[BootImage]:
        """Revisions that were replaced or removed before an instant: their files may go when no token names them."""
        ...

    def forget_boot_image(self, image_id: int) -> None:
        """Ends the memory of a retired revision, whose files are gone; does nothing to a current one."""
        ...

    def boot_images(self) -> Sequence[BootImage]:
        """All, by name."""
        ...

    def put_sequence(self, name: str, boot_image: str, document: str) -> TaskSequence:
        """Adds or overwrites; NotFound if there is no such boot image."""
        ...

    def remove_sequence(self, name: str) -> None:
        """NotFound; Refused while advertised."""
        ...

    def enable_sequence(self, name: str, enabled: bool) -> TaskSequence:
        """Disabled, it is given to nobody, whatever advertises it. NotFound."""
        ...

    def sequences(self) -> Sequence[TaskSequence]:
        """All, by name."""
        ...

    def advertise(self, draft: Draft) -> Advertisement:
        """NotFound if there is no such sequence or collection; UsageError if it would expire before it starts, or for
        an assignment that is none."""
        ...

    def change_advertisement(self, advertisement_id: int, draft: Draft) -> Advertisement:
        """Makes it what `draft` says; only what is different is written and told. Errors as `advertise`; NotFound."""
        ...

    def set_enabled(self, advertisement_id: int, enabled: bool) -> Advertisement:
        """NotFound."""
        ...

    def note_wake_up(self, advertisement_id: int, assigned_at: datetime) -> bool:
        """Notes that computers are woken for an assignment; False if that, or a later one, was noted before."""
        ...

    def remove_advertisement(self, advertisement_id: int) -> Advertisement:
        """NotFound. Its records go with it."""
        ...

    def advertisement(self, advertisement_id: int) -> Advertisement:
        """By its id; NotFound."""
        ...

    def advertisements(self) -> Sequence[Advertisement]:
        """All, newest first."""
        ...
