"""The rows that hold faces: templates, kept crops, marks, reviews; and the changes they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from mien.gallery.store.people import batches, inserted
from mien.gallery.store.schema import changes, crops, marks, people, reviews, templates

STREAMED = 10_000  # rows at a time


def add(connection: Connection, table: Table, values: Mapping[str, Any]) -> int:
    """A new row's number."""
    return inserted(connection, insert(table).values(**values))


def add_crop(connection: Connection, values: Mapping[str, Any]) -> None:
    """The kept picture of a template."""
    connection.execute(insert(crops).values(**values))


def vectors(
    connection: Connection, table: Table, origin: tuple[str, str], numbers: Sequence[int] | None = None
) -> Iterator[Sequence[Any]]:
    """Vectors of one bundle and aligner, of these people or of all: rows by person, many at a time.

    Each row: id, person, uid (the person's), vector (sealed), transform, data_key.
    """
    c = table.c
    wanted = (
        select(c.id, c.person, people.c.uid, c.vector, c.transform, c.data_key)
        .join(people, people.c.id == c.person)
        .where(c.bundle == origin[0], c.aligner == origin[1])
        .order_by(c.person, c.id)
    )
    if numbers is not None:
        for some in batches(numbers):
            yield connection.execute(wanted.where(c.person.in_(some))).all()
        return
    streamed = connection.execute(wanted, execution_options={"yield_per": STREAMED})
    yield from streamed.partitions()


def marked_places(connection: Connection, numbers: Sequence[int] | None = None) -> list[Any]:
    """person, picture and box of every mark, or of those of these people."""
    wanted = select(marks.c.person, marks.c.picture, marks.c.box).order_by(marks.c.id)
    if numbers is None:
        return list(connection.execute(wanted))
    found = (connection.execute(wanted.where(marks.c.person.in_(some))) for some in batches(numbers))
    return [row for rows in found for row in rows]


def number_of(row: Row[Any]) -> int:
    """What a row of faces is known by: a crop by its template."""
    return int(row.template if "template" in row._fields else row.id)


def under_another_key(connection: Connection, table: Table, data_key: int, most: int) -> list[Row[Any]]:
    """Rows that were sealed with another data key than this one, with their people's ids: at most so many."""
    key = table.c.template if table is crops else table.c.id
    owner = people
    wanted = select(table) if table is people else select(table, people.c.uid)
    if table is crops:
        wanted = wanted.join(templates, templates.c.id == crops.c.template)
        wanted = wanted.join(owner, owner.c.id == templates.c.person)
    elif table is not people:
        wanted = wanted.join(owner, owner.c.id == table.c.person)
    return list(connection.execute(wanted.where(table.c.data_key != data_key).order_by(key).limit(most)))


def of_person(connection: Connection, table: Table, number: int) -> list[Row[Any]]:
    """All rows of a person, oldest first."""
    return list(connection.execute(select(table).where(table.c.person == number).order_by(table.c.id)))


def crops_of(connection: Connection, numbers: Sequence[int]) -> dict[int, Row[Any]]:
    """Kept pictures by their templates' numbers."""
    found = (connection.execute(select(crops).where(crops.c.template.in_(some))) for some in batches(numbers))
    return {row.template: row for rows in found for row in rows}


def with_crops(connection: Connection) -> list[Row[Any]]:
    """Every kept crop, with its person's id, oldest template first."""
    wanted = (
        select(crops, people.c.uid)
        .join(templates, templates.c.id == crops.c.template)
        .join(people, people.c.id == templates.c.person)
    )
    return list(connection.execute(wanted.order_by(crops.c.template)))


def from_picture(connection: Connection, sha256: str) -> list[Any]:
    """The templates that come from a picture, with their people's ids."""
    wanted = select(templates.c.id, templates.c.person, templates.c.box, people.c.uid).join(
        people, people.c.id == templates.c.person
    )
    return list(connection.execute(wanted.where(templates.c.picture == sha256)))


def every(connection: Connection, table: Table) -> list[Row[Any]]:
    """All rows of a table, oldest first."""
    return list(connection.execute(select(table).order_by(table.c.id)))


def waits(connection: Connection, person: int, picture: str, box: str) -> bool:
    """Whether this face is in the queue for this person already."""
    c = reviews.c
    found = select(c.id).where(c.person == person, c.picture == picture, c.box == box)
    return connection.execute(found).first() is not None


def of_picture(connection: Connection, table: Table, sha256: str) -> list[Row[Any]]:
    """The rows whose faces come from a picture."""
    return list(connection.execute(select(table).where(table.c.picture == sha256)))


def one(connection: Connection, table: Table, number: int) -> Row[Any] | None:
    """One row by its number."""
    return connection.execute(select(table).where(table.c.id == number)).one_or_none()


def change(connection: Connection, table: Table, number: int, **values: Any) -> None:
    """Other values of one row."""
    key = table.c.template if table is crops else table.c.id
    connection.execute(update(table).where(key == number).values(**values))


def remove(connection: Connection, table: Table, number: int) -> int:
    """One row; how many went."""
    key = table.c.template if table is crops else table.c.id
    return connection.execute(delete(table).where(key == number)).rowcount


def remove_of(connection: Connection, number: int) -> dict[str, int]:
    """Everything of a person but the person: how many rows of each kind went."""
    mine = select(templates.c.id).where(templates.c.person == number)
    gone = {"crops": connection.execute(delete(crops).where(crops.c.template.in_(mine))).rowcount}
    for table in (templates, marks, reviews):
        gone[table.name] = connection.execute(delete(table).where(table.c.person == number)).rowcount
    return gone


def remove_crops(connection: Connection, number: int) -> int:
    """A person's kept pictures; how many went."""
    mine = select(templates.c.id).where(templates.c.person == number)
    return connection.execute(delete(crops).where(crops.c.template.in_(mine))).rowcount


def note_change(connection: Connection, number: int) -> int:
    """Say that a person changed; the number of the change. Only within an ordered transaction."""
    connection.execute(delete(changes).where(changes.c.person == number))
    return inserted(connection, insert(changes).values(person=number))


def newest_change(connection: Connection) -> int:
    """The number of the last change; 0 before the first."""
    return int(connection.execute(select(func.max(changes.c.seq))).scalar() or 0)


def changed_since(connection: Connection, seq: int) -> list[int]:
    """The people who changed after the change with this number, by rising number."""
    wanted = select(changes.c.person).where(changes.c.seq > seq).order_by(changes.c.person)
    return list(connection.execute(wanted).scalars())


def counts(connection: Connection) -> dict[str, int]:
    """How many rows of each kind there are."""
    tables = (people, templates, crops, marks, reviews)
    return {t.name: int(connection.execute(select(func.count()).select_from(t)).scalar_one()) for t in tables}
