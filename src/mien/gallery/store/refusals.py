"""What a database says when it refuses → what a person can do about it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mien.errors import StoreError

DAMAGED = "the database is damaged or cut off; restore a backup (mien gallery restore), nothing was written"
FOREIGN = "not a gallery's database: another program's tables are in it; nothing was written, name another file"
FULL = "no space is left for the database; nothing was written: make room and do it again"
READ_ONLY = "the database may not be written to; give this user the right to write, or use a copy"
LOCKED = "another program holds the database; nothing was written: close it, or do it again later"
UNREACHABLE = (
    "the database cannot be opened or reached; is its place right, does its folder exist, does it run?"
)
NO_USER = "the database refuses this user or password"
NO_DATABASE = "there is no such database; create it first (createdb)"
NO_RIGHT = "this user has no right to something in the database; let its owner grant it, or name another user"
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
    "28": NO_USER,
    "3D": NO_DATABASE,
    "40": LOCKED,
    "42501": NO_RIGHT,
    "53100": FULL,
    "53": "the database has no room or connections left",
    "55P03": LOCKED,
    "57": UNREACHABLE,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}
# A connection that does not come about has no code, only what the server said; in English by default.
SAID = {
    re.compile("password authentication failed|no pg_hba.conf entry|^FATAL: +role .* does not exist"): NO_USER,
    re.compile("^FATAL: +database .* does not exist"): NO_DATABASE,
}


@contextmanager
def plainly(where: str) -> Iterator[None]:
    """What the database raises within the block, as a StoreError that names the place and what to do."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(f"{where}: {_why(error)}") from error
    except UnicodeDecodeError as error:  # of a text that stands in it, or of a name in its own tables
        raise StoreError(f"{where}: {DAMAGED}") from error


def _why(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return _sqlite(cause)
    state = getattr(cause, "sqlstate", None) or ""
    known = (POSTGRES[state[:length]] for length in (5, 2) if state[:length] in POSTGRES)
    if not state and type(cause).__name__ == "OperationalError":
        return _unreachable(_first_line(cause))
    return next(known, None) or _first_line(cause or error)


def _sqlite(cause: sqlite3.Error) -> str:
    code = getattr(cause, "sqlite_errorcode", 0) or 0
    if not code and "Could not decode" in str(cause):  # followed by the text
        return DAMAGED
    return SQLITE.get(code & 0xFF) or str(cause)


def _unreachable(said: str) -> str:
    reason = said.rsplit("failed: ", 1)[-1]
    known = next((words for pattern, words in SAID.items() if pattern.search(reason)), UNREACHABLE)
    return f"{known} ({reason})"


def _first_line(error: BaseException | None) -> str:
    """The driver's text, never the statement with its values."""
    return (str(error).strip().splitlines() or ["refused"])[0]
