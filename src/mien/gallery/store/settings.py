"""What the gallery is, and its wrapped secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from mien.errors import StoreError
from mien.gallery.store.schema import gallery, secrets


def read(connection: Connection) -> Row[Any] | None:
    """The gallery's row; None in a database without one."""
    rows = connection.execute(select(gallery)).all()
    if len(rows) > 1:
        raise StoreError("the database holds several galleries; it was changed by something else than mien")
    return rows[0] if rows else None


def write_first(connection: Connection, values: Mapping[str, Any]) -> None:
    """The gallery's row, for good."""
    connection.execute(insert(gallery), [{"id": 1, **values}])


def change(connection: Connection, **values: Any) -> None:
    """Other values of the gallery's row."""
    connection.execute(update(gallery).values(**values))


def read_secrets(connection: Connection) -> dict[tuple[str, int], Row[Any]]:
    """The wrapped secrets, by purpose and number."""
    return {(row.purpose, row.number): row for row in connection.execute(select(secrets))}


def write_secret(connection: Connection, purpose: str, number: int, wrapped: bytes) -> None:
    """One more secret."""
    connection.execute(insert(secrets), [{"purpose": purpose, "number": number, "wrapped": wrapped}])


def write_check(connection: Connection, purpose: str, number: int, check: bytes) -> None:
    """What shows that a secret still makes the same of it elsewhere."""
    which = (secrets.c.purpose == purpose) & (secrets.c.number == number)
    connection.execute(update(secrets).where(which).values(check_vector=check))


def rewrap(connection: Connection, purpose: str, number: int, wrapped: bytes) -> None:
    """The same secret, wrapped by another main key."""
    which = (secrets.c.purpose == purpose) & (secrets.c.number == number)
    connection.execute(update(secrets).where(which).values(wrapped=wrapped))


def drop_secrets(connection: Connection, purpose: str, *, but: int) -> None:
    """Destroy every secret of a purpose but one."""
    connection.execute(delete(secrets).where(secrets.c.purpose == purpose, secrets.c.number != but))
