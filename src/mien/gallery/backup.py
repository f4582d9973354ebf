"""Backup and restore: every row of a gallery into a SQLite file of its own, and from there into an empty
database.

What is sealed stays sealed, so a backup is worth nothing without the gallery's key. What was forgotten before
it was made is not in it; whoever was forgotten since comes back with it, unless their receipts are given.
"""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.errors import InputError, StoreError
from mien.gallery.protection.signing import check_document
from mien.gallery.store import copying, settings
from mien.gallery.store.store import Store


def backup(store: Store, path: str | os.PathLike[str]) -> dict[str, int]:
    """Write a new file with all of a gallery; how many rows of each kind. InputError where the file exists."""
    target = Path(path)
    if target.exists():
        raise InputError(f"{target}: exists already; name another file")
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.part*"):  # by one that was interrupted
        left.unlink(missing_ok=True)
    scratch = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        copy = Store.open(str(scratch))
        try:
            counts = copying.copy(store, copy)
            copy.erase()  # the log goes into the file
        finally:
            copy.close()
        os.link(scratch, target)  # never in place of what came there meanwhile
    except FileExistsError as error:
        raise InputError(f"{target}: exists already; name another file") from error
    except OSError as error:
        raise StoreError(f"{target}: the copy cannot be put there ({error.strerror})") from error
    finally:
        for end in ("", "-wal", "-shm"):
            scratch.with_name(scratch.name + end).unlink(missing_ok=True)
    return counts


def restore(
    path: str | os.PathLike[str], url: str, forgotten: Sequence[Mapping[str, Any]] = ()
) -> dict[str, int]:
    """Put a backup into an empty database; how many rows of each kind, and how many people were left out.

    forgotten: receipts of people who were forgotten since; they do not come back. InputError where one is of
    another gallery, StoreError where something is there already: then nothing is written.
    """
    saved = Store.open(str(path), create=False)
    try:
        gone = _forgotten_since(forgotten, saved)
        target = Store.open(url)
        try:
            return copying.copy(saved, target, gone)
        finally:
            target.close()
    finally:
        saved.close()


def _forgotten_since(receipts: Sequence[Mapping[str, Any]], saved: Store) -> list[str]:
    """The ids of the people that these receipts are of."""
    with saved.read() as connection:
        row = settings.read(connection)
    uid = row.uid if row else ""
    for each in receipts:
        fits = (
            each.get("receipt") == "erasure"
            and each.get("gallery") == uid
            and isinstance(each.get("person"), str)
        )
        if not (fits and check_document(each)):
            raise InputError(f"a receipt of {each.get('person')!r} is of another gallery, or was changed")
    return [str(each["person"]) for each in receipts]
