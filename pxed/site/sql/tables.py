"""The tables of `pxed.site.tables`, deferred as `core.py` has it: they are made of SQLAlchemy's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pxed.site.tables import (
        advertisement,
        assignment,
        boot_image,
        collection,
        collection_rule,
        computer,
        conflict,
        event,
        hand_out,
        image_file,
        image_variant,
        listed_identifier,
        mac,
        membership,
        password,
        provenance,
        pxe_record,
        seen_identity,
        sighting,
        site,
        task_sequence,
        variable,
    )
else:
    from pxed.site.sql.deferred import names_of

    __getattr__ = names_of("pxed.site.tables")

__all__ = [
    "advertisement",
    "assignment",
    "boot_image",
    "collection",
    "collection_rule",
    "computer",
    "conflict",
    "event",
    "hand_out",
    "image_file",
    "image_variant",
    "listed_identifier",
    "mac",
    "membership",
    "password",
    "provenance",
    "pxe_record",
    "seen_identity",
    "sighting",
    "site",
    "task_sequence",
    "variable",
]
