"""Erasures under way and done, with their receipts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from mien.gallery.store.schema import erasures


def start(connection: Connection, uid: str, at: str, removed: str) -> None:
    """An erasure begins."""
    connection.execute(insert(erasures).values(uid=uid, at=at, removed=removed, done=False))


def finish(connection: Connection, uid: str, receipt: str, *, done: bool, instead: bool = True) -> bool:
    """Its receipt; done: nothing is left to do. instead: in place of one that says so, too. Whether it was put
    there.
    """
    mine = erasures.c.uid == uid if instead else (erasures.c.uid == uid) & erasures.c.done.is_(False)
    return bool(connection.execute(update(erasures).where(mine).values(receipt=receipt, done=done)).rowcount)


def waiting(connection: Connection, *, interrupted: str | None = None) -> list[Row[Any]]:
    """Those with something left to do, oldest first. interrupted: only those begun before then without a
    receipt.
    """
    wanted = select(erasures).where(erasures.c.done.is_(False)).order_by(erasures.c.at)
    if interrupted is not None:
        wanted = wanted.where(erasures.c.receipt.is_(None), erasures.c.at < interrupted)
    return list(connection.execute(wanted))


def texts(connection: Connection) -> list[str]:
    """What is written down of them."""
    rows = every(connection)
    return [text for row in rows for text in (row.removed, row.receipt) if text]


def every(connection: Connection) -> list[Row[Any]]:
    """All, oldest first."""
    return list(connection.execute(select(erasures).order_by(erasures.c.at)))
