"""The first schema. Frozen: what comes later is a step of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# PostgreSQL keeps samples of columns as statistics, in which a forgotten person would live on; and compressed
# bytes could not be looked for afterwards.
PRIVATE = {
    "people": ("name", "name_index", "reference", "reference_index"),
    "templates": ("vector",),
    "crops": ("image",),
    "marks": ("vector",),
    "reviews": ("vector", "source"),
}


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "audit",
        sa.Column("writer", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("people", sa.Text(), nullable=False),
        sa.Column("results", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("writer", "seq"),
    )
    op.create_table(
        "chains",
        sa.Column("writer", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("signed_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("writer"),
    )
    op.create_table(
        "changes",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("person", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("person"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "erasures",
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("removed", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_table(
        "gallery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("incarnation", sa.String(length=32), nullable=False),
        sa.Column("created", sa.String(length=32), nullable=False),
        sa.Column("bundle", sa.String(length=64), server_default="", nullable=False),
        sa.Column("aligner", sa.String(length=64), server_default="", nullable=False),
        sa.Column("dimension", sa.Integer(), server_default="0", nullable=False),
        sa.Column("data_key", sa.Integer(), server_default="0", nullable=False),
        sa.Column("transform", sa.Integer(), server_default="0", nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("name_index", sa.LargeBinary(), nullable=False),
        sa.Column("reference", sa.LargeBinary(), nullable=True),
        sa.Column("reference_index", sa.LargeBinary(), nullable=True),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("keep_crops", sa.Boolean(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("created", sa.String(length=32), nullable=False),
        sa.Column("data_key", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name_index"),
        sa.UniqueConstraint("reference_index"),
        sa.UniqueConstraint("uid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "secrets",
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("check_vector", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("purpose", "number"),
    )
    op.create_table(
        "marks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("aligner", sa.String(length=64), nullable=False),
        sa.Column("transform", sa.Integer(), nullable=False),
        sa.Column("picture", sa.String(length=64), nullable=False),
        sa.Column("box", sa.Text(), nullable=False),
        sa.Column("created", sa.String(length=32), nullable=False),
        sa.Column("data_key", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_marks_person"), "marks", ["person"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("aligner", sa.String(length=64), nullable=False),
        sa.Column("transform", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("fpir", sa.Float(), nullable=False),
        sa.Column("quality", sa.Float(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("picture", sa.String(length=64), nullable=False),
        sa.Column("box", sa.Text(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.String(length=32), nullable=False),
        sa.Column("data_key", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person", "picture", "box"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_reviews_person"), "reviews", ["person"], unique=False)
    op.create_table(
        "templates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("aligner", sa.String(length=64), nullable=False),
        sa.Column("transform", sa.Integer(), nullable=False),
        sa.Column("quality", sa.Float(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("picture", sa.String(length=64), nullable=False),
        sa.Column("box", sa.Text(), nullable=False),
        sa.Column("created", sa.String(length=32), nullable=False),
        sa.Column("data_key", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_templates_person"), "templates", ["person"], unique=False)
    op.create_index(op.f("ix_templates_picture"), "templates", ["picture"], unique=False)
    op.create_table(
        "crops",
        sa.Column("template", sa.Integer(), nullable=False),
        sa.Column("image", sa.LargeBinary(), nullable=False),
        sa.Column("landmarks", sa.Text(), nullable=False),
        sa.Column("data_key", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["template"], ["templates.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("template"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _keep_private()


def _keep_private() -> None:
    for table, columns in PRIVATE.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
