"""All rows of one database into another, empty one."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, text

from mien.errors import StoreError
from mien.gallery.store.schema import changes, marks, metadata, people, reviews, templates
from mien.gallery.store.store import Store

STREAMED = 2_000  # rows at a time
NUMBERED = (people, templates, marks, reviews, changes)


def copy(source: Store, target: Store) -> dict[str, int]:
    """How many rows of each table came over. StoreError where the target holds a gallery already."""
    counts: dict[str, int] = {}
    with source.read() as old, target.write() as new:
        _require_empty(target, new)
        for table in metadata.sorted_tables:
            counts[table.name] = 0
            rows = old.execute(select(table), execution_options={"yield_per": STREAMED}).mappings()
            for some in rows.partitions():
                new.execute(insert(table), [dict(row) for row in some])
                counts[table.name] += len(some)
        if target.dialect.name == "postgresql":
            _count_on(new)
    return counts


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
