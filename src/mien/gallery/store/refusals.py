"""What a database says when it refuses → what a person can do about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mien.errors import StoreError

DAMAGED = "the database is damaged or cut off; restore a backup (mien gallery restore), nothing was written"
FULL = "no space is left for the database; nothing was written: make room and do it again"
READ_ONLY = "the database may not be written to; give this user the right to write, or use a copy"
LOCKED = "another program holds the database; nothing was written: close it, or do it again later"
UNREACHABLE = (
    "the database cannot be opened or reached; is its place right, does its folder exist, does it run?"
)
INPUT_OUTPUT = "the disk refuses (full, limited or failing); nothing was written"

# SQLite's primary result codes (https://www.sqlite.org/rescode.html).
SQLITE = {
    3: READ_ONLY,  # SQLITE_PERM
    5: LOCKED,  # SQLITE_BUSY
    6: LOCKED,  # SQLITE_LOCKED
    8: READ_ONLY,  # SQLITE_READONLY
    10: INPUT_OUTPUT,  # SQLITE_IOERR
    11: DAMAGED,  # SQLITE_CORRUPT
    13: FULL,  # SQLITE_FULL
    14: UNREACHABLE,  # SQLITE_CANTOPEN
    26: "not a gallery's database (nor any SQLite file)",  # SQLITE_NOTADB
}
# PostgreSQL's error codes, appendix A of its manual; the longest that fits counts.
POSTGRES = {
    "08": UNREACHABLE,
    "25006": READ_ONLY,
    "28": "the database refuses this user or password",
    "3D": "there is no such database; create it first (createdb)",
    "42501": READ_ONLY,
    "53100": FULL,
    "53": "the database has no room or connections left",
    "55P03": LOCKED,
    "57": UNREACHABLE,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}


@contextmanager
def plainly(where: str) -> Iterator[None]:
    """What the database raises within the block, as a StoreError that names the place and what to do."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(f"{where}: {_why(error)}") from error


def _why(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) or 0
        return SQLITE.get(code & 0xFF) or str(cause)
    state = getattr(cause, "sqlstate", None) or ("08" if _unreachable(cause) else "")
    known = (POSTGRES[state[:length]] for length in (5, 2) if state[:length] in POSTGRES)
    # The driver's text, never the statement with its values.
    return next(known, None) or (str(cause or error).strip().splitlines() or ["refused"])[0]


def _unreachable(cause: BaseException | None) -> bool:
    return cause is not None and type(cause).__name__ == "OperationalError"
