"""Backup and restore: every row of a gallery into a SQLite file of its own, and from there into an empty
database.

What is sealed stays sealed, so a backup is worth nothing without the gallery's key. What was forgotten before
it was made is not in it; whoever was forgotten since comes back with it, unless their receipts are given.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.errors import InputError
from mien.gallery.store import copying
from mien.gallery.store.store import Store


def backup(store: Store, path: str | os.PathLike[str]) -> dict[str, int]:
    """Write a new file with all of a gallery; how many rows of each kind. InputError where the file exists."""
    target = Path(path)
    if target.exists():
        raise InputError(f"{target}: exists already; name another file")
    scratch = target.with_name(f".{target.name}.part")
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
    finally:
        for end in ("", "-wal", "-shm"):
            scratch.with_name(scratch.name + end).unlink(missing_ok=True)
    return counts


def restore(path: str | os.PathLike[str], url: str) -> dict[str, int]:
    """Put a backup into an empty database; how many rows of each kind. StoreError where something is there."""
    saved = Store.open(str(path), create=False)
    try:
        target = Store.open(url)
        try:
            return copying.copy(saved, target)
        finally:
            target.close()
    finally:
        saved.close()


def forgotten_since(receipts: Sequence[Mapping[str, Any]], uid: str) -> list[str]:
    """The ids of the people that these receipts of a gallery are of. InputError for another gallery's."""
    strange = [each for each in receipts if each.get("receipt") != "erasure" or each.get("gallery") != uid]
    if strange:
        raise InputError("a receipt given is no erasure's, or of another gallery")
    return [str(each["person"]) for each in receipts]
