"""All rows of one database into another, empty one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, func, insert, select, text, update

from mien.errors import StoreError
from mien.gallery.store.people import batches
from mien.gallery.store.schema import changes, crops, gallery, marks, metadata, people, reviews, templates
from mien.gallery.store.store import Store

STREAMED = 2_000  # rows at a time
NUMBERED = (people, templates, marks, reviews, changes)


def copy(source: Store, target: Store, without: Sequence[str] = ()) -> dict[str, int]:
    """How many rows of each table came over. StoreError where the target holds a gallery already.

    without: the ids of people who are left out, with all that is theirs; counts["left_out"] says how many. The
    copy is another incarnation: who has the original in memory must not take one for the other.
    """
    counts: dict[str, int] = {}
    with source.read() as old, target.write() as new:
        _require_empty(target, new)
        left_out = [number for some in batches(without) for number in _numbers(old, some)]
        for table in metadata.sorted_tables:
            counts[table.name] = 0
            wanted = _without(table, left_out)
            rows = old.execute(wanted, execution_options={"yield_per": STREAMED}).mappings()
            for some in rows.partitions():
                new.execute(insert(table), [dict(row) for row in some])
                counts[table.name] += len(some)
        counts["left_out"] = len(left_out)
        new.execute(update(gallery).values(incarnation=secrets.token_hex(16)))
        if target.dialect.name == "postgresql":
            _count_on(new)
    return counts


def _numbers(connection: Connection, ids: Sequence[str]) -> list[int]:
    return list(connection.execute(select(people.c.id).where(people.c.uid.in_(ids))).scalars())


def _without(table: Table, numbers: Sequence[int]) -> Select[Any]:
    """All rows of a table that are not these people's."""
    if not numbers:
        return select(table)
    if table is people:
        return select(table).where(people.c.id.not_in(numbers))
    if table is crops:
        theirs = select(templates.c.id).where(templates.c.person.in_(numbers))
        return select(table).where(crops.c.template.not_in(theirs))
    return select(table).where(table.c.person.not_in(numbers)) if "person" in table.c else select(table)


def _require_empty(target: Store, connection: Connection) -> None:
    for table in metadata.sorted_tables:
        if connection.execute(select(func.count()).select_from(table)).scalar_one():
            raise StoreError(f"{target.where}: a gallery is there already; restore into an empty database")


def _count_on(connection: Connection) -> None:
    """New rows must not get the numbers of those that came over."""
    for table in NUMBERED:
        key = next(iter(table.primary_key)).name
        serial = f"pg_get_serial_sequence('{table.name}', '{key}')"
        connection.execute(text(f"SELECT setval({serial}, GREATEST(MAX({key}), 1)) FROM {table.name}"))
