"""A gallery in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from mien.errors import StoreError
from mien.gallery.store.refusals import DAMAGED

WAIT = 30.0  # seconds for who holds the file, before it is called locked
OWNER_ONLY = 0o600
HEADER = 100  # bytes
CHUNK = 16 << 20  # bytes of a file at a time
SETTINGS = (
    "PRAGMA journal_mode=WAL",  # who reads never waits for who writes
    "PRAGMA synchronous=FULL",  # what was acknowledged survives a power cut
    "PRAGMA secure_delete=ON",  # what is deleted is overwritten with zeros
    "PRAGMA foreign_keys=ON",
)


class Sqlite:
    """How a SQLite file is opened, written to and emptied for good."""

    name = "sqlite"

    def __init__(self, url: URL) -> None:
        self.path = Path(url.database or "")
        self.url = url
        if str(url.database or "") in ("", ":memory:"):
            raise StoreError("a gallery lives in a file; name one, such as people.db")

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def create(self) -> None:
        """Make the file, for its owner's eyes only. StoreError where it cannot be made."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, OWNER_ONLY))
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be made ({error.strerror})") from error

    def engine(self) -> Engine:
        """An engine on the file, which must exist."""
        self._require_whole()
        engine = create_engine(self.url, connect_args={"timeout": WAIT}, hide_parameters=True)
        event.listen(engine, "connect", self._connected)
        return engine

    def files(self) -> list[Path]:
        """Every file that holds something of the gallery."""
        beside = (self.path.with_name(self.path.name + end) for end in ("", "-wal", "-shm", "-journal"))
        return [file for file in beside if file.exists()]

    def begin_reading(self, connection: Connection) -> None:
        """See one state of everything, without waiting for who writes."""
        connection.exec_driver_sql("BEGIN")

    def begin_writing(self, connection: Connection, *, ordered: bool) -> None:
        """Be the only writer, ordered or not: one waits at the start, not in the middle."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def contents(self, engine: Engine) -> Iterator[bytes]:
        """The bytes of every file of the gallery, piece by piece."""
        for file in self.files():
            with file.open("rb") as stream:
                while piece := stream.read(CHUNK):
                    yield piece

    def erase(self, engine: Engine, *, now: bool = False) -> bool:
        """Empty the write-ahead log, so that what was deleted is in no file; False: readers hold it."""
        with engine.connect() as connection:
            busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        return not busy

    def rewrite(self, engine: Engine) -> bool:
        """Copy what is there into a new file, which takes the old one's place; False: readers hold the log."""
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
        return self.erase(engine)

    def _require_whole(self) -> None:
        """StoreError for a file that is shorter than its own header says (and no log holds the rest)."""
        try:
            with self.path.open("rb") as stream:
                header, size = stream.read(HEADER), self.path.stat().st_size
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be read ({error.strerror})") from error
        if not header:
            return  # new
        if not header.startswith(b"SQLite format 3\0") or len(header) < HEADER:
            raise StoreError(f"{self.path}: not a gallery's database (nor any SQLite file)")
        page, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
        log = self.path.with_name(self.path.name + "-wal")
        if (65536 if page == 1 else page) * pages > size and not (log.exists() and log.stat().st_size):
            raise StoreError(f"{self.path}: {DAMAGED}")

    def _connected(self, connection: Any, _: object) -> None:
        # Transactions begin where the store says, not where the driver guesses.
        connection.isolation_level = None
        for setting in SETTINGS:
            try:
                connection.execute(setting)
            except sqlite3.OperationalError as error:
                if "readonly" not in str(error):  # a file that may only be read keeps the mode it has
                    raise
