"""New keys and new templates: everything sealed with another data key, every vector given another secret
turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mien.errors import InputError, StoreError
from mien.gallery.desk import Desk
from mien.gallery.log import Change
from mien.gallery.protection.keys import MainKey, new_salt
from mien.gallery.protection.renewable import Transform
from mien.gallery.store import faces, people, settings
from mien.gallery.store.schema import SEALED, WITH_VECTORS
from mien.gallery.store.schema import people as people_table
from mien.gallery.store.store import Connection, Row, Table
from mien.gallery.vault import Key, Vault, add_secret, main_key, rewrap_all

BATCH = 500  # rows of a transaction


def rotate(desk: Desk, new: Key = None) -> Iterator[int]:
    """Seal everything with a new data key, under the main key `new` where one is given; yields rows as they
    are done.

    A gallery that was not encrypted is so from then on. It goes batch by batch: interrupted, it is gone on
    with by calling it again, and every key is held until the last row is done. Then the old data keys are
    destroyed.
    """
    with desk.change() as change:
        wrapping = _new_data_key(desk, change, new)
    desk.key = wrapping
    yield from _reseal(desk)
    with desk.change() as change:
        settings.drop_secrets(change.connection, "data", but=desk.vault.data_key)
        change.record("rotate", results=0)
    with desk.store.read() as connection:
        desk.vault = Vault.open(connection, desk.key) or desk.vault
    _let_go(desk)


def _let_go(desk: Desk) -> None:
    """Leave nothing in the files that was sealed or turned before. StoreError where somebody still reads it."""
    if not desk.store.rewrite():
        raise StoreError(
            f"{desk.store.where}: everything is under the new secret, but files still hold what was before, "
            f"since somebody reads the gallery; do it once more when nobody does"
        )


def _new_data_key(desk: Desk, change: Change, new: Key) -> MainKey:
    """Begin, or go on with, a rotation; the main key that wraps the gallery's secrets from now on."""
    connection = change.connection
    row = settings.read(connection)
    old = main_key(desk.key, row.salt if row else None) if settings.read_secrets(connection) else None
    wrapping = old if old is not None and new is None else _first_key(connection, new or desk.key)
    if old is not None and wrapping is not old:
        rewrap_all(connection, desk.vault.uid, old, wrapping)
    if not _unfinished(desk, change):
        desk.vault = add_secret(connection, desk.vault, "data", wrapping)
        change.record("new data key", results=0)
    return wrapping


def _first_key(connection: Connection, key: Key) -> MainKey:
    """A main key that the gallery did not have before; a passphrase gets a salt, which is stored."""
    salt = new_salt() if isinstance(key, str) else None
    wrapping = main_key(key, salt)
    settings.change(connection, salt=salt)
    return wrapping


def _unfinished(desk: Desk, change: Change) -> bool:
    """Whether an interrupted rotation is to be gone on with: rows wait for the data key in use."""
    if not desk.vault.encrypted:
        return False
    number = desk.vault.data_key
    return any(faces.under_another_key(change.connection, table, number, 1) for table in SEALED)


def _reseal(desk: Desk) -> Iterator[int]:
    for table in SEALED:
        done = BATCH
        while done == BATCH:
            with desk.change() as change:
                rows = faces.under_another_key(change.connection, table, desk.vault.data_key, BATCH)
                for row in rows:
                    _sealed_anew(desk, change, table, row)
            done = len(rows)
            yield done


def _sealed_anew(desk: Desk, change: Change, table: Table, row: Row[Any]) -> None:
    values: dict[str, Any] = {"data_key": desk.vault.data_key}
    for column in SEALED[table]:
        if getattr(row, column) is None:
            continue
        place = f"{table.name}.{column}"
        plain = desk.vault.value(row, place, row.uid)
        values[column] = desk.vault.close(place, row.uid, plain)
        if table is people_table:
            values[f"{column}_index"] = desk.vault.index(plain.decode())
    if table is people_table:
        people.change(change.connection, row.id, **values)
    else:
        faces.change(change.connection, table, faces.number_of(row), **values)


def renew(desk: Desk, key: Key = None) -> int:
    """Give every vector another secret turn, without any photograph; how many were changed.

    The old templates match nothing any more. A gallery without a secret turn gets its first, and where it had
    no main key, `key` to keep the secret with. All or nothing. KeyingError without a main key; InputError for
    a second one, which is what `rotate` is for.
    """
    with desk.change() as change:
        wrapping = _key_of(desk, change.connection, key)
        before = desk.vault
        vault = add_secret(change.connection, before, "transform", wrapping)
        changed = _turn_all(change, before, vault)
        settings.drop_secrets(change.connection, "transform", but=vault.transform)
        change.record("renew", results=changed)
    desk.key = wrapping
    with desk.read():
        pass  # everything in memory is made anew from the new templates
    _let_go(desk)
    return changed


def _key_of(desk: Desk, connection: Connection, new: Key) -> MainKey:
    """The gallery's main key, or its first."""
    row = settings.read(connection)
    if not settings.read_secrets(connection):
        return _first_key(connection, new or desk.key)
    if new is not None:
        raise InputError(
            "this gallery has a key already; `mien gallery rotate` with --key-file gives it another"
        )
    return main_key(desk.key, row.salt if row else None)


def _turn_all(change: Change, before: Vault, after: Vault) -> int:
    if before.origin is None or after.turn is None:
        return 0
    old = before.turn or Transform.identity(before.origin.dimension)
    step, changed = old.change_to(after.turn), 0
    for table in WITH_VECTORS:
        place = f"{table.name}.vector"
        for some in list(faces.vectors(change.connection, table, before.origin.digests)):
            turned = step.apply(before.vectors(place, some)).astype("<f4") if some else np.empty((0, 0))
            for row, vector in zip(some, turned, strict=True):
                sealed = after.close(place, row.uid, vector.tobytes())
                values = {"vector": sealed, "transform": after.transform, "data_key": after.data_key}
                faces.change(change.connection, table, row.id, **values)
            changed += len(some)
    return changed
