"""The audit log's rows: one chain a writer, each row bound to the one before it by its hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from mien.gallery.store.schema import audit, chains


def append(connection: Connection, rows: Sequence[Mapping[str, Any]], head: Mapping[str, Any]) -> None:
    """More rows of a writer, and the new head of its chain."""
    connection.execute(insert(audit), list(rows))
    moved = connection.execute(update(chains).where(chains.c.writer == head["writer"]).values(**head))
    if not moved.rowcount:
        connection.execute(insert(chains).values(**head))


def heads(connection: Connection) -> list[Row[Any]]:
    """The chains' heads, by writer."""
    return list(connection.execute(select(chains).order_by(chains.c.writer)))


def rows(connection: Connection) -> Iterator[Row[Any]]:
    """Every row, chain by chain, in order."""
    yield from connection.execute(select(audit).order_by(audit.c.writer, audit.c.seq))


def words(connection: Connection) -> list[str]:
    """Every action and every actor that occurs."""
    return [
        str(word)
        for c in (audit.c.action, audit.c.actor)
        for word in connection.execute(select(c).distinct()).scalars()
    ]


def about(connection: Connection, uid: str) -> list[Row[Any]]:
    """The rows about a person, oldest first."""
    return list(
        connection.execute(select(audit).where(audit.c.people.contains(f'"{uid}"')).order_by(audit.c.at))
    )


def latest(connection: Connection, most: int) -> list[Row[Any]]:
    """The newest rows of all writers, newest first."""
    order = (audit.c.at.desc(), audit.c.writer, audit.c.seq.desc())
    return list(connection.execute(select(audit).order_by(*order).limit(most)))
