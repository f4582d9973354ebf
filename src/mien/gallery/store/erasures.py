"""Erasures under way and done, with their receipts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from mien.gallery.store.schema import erasures


def start(connection: Connection, uid: str, at: str, removed: str) -> None:
    """An erasure begins."""
    connection.execute(insert(erasures).values(uid=uid, at=at, removed=removed, done=False))


def finish(connection: Connection, uid: str, receipt: str, *, done: bool) -> None:
    """Its receipt; done: nothing is left to do."""
    connection.execute(update(erasures).where(erasures.c.uid == uid).values(receipt=receipt, done=done))


def waiting(connection: Connection) -> list[Row[Any]]:
    """Those with something left to do, oldest first."""
    return list(connection.execute(select(erasures).where(erasures.c.done.is_(False)).order_by(erasures.c.at)))


def every(connection: Connection) -> list[Row[Any]]:
    """All, oldest first."""
    return list(connection.execute(select(erasures).order_by(erasures.c.at)))
