"""The tables of a site, for SQLite and PostgreSQL alike.

Instants are integers, microseconds since 1970-01-01 UTC: exact, ordered, the same in both databases. GUIDs are text in
their canonical lower-case form, MAC addresses in ours. Identifiers that leave the database (in tokens, directory names,
events) are never given twice: AUTOINCREMENT. A change here needs a revision in `migrations/versions/`; a test compares.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

REVISIONS = ("0001",)
"""All revisions of the schema, oldest first; the last is what this program works with."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

site = Table(
    "site",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one"), primary_key=True, autoincrement=False),
    Column("change", BigInteger, nullable=False),
)
"""One row: the change number, raised by every transaction that edits."""

computer = Table(
    "computer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("guid", Text, unique=True),
    sqlite_autoincrement=True,
)

mac = Table(
    "mac",
    metadata,
    Column("address", Text, primary_key=True),
    Column("computer_id", ForeignKey("computer.id", ondelete="CASCADE"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

collection = Table(
    "collection",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("comment", Text, nullable=False),
    sqlite_autoincrement=True,
)

membership = Table(
    "membership",
    metadata,
    Column("computer_id", ForeignKey("computer.id", ondelete="CASCADE"), primary_key=True),
    Column("collection_id", ForeignKey("collection.id", ondelete="CASCADE"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

boot_image = Table(
    "boot_image",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    sqlite_autoincrement=True,
)
"""Revisions. One that was replaced or removed is retired; its row stays until its files are gone."""

Index(
    "uq_boot_image_name",
    boot_image.c.name,
    unique=True,
    sqlite_where=boot_image.c.retired_at.is_(None),
    postgresql_where=boot_image.c.retired_at.is_(None),
)

image_variant = Table(
    "image_variant",
    metadata,
    Column("image_id", ForeignKey("boot_image.id", ondelete="CASCADE"), primary_key=True),
    Column("cpu", Text, primary_key=True),
    Column("command_line", Text, nullable=False),
)

image_file = Table(
    "image_file",
    metadata,
    Column("image_id", Integer, primary_key=True, autoincrement=False),
    Column("cpu", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    UniqueConstraint("image_id", "cpu", "name"),
    ForeignKeyConstraint(["image_id", "cpu"], ["image_variant.image_id", "image_variant.cpu"], ondelete="CASCADE"),
)
"""Position 0 is the kernel, then the initial RAM disks in the order in which they are loaded."""

task_sequence = Table(
    "task_sequence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("boot_image", Text, nullable=False, index=True),
    Column("document", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""`boot_image` is a name: a new revision takes its predecessor's place without an edit here."""

advertisement = Table(
    "advertisement",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sequence_id", ForeignKey("task_sequence.id"), nullable=False, index=True),
    Column("collection_id", ForeignKey("collection.id"), nullable=False, index=True),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("start_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

pxe_record = Table(
    "pxe_record",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("advertisement_id", ForeignKey("advertisement.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("offered_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("agent_boot", Text, nullable=False),
    Column("message", Text, nullable=False),
    UniqueConstraint("subject", "advertisement_id"),
    sqlite_autoincrement=True,
)

sighting = Table(
    "sighting",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mac", Text, nullable=False, unique=True),
    Column("guid", Text, index=True),
    Column("architecture", Integer, nullable=False),
    Column("interface", Text, nullable=False),
    Column("relay", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False, index=True),
    Column("count", Integer, nullable=False),
    sqlite_autoincrement=True,
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("user", Text, nullable=False),
    Index("ix_event_subject", "subject", "id"),
)
