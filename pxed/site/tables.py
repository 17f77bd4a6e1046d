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
    false,
    true,
)

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
    Column("stopped_at", BigInteger),
    Column("stopped_by", Text, nullable=False, server_default=""),
    Column("stopped_reason", Text, nullable=False, server_default=""),
)
"""One row: the change number, raised by every transaction that edits, and who stopped all mandatory hand-outs when."""

computer = Table(
    "computer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("guid", Text, unique=True),
    Column("protected", Boolean(create_constraint=False), nullable=False, server_default=false()),
    Column("architecture", Integer),
    Column("source", Text, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)
"""`architecture` is option 93 as it was heard last, `source` the name of the computer that this one replaces."""

variable = Table(
    "variable",
    metadata,
    Column("computer_id", ForeignKey("computer.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What a task sequence may read about the computer that it runs on."""

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
    Column("parent_id", ForeignKey("collection.id"), index=True),
    Column("builtin", Text, nullable=False, server_default=""),
    Column("hand_outs_per_hour", Integer),
    sqlite_autoincrement=True,
)
"""`builtin` says what is in a collection that nobody fills: `all`, `unknown`, or `unknown:` with the firmware."""

collection_rule = Table(
    "collection_rule",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("collection_id", ForeignKey("collection.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("collection_id", "kind", "value"),
    sqlite_autoincrement=True,
)
"""Members by what they are: kind `name`, `mac`, `architecture` or `guid`."""

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
)
"""On PostgreSQL under the same condition, which the revision makes: to say so here would load that dialect, 40 ms, in
every start of the service."""

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
    Column("enabled", Boolean(create_constraint=False), nullable=False, server_default=true()),
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
    Column("created_by", Text, nullable=False, server_default=""),
    Column("comment", Text, nullable=False, server_default=""),
    Column("include_subcollections", Boolean(create_constraint=False), nullable=False, server_default=true()),
    Column("pxe", Boolean(create_constraint=False), nullable=False, server_default=true()),
    Column("rerun", Text, nullable=False, server_default="never"),
    Column("zone", Text, nullable=False, server_default="UTC"),
    Column("wake", Boolean(create_constraint=False), nullable=False, server_default=false()),
    Column("woken_at", BigInteger),
    Column("approved_by", Text, nullable=False, server_default=""),
    Column("confirmed_size", Integer, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)
"""`zone` is the time zone of its assignments (IANA name), `woken_at` the assignment for which it woke computers last,
`confirmed_size` how large a collection its maker agreed to."""

assignment = Table(
    "assignment",
    metadata,
    Column("advertisement_id", ForeignKey("advertisement.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""When a mandatory advertisement falls due, as `pxed.site.assignments` reads and writes it."""

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
    Column("assigned_at", BigInteger, nullable=False, server_default="0"),
    Column("point", Text, nullable=False, server_default=""),
    UniqueConstraint("subject", "advertisement_id"),
    sqlite_autoincrement=True,
)

hand_out = Table(
    "hand_out",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("subject", Text, nullable=False),
    Column("advertisement_id", Integer, nullable=False),
    Column("collection_id", Integer, nullable=False),
    sqlite_autoincrement=True,
)
"""Mandatory advertisements that were handed out within the last hour: what the limits count. One row for the site
(`collection_id` 0) and one for each collection that holds the computer. Kept apart from the records, which may be
cleared."""

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
    Column("waiting_since", BigInteger),
    sqlite_autoincrement=True,
)

listed_identifier = Table(
    "listed_identifier",
    metadata,
    Column("list", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("comment", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""`list` is `ignored` (silence for whoever shows it) or `shared` (no evidence of who somebody is), `kind` is `mac` or
`guid`."""

seen_identity = Table(
    "seen_identity",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mac", Text, nullable=False),
    Column("guid", Text, nullable=False, index=True),
    Column("last_seen", BigInteger, nullable=False, index=True),
    UniqueConstraint("mac", "guid"),
    sqlite_autoincrement=True,
)
"""Which MAC address was seen with which GUID, the lesser of the two that it is in either byte order."""

conflict = Table(
    "conflict",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("mac", Text, nullable=False),
    Column("guid", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("interface", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("settled_at", BigInteger),
    Column("settled_by", Text, nullable=False, server_default=""),
    Column("settled_how", Text, nullable=False, server_default=""),
    Column("owners", Text, nullable=False, server_default=""),
    UniqueConstraint("kind", "mac", "guid"),
    sqlite_autoincrement=True,
)
"""Identifiers that disagree, for an operator to settle. `mac` or `guid` is empty if it is about the other one alone,
`owners` are the ids of the computers concerned."""

password = Table(
    "password",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("person", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""`scope` is `site` (id 0), `collection` or `advertisement`; `person` is empty for a password that people share."""

provenance = Table(
    "provenance",
    metadata,
    Column("object", Text, primary_key=True),
    Column("object_id", Integer, primary_key=True, autoincrement=False),
    Column("field", Text, primary_key=True),
    Column("user", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Who set a value that decides last, and when: `object` is the table's name."""

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
