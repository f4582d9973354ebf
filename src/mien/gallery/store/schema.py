"""The tables of a gallery. A change here is a new file in `mien.gallery.migrations.versions`, too.

Columns marked *sealed* hold what a `Seal` closed: the bytes as they are in a gallery without encryption,
AES-256-GCM with one. `data_key` says under which of the gallery's data keys (0: none), so that keys can be
changed row by row. Vectors are little-endian float32 of length one, turned by the gallery's secret transform
where it has one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

HEAD = "0001"  # the newest migration that this mien knows
VERSIONS = "mien_version"  # the table that says which were made
metadata = MetaData()


def of_a_face(*, indexed: bool = False) -> list[Column[Any]]:
    """The columns of every row that holds a face of somebody. indexed: by its picture."""
    return [
        Column("id", Integer, primary_key=True),
        Column("person", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
        Column("vector", LargeBinary, nullable=False),  # sealed
        Column("bundle", String(64), nullable=False),
        Column("aligner", String(64), nullable=False),
        Column("transform", Integer, nullable=False),
        Column("picture", String(64), nullable=False, index=indexed),  # SHA-256 of where it is from
        Column("box", Text, nullable=False),
        Column("created", String(32), nullable=False),
        Column("data_key", Integer, nullable=False),
    ]


# One row: what the gallery is. bundle, aligner, dimension: of every vector in it, set by the first enrolment.
# data_key: the one in use (0: nothing is sealed). transform: the number of its vectors' secret turn (0: none).
gallery = Table(
    "gallery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", String(32), nullable=False),
    Column("incarnation", String(32), nullable=False),  # another after each restore: what is in memory is void
    Column("created", String(32), nullable=False),
    Column("bundle", String(64), nullable=False, server_default=""),
    Column("aligner", String(64), nullable=False, server_default=""),
    Column("dimension", Integer, nullable=False, server_default="0"),
    Column("data_key", Integer, nullable=False, server_default="0"),
    Column("transform", Integer, nullable=False, server_default="0"),
    Column("salt", LargeBinary),  # of a passphrase, where the main key is made from one
)

# Secrets, each wrapped by the main key, which never stands in the database.
secrets = Table(
    "secrets",
    metadata,
    Column("purpose", String(16), primary_key=True),  # data, transform
    Column("number", Integer, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("check_vector", LargeBinary),  # sealed by the secret itself: shows that it makes the same turn here
)

people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", String(32), nullable=False, unique=True),  # random: what the outside and the audit log see
    Column("name", LargeBinary, nullable=False),  # sealed
    Column("name_index", LargeBinary, nullable=False, unique=True),
    Column("reference", LargeBinary),  # sealed: the person's number in somebody else's books
    Column("reference_index", LargeBinary, unique=True),
    Column("consent", Text, nullable=False),
    Column("keep_crops", Boolean, nullable=False),
    Column("until", Date),  # retention: to be forgotten after this day
    Column("created", String(32), nullable=False),
    Column("data_key", Integer, nullable=False),
    sqlite_autoincrement=True,  # a forgotten person's number is never given again
)

templates = Table(
    "templates",
    metadata,
    *of_a_face(indexed=True),
    Column("quality", Float, nullable=False),
    Column("reasons", Text, nullable=False),  # of its low quality, and what the gate was told to allow
    sqlite_autoincrement=True,
)

# A face with its surroundings, where the consent allows: what another model can make a new vector of.
crops = Table(
    "crops",
    metadata,
    Column("template", ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True),
    Column("image", LargeBinary, nullable=False),  # sealed
    Column("landmarks", Text, nullable=False),
    Column("data_key", Integer, nullable=False),
)

# A face that is not this person, however alike.
marks = Table(
    "marks",
    metadata,
    *of_a_face(),
    sqlite_autoincrement=True,
)

# Faces that were perhaps somebody, waiting for a person to say.
reviews = Table(
    "reviews",
    metadata,
    *of_a_face(),
    Column("score", Float, nullable=False),
    Column("fpir", Float, nullable=False),
    Column("quality", Float, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("source", LargeBinary, nullable=False),  # sealed
    UniqueConstraint("person", "picture", "box"),
    sqlite_autoincrement=True,
)

# The newest change of each person, in the order of commits: how every process learns of what others did. A
# forgotten person leaves the number only.
changes = Table(
    "changes",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("person", Integer, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

# Who did what, when, with how many results; one chain a writer. Never a name, never a vector.
audit = Table(
    "audit",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", String(32), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("people", Text, nullable=False),
    Column("results", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
chains = Table(
    "chains",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("signed_by", String(64), nullable=False),
)

# Deletions that are under way or done, with their receipts.
erasures = Table(
    "erasures",
    metadata,
    Column("uid", String(32), primary_key=True),
    Column("at", String(32), nullable=False),
    Column("removed", Text, nullable=False),
    Column("receipt", Text),
    Column("done", Boolean, nullable=False),  # else it is completed later
)
# Sealed columns by table, with what makes a row's place unique.
SEALED = {
    people: ("name", "reference"),
    templates: ("vector",),
    crops: ("image",),
    marks: ("vector",),
    reviews: ("vector", "source"),
}
WITH_VECTORS = (templates, marks, reviews)
