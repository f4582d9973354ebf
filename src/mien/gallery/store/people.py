"""People's rows. What is sealed comes and goes as sealed bytes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Row, delete, func, insert, select, update

from mien.gallery.store.schema import people, templates

MANY = 500  # numbers in one statement


def batches(numbers: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The numbers, as many at a time as a statement takes."""
    for start in range(0, len(numbers), MANY):
        yield numbers[start : start + MANY]


def inserted(connection: Connection, statement: Insert) -> int:
    """The number of the row that a statement adds."""
    key = connection.execute(statement).inserted_primary_key
    return int(key[0] if key else 0)


def add(connection: Connection, values: Mapping[str, Any]) -> int:
    """A new person's number."""
    return inserted(connection, insert(people).values(**values))


def change(connection: Connection, number: int, **values: Any) -> None:
    """Other values of a person's row."""
    connection.execute(update(people).where(people.c.id == number).values(**values))


def remove(connection: Connection, number: int) -> None:
    """The person's row."""
    connection.execute(delete(people).where(people.c.id == number))


def find(connection: Connection, column: str, values: Sequence[Any]) -> Row[Any] | None:
    """The person with one of these values in a unique column, and their number of templates."""
    return connection.execute(_counted().where(people.c[column].in_(values))).first()


def by_numbers(connection: Connection, numbers: Sequence[int]) -> dict[int, Row[Any]]:
    """The people with these numbers who are still there."""
    found = (connection.execute(_counted().where(people.c.id.in_(some))) for some in batches(numbers))
    return {row.id: row for rows in found for row in rows}


def every(connection: Connection) -> Iterator[Row[Any]]:
    """All people, oldest first, with their numbers of templates."""
    yield from connection.execute(_counted().order_by(people.c.id))


def count(connection: Connection) -> int:
    """How many people there are."""
    return int(connection.execute(select(func.count()).select_from(people)).scalar_one())


def past(connection: Connection, day: datetime.date) -> list[Row[Any]]:
    """The people whose last day lies before `day`."""
    return list(connection.execute(_counted().where(people.c.until < day).order_by(people.c.id)))


def _counted() -> Any:
    held = select(func.count()).where(templates.c.person == people.c.id).scalar_subquery()
    return select(people, held.label("templates"))
