"""What databases say when they refuse → what a person can do about it."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from mien.errors import InputError, StoreError
from mien.gallery.store.refusals import POSTGRES, SQLITE, plainly


def of_sqlite(code: int, words: str = "what SQLite says") -> sqlite3.Error:
    error = sqlite3.OperationalError(words)
    if code:
        error.sqlite_errorcode = code
    return error


def of_postgres(state: str | None, words: str = "what the server says\nDETAIL: a value") -> psycopg.Error:
    error = psycopg.OperationalError(words)
    error.sqlstate = state
    return error


def said(cause: BaseException) -> str:
    """What a person reads when a statement with somebody's name fails so."""
    with pytest.raises(StoreError) as refused, plainly("people.db"):
        raise DBAPIError("UPDATE people SET name = 'Ann'", {"name": "Ann"}, cause)
    return str(refused.value)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (of_sqlite(5), "another program holds the database; nothing was written: close it"),
        (of_sqlite(5 | 2 << 8), "another program holds the database"),  # an extended code: SQLITE_BUSY_SNAPSHOT
        (of_sqlite(8), "may not be written to; give this user the right"),
        (of_sqlite(10 | 12 << 8), "the disk refuses"),
        (of_sqlite(11), "damaged or cut off; restore a backup (mien gallery restore)"),
        (of_sqlite(13), "no space is left for the database; nothing was written: make room"),
        (of_sqlite(14), "cannot be opened or reached"),
        (of_sqlite(26), "not a gallery's database"),
        (of_sqlite(0, "Could not decode to UTF-8 column 'x' with text 'Ann'"), "damaged or cut off"),
        (of_sqlite(1), "what SQLite says"),
        (of_postgres("28P01"), "refuses this user or password"),
        (of_postgres("3D000"), "there is no such database; create it first (createdb)"),
        (of_postgres("40P01"), "another program holds the database"),
        (of_postgres("42501"), "this user has no right"),
        (of_postgres("53100"), "no space is left"),
        (of_postgres("53300"), "no room or connections left"),
        (of_postgres("55P03"), "another program holds the database"),
        (of_postgres("57P01"), "cannot be opened or reached"),
        (of_postgres("XX001"), "damaged or cut off"),
        (of_postgres("22012"), "what the server says"),
        (of_postgres(None, "connection failed: Connection refused"), "does it run? (Connection refused)"),
        (of_postgres(None, 'FATAL:  database "x" does not exist'), "there is no such database"),
        (of_postgres(None, 'FATAL:  role "x" does not exist'), "refuses this user"),
        (of_postgres(None, 'FATAL:  password authentication failed for user "x"'), "refuses this user"),
        (of_postgres(None, 'FATAL:  no pg_hba.conf entry for host "h"'), "refuses this user"),
    ],
)
def test_what_to_do(cause: BaseException, words: str) -> None:
    found = said(cause)
    assert found.startswith("people.db: ")
    assert words in found
    for hidden in ("Ann", "UPDATE", "DETAIL"):
        assert hidden not in found


def test_every_known_refusal_is_one_line_that_says_something() -> None:
    for words in {*SQLITE.values(), *POSTGRES.values()}:
        assert 20 < len(words) < 120
        assert "\n" not in words


def test_other_errors_of_the_library() -> None:
    with pytest.raises(StoreError, match=r"^here: the session is closed$"), plainly("here"):
        raise InvalidRequestError("the session is closed")
    with pytest.raises(StoreError, match=r"^here: refused$"), plainly("here"):
        raise InvalidRequestError("")


def test_text_that_is_none_is_damage() -> None:
    with pytest.raises(StoreError, match="damaged or cut off"), plainly("here"):
        b"\xff".decode()


def test_what_is_not_the_database_s_passes() -> None:
    for error in (InputError("a"), ValueError("b"), KeyError("c")):
        with pytest.raises(type(error)), plainly("here"):
            raise error
