"""Deployment policy: subcollections, rules, schedules, identity lists, conflicts, passwords, the guard."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Each in one byte order; they match in both. Where they were seen:
#   SMBIOS     DSP0134 7.2.1: all zero means that there is none, all ones that none was set
#   fillers    A. C. Hay, "SMBIOS UUID FAIL" (2012), and inventories that drop them
#   inventory  CapaSystems, "Non-Unique UUID": on many boards each
_JUNK_GUIDS = {
    "00000000-0000-0000-0000-000000000000": "SMBIOS: not present",
    "ffffffff-ffff-ffff-ffff-ffffffffffff": "SMBIOS: not set",
    "44444444-4444-4444-4444-444444444444": "a filler",
    "58585858-5858-5858-5858-585858585858": "a filler, the letter X",
    "fefefefe-fefe-fefe-fefe-fefefefefefe": "a filler",
    "03000200-0400-0500-0006-000700080009": "the default of AMI's firmware, counting up",
    "00010203-0405-0607-0809-0a0b0c0d0e0f": "a sample value, counting up",
    "12345678-1234-5678-90ab-cddeefaabbcc": "a sample value",
    "deadbeef-dead-beef-dead-beefdeadbeef": "a sample value",
    "07090201-0103-0301-0807-060504030201": "on many boards",
    "dc698397-fa54-4cf2-82c8-b1b5307a6a7f": "on many boards",
    "8e275844-178f-44a8-aceb-a7d7e5178c63": "on many boards",
    "890e2d14-cacd-45d1-ae66-bc80e8bfeb0f": "on many boards",
    "56f49712-ffff-ffff-ffff-ffffffffffff": "on many boards, not set but for four bytes",
    "93309712-ffff-ffff-ffff-ffffffffffff": "on many boards, not set but for four bytes",
    "50fb9712-ffff-ffff-ffff-ffffffffffff": "on many boards, not set but for four bytes",
    "61f39712-ffff-ffff-ffff-ffffffffffff": "on many boards, not set but for four bytes",
    "52309712-ffff-ffff-ffff-ffffffffffff": "on many boards, not set but for four bytes",
}
_FIRMWARE = ("bios", "uefi-amd64", "uefi-i386", "uefi-arm64", "uefi-armhf", "uefi-riscv64", "uefi-loong64")


def upgrade() -> None:
    """From the first schema."""
    _collections()
    _advertisements()
    _records()
    _identity()
    op.create_table(
        "password",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("scope_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "provenance",
        sa.Column("object", sa.Text, primary_key=True),
        sa.Column("object_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("field", sa.Text, primary_key=True),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _collections() -> None:
    _add("computer", sa.Column("protected", sa.Boolean, nullable=False, server_default=sa.false()))
    _add("computer", sa.Column("architecture", sa.Integer))
    _add("computer", _text("source"))
    op.create_table(
        "variable",
        sa.Column("computer_id", sa.Integer, sa.ForeignKey("computer.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    # with its foreign key, which alembic cannot add to a table of SQLite
    op.execute(
        "ALTER TABLE collection ADD COLUMN parent_id INTEGER"
        " CONSTRAINT fk_collection_parent_id REFERENCES collection (id)"
    )
    op.create_index("ix_collection_parent_id", "collection", ["parent_id"])
    _add("collection", _text("builtin"))
    _add("collection", sa.Column("hand_outs_per_hour", sa.Integer))
    op.create_table(
        "collection_rule",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("collection_id", sa.Integer, sa.ForeignKey("collection.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.UniqueConstraint("collection_id", "kind", "value"),
        sqlite_autoincrement=True,
    )
    _add_builtin(-1, "all-computers", "all", "every known computer")
    _add_builtin(-2, "unknown-computers", "unknown", "computers that are not known")
    for number, firmware in enumerate(_FIRMWARE, start=3):
        comment = f"unknown computers with {firmware} firmware"
        _add_builtin(-number, f"unknown-{firmware}", f"unknown:{firmware}", comment, parent_id=-2)


def _add_builtin(number: int, name: str, builtin: str, comment: str, parent_id: int | None = None) -> None:
    # an operator's collection of that name keeps what it holds and gives way with its name
    rename = sa.text("UPDATE collection SET name = name || '-' || id WHERE name = :name")
    add = sa.text(
        "INSERT INTO collection (id, name, comment, builtin, parent_id)"
        " VALUES (:id, :name, :comment, :builtin, :parent_id)"
    )
    op.execute(rename.bindparams(name=name))
    op.execute(add.bindparams(id=number, name=name, comment=comment, builtin=builtin, parent_id=parent_id))


def _advertisements() -> None:
    _add("task_sequence", sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()))
    for column in (
        _text("created_by"),
        _text("comment"),
        sa.Column("include_subcollections", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("pxe", sa.Boolean, nullable=False, server_default=sa.true()),
        _text("rerun", "never"),
        _text("zone", "UTC"),
        sa.Column("wake", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("woken_at", sa.BigInteger),
        _text("approved_by"),
        sa.Column("confirmed_size", sa.Integer, nullable=False, server_default="0"),
    ):
        _add("advertisement", column)
    op.create_table(
        "assignment",
        sa.Column(
            "advertisement_id", sa.Integer, sa.ForeignKey("advertisement.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    # until now the start of a mandatory advertisement was its assignment
    op.execute(
        "INSERT INTO assignment (advertisement_id, position, text)"
        " SELECT id, 0, 'as soon as possible' FROM advertisement WHERE kind = 'mandatory'"
    )


def _records() -> None:
    _add("site", sa.Column("stopped_at", sa.BigInteger))
    _add("site", _text("stopped_by"))
    _add("site", _text("stopped_reason"))
    _add("pxe_record", sa.Column("assigned_at", sa.BigInteger, nullable=False, server_default="0"))
    _add("pxe_record", _text("point"))
    op.execute(
        "UPDATE pxe_record SET assigned_at ="
        " (SELECT start_at FROM advertisement WHERE advertisement.id = pxe_record.advertisement_id)"
    )
    op.create_table(
        "hand_out",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("advertisement_id", sa.Integer, nullable=False),
        sa.Column("collection_id", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )


def _identity() -> None:
    _add("sighting", sa.Column("waiting_since", sa.BigInteger))
    listed = op.create_table(
        "listed_identifier",
        sa.Column("list", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.bulk_insert(
        listed,
        [
            {"list": "shared", "kind": "guid", "value": guid, "comment": comment, "user": "", "at": 0}
            for guid, comment in _JUNK_GUIDS.items()
        ],
    )
    op.create_table(
        "seen_identity",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("mac", sa.Text, nullable=False),
        sa.Column("guid", sa.Text, nullable=False, index=True),
        sa.Column("last_seen", sa.BigInteger, nullable=False, index=True),
        sa.UniqueConstraint("mac", "guid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "conflict",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("mac", sa.Text, nullable=False),
        sa.Column("guid", sa.Text, nullable=False),
        sa.Column("serial", sa.Text, nullable=False),
        sa.Column("interface", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("settled_at", sa.BigInteger),
        _text("settled_by"),
        _text("settled_how"),
        _text("owners"),
        sa.UniqueConstraint("kind", "mac", "guid"),
        sqlite_autoincrement=True,
    )


def _add(table: str, column: sa.Column[Any]) -> None:
    op.add_column(table, column)


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)
