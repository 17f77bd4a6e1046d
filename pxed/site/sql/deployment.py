"""Boot images and task sequences: what there is to boot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from pxed.errors import NotFound, Refused, UsageError
from pxed.site.boot_image import BootImage, Cpu, ImageFile, ImageVariant
from pxed.site.model import TaskSequence
from pxed.site.names import check_name
from pxed.site.sql.core import Select, bindparam, delete, insert, select, update
from pxed.site.sql.edits import Edits
from pxed.site.sql.instants import from_micros, to_micros
from pxed.site.sql.link import Link, Row
from pxed.site.sql.statement import Statement
from pxed.site.sql.tables import advertisement, boot_image, image_file, image_variant, task_sequence

_IMAGES = (
    select(
        boot_image.c.id,
        boot_image.c.name,
        boot_image.c.created_at,
        image_variant.c.cpu,
        image_variant.c.command_line,
        image_file.c.name,
        image_file.c.size,
        image_file.c.sha256,
    )
    .select_from(boot_image.outerjoin(image_variant).outerjoin(image_file))
    .order_by(boot_image.c.name, boot_image.c.id, image_variant.c.cpu, image_file.c.position)
)
_CURRENT = boot_image.c.retired_at.is_(None)
_CURRENT_IMAGES = Statement(_IMAGES.where(_CURRENT))
_RETIRED_IMAGES = Statement(_IMAGES.where(boot_image.c.retired_at <= bindparam("before")))
_IMAGE_BY_NAME = Statement(_IMAGES.where(_CURRENT, boot_image.c.name == bindparam("name")))
_IMAGE_NAME = Statement(select(boot_image.c.name).where(boot_image.c.id == bindparam("key"), _CURRENT))
_ADD_IMAGE = Statement(insert(boot_image).returning(boot_image.c.id), "name", "created_at")
_RETIRE_IMAGE = Statement(update(boot_image).where(boot_image.c.name == bindparam("image"), _CURRENT), "retired_at")
_FORGET_IMAGE = Statement(
    delete(boot_image).where(boot_image.c.id == bindparam("key"), boot_image.c.retired_at.is_not(None))
)
_ADD_VARIANT = Statement(insert(image_variant), "image_id", "cpu", "command_line")
_REMOVE_VARIANT = Statement(
    delete(image_variant).where(image_variant.c.image_id == bindparam("key"), image_variant.c.cpu == bindparam("arch"))
)
_ADD_FILE = Statement(insert(image_file), "image_id", "cpu", "position", "name", "size", "sha256")

_SEQUENCES: Select[tuple[int, str, str, str, bool]] = select(
    task_sequence.c.id,
    task_sequence.c.name,
    task_sequence.c.boot_image,
    task_sequence.c.document,
    task_sequence.c.enabled,
).order_by(task_sequence.c.name)
_ALL_SEQUENCES = Statement(_SEQUENCES)
_SEQUENCE_BY_NAME = Statement(_SEQUENCES.where(task_sequence.c.name == bindparam("name")))
_SEQUENCES_ON = Statement(_SEQUENCES.where(task_sequence.c.boot_image == bindparam("image")))
_ADD_SEQUENCE = Statement(insert(task_sequence).returning(task_sequence.c.id), "name", "boot_image", "document")
_CHANGE_SEQUENCE = Statement(
    update(task_sequence).where(task_sequence.c.id == bindparam("key")), "boot_image", "document"
)
_ENABLE_SEQUENCE = Statement(update(task_sequence).where(task_sequence.c.id == bindparam("key")), "enabled")
_VOID_APPROVALS = Statement(
    update(advertisement).where(advertisement.c.sequence_id == bindparam("sequence")), "approved_by"
)
_REMOVE_SEQUENCE = Statement(delete(task_sequence).where(task_sequence.c.id == bindparam("key")))
_ADVERTISEMENTS_OF = Statement(
    select(advertisement.c.name)
    .where(advertisement.c.sequence_id == bindparam("sequence"))
    .order_by(advertisement.c.id)
)


def read_boot_images(link: Link) -> list[BootImage]:
    """The current revision of every boot image, by name."""
    return _to_images(link.rows(_CURRENT_IMAGES))


def read_sequences(link: Link) -> list[TaskSequence]:
    """Every task sequence, by name."""
    return [_to_sequence(row) for row in link.rows(_ALL_SEQUENCES)]


def _to_sequence(row: Row) -> TaskSequence:
    number, name, boot_image, document, enabled = row
    return TaskSequence(number, name, boot_image, document, bool(enabled))


def _to_images(rows: Sequence[Row]) -> list[BootImage]:
    images = []
    for (image_id, name, created), of_image in groupby(rows, itemgetter(0, 1, 2)):
        variants = []
        for (cpu, command_line), of_variant in groupby(of_image, itemgetter(3, 4)):
            if cpu is not None:
                kernel, *initrds = [ImageFile(*row[5:]) for row in of_variant]
                variants.append(ImageVariant(Cpu(cpu), kernel, tuple(initrds), command_line))
        images.append(BootImage(image_id, name, tuple(variants), from_micros(created)))
    return images


class Deployment(Edits):
    """The transaction's part for boot images and task sequences; `pxed.site.store.Tx` says what each method does."""

    def add_boot_image(self, name: str) -> BootImage:
        check_name(name)
        self._link.run(_RETIRE_IMAGE, image=name, retired_at=to_micros(self._now))
        added = self._link.added(_ADD_IMAGE, name=name, created_at=to_micros(self._now))
        self._edited(f"boot image {name}: revision {added} added")
        return BootImage(added, name, (), self._now)

    def add_variant(self, image_id: int, variant: ImageVariant) -> None:
        found = self._link.row(_IMAGE_NAME, key=image_id)
        if found is None:
            raise NotFound(f"there is no boot image with the id {image_id}")
        names = [file.name for file in variant.files]
        if len(set(names)) != len(names):
            raise UsageError(f"boot image {found[0]}, {variant.cpu}: two files have the same name")
        self._link.run(_REMOVE_VARIANT, key=image_id, arch=variant.cpu.value)
        self._link.run(_ADD_VARIANT, image_id=image_id, cpu=variant.cpu.value, command_line=variant.command_line)
        for position, file in enumerate(variant.files):
            self._link.run(
                _ADD_FILE,
                image_id=image_id,
                cpu=variant.cpu.value,
                position=position,
                name=file.name,
                size=file.size,
                sha256=file.sha256,
            )
        self._edited(f"boot image {found[0]}: variant for {variant.cpu} added")

    def remove_boot_image(self, name: str) -> BootImage:
        image = next(iter(_to_images(self._link.rows(_IMAGE_BY_NAME, name=name))), None)
        if image is None:
            raise NotFound(f"there is no boot image {name}")
        if using := self._link.rows(_SEQUENCES_ON, image=name):
            raise Refused(f"boot image {name} is used by task sequences: {', '.join(row[1] for row in using)}")
        self._link.run(_RETIRE_IMAGE, image=name, retired_at=to_micros(self._now))
        self._edited(f"boot image {name} removed")
        return image

    def boot_images(self) -> Sequence[BootImage]:
        return read_boot_images(self._link)

    def retired_boot_images(self, before: datetime) -> Sequence[BootImage]:
        return _to_images(self._link.rows(_RETIRED_IMAGES, before=to_micros(before)))

    def forget_boot_image(self, image_id: int) -> None:
        self._link.run(_FORGET_IMAGE, key=image_id)

    def put_sequence(self, name: str, boot_image: str, document: str) -> TaskSequence:
        check_name(name)
        if not self._link.row(_IMAGE_BY_NAME, name=boot_image):
            raise NotFound(f"there is no boot image {boot_image}")
        before = self._find_sequence(name)
        if before is None:
            added = self._link.added(_ADD_SEQUENCE, name=name, boot_image=boot_image, document=document)
            self._edited(f"task sequence {name} added")
            return TaskSequence(added, name, boot_image, document)
        after = replace(before, boot_image=boot_image, document=document)
        if after != before:
            self._link.run(_CHANGE_SEQUENCE, key=before.id, boot_image=boot_image, document=document)
            self._set_by("task_sequence", before.id, ["document"])
            self._link.run(_VOID_APPROVALS, sequence=before.id, approved_by="")  # they were given to other steps
            self._edited(f"task sequence {name} changed")
        return after

    def remove_sequence(self, name: str) -> None:
        found = self._find_sequence(name)
        if found is None:
            raise NotFound(f"there is no task sequence {name}")
        if using := self._link.rows(_ADVERTISEMENTS_OF, sequence=found.id):
            raise Refused(f"task sequence {name} is advertised: {', '.join(row[0] for row in using)}")
        self._link.run(_REMOVE_SEQUENCE, key=found.id)
        self._forget_set_by("task_sequence", found.id)
        self._edited(f"task sequence {name} removed")

    def enable_sequence(self, name: str, enabled: bool) -> TaskSequence:
        before = self._find_sequence(name)
        if before is None:
            raise NotFound(f"there is no task sequence {name}")
        if before.enabled != enabled:
            self._link.run(_ENABLE_SEQUENCE, key=before.id, enabled=enabled)
            self._set_by("task_sequence", before.id, ["enabled"])
            self._edited(f"task sequence {name} {'enabled' if enabled else 'disabled'} for all")
        return replace(before, enabled=enabled)

    def sequences(self) -> Sequence[TaskSequence]:
        return read_sequences(self._link)

    def _find_sequence(self, name: str) -> TaskSequence | None:
        row = self._link.row(_SEQUENCE_BY_NAME, name=name)
        return _to_sequence(row) if row else None
