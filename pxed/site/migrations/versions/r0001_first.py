"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From an empty database."""
    site = op.create_table(
        "site",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name="one"),
    )
    op.bulk_insert(site, [{"id": 1, "change": 0}])
    op.create_table(
        "computer",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("guid", sa.Text, unique=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "mac",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column(
            "computer_id",
            sa.Integer,
            sa.ForeignKey("computer.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "collection",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("comment", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "membership",
        sa.Column("computer_id", sa.Integer, sa.ForeignKey("computer.id", ondelete="CASCADE"), primary_key=True),
        sa.Column(
            "collection_id",
            sa.Integer,
            sa.ForeignKey("collection.id", ondelete="CASCADE"),
            primary_key=True,
            index=True,
        ),
        sqlite_with_rowid=False,
    )
    _boot_images()
    _advertisements()
    _history()


def _boot_images() -> None:
    op.create_table(
        "boot_image",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("retired_at", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_boot_image_name",
        "boot_image",
        ["name"],
        unique=True,
        sqlite_where=sa.text("retired_at IS NULL"),
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_table(
        "image_variant",
        sa.Column("image_id", sa.Integer, sa.ForeignKey("boot_image.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("cpu", sa.Text, primary_key=True),
        sa.Column("command_line", sa.Text, nullable=False),
    )
    op.create_table(
        "image_file",
        sa.Column("image_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cpu", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.UniqueConstraint("image_id", "cpu", "name"),
        sa.ForeignKeyConstraint(
            ["image_id", "cpu"], ["image_variant.image_id", "image_variant.cpu"], ondelete="CASCADE"
        ),
    )
    op.create_table(
        "task_sequence",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("boot_image", sa.Text, nullable=False, index=True),
        sa.Column("document", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def _advertisements() -> None:
    op.create_table(
        "advertisement",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sequence_id", sa.Integer, sa.ForeignKey("task_sequence.id"), nullable=False, index=True),
        sa.Column("collection_id", sa.Integer, sa.ForeignKey("collection.id"), nullable=False, index=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("start_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "pxe_record",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column(
            "advertisement_id",
            sa.Integer,
            sa.ForeignKey("advertisement.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("offered_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("agent_boot", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.UniqueConstraint("subject", "advertisement_id"),
        sqlite_autoincrement=True,
    )


def _history() -> None:
    op.create_table(
        "sighting",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("mac", sa.Text, nullable=False, unique=True),
        sa.Column("guid", sa.Text, index=True),
        sa.Column("architecture", sa.Integer, nullable=False),
        sa.Column("interface", sa.Text, nullable=False),
        sa.Column("relay", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False, index=True),
        sa.Column("count", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
    )
    op.create_index("ix_event_subject", "event", ["subject", "id"])
