"""A gallery in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Boolean,
    Column,
    Connection,
    Date,
    Engine,
    Float,
    Integer,
    LargeBinary,
    Table,
    create_engine,
    event,
)

from mien.errors import StoreError
from mien.gallery.store.refusals import DAMAGED, FOREIGN
from mien.gallery.store.schema import VERSIONS, metadata

WAIT = 30.0  # seconds for who holds the file, before it is called locked
OWNER_ONLY = 0o600
HEADER = 100  # bytes
CHUNK = 16 << 20  # bytes of a file at a time
CHECKED = 1 << 26  # bytes of a file up to which all of it is checked when it is opened (some 0.2 s)
SETTINGS = (
    "PRAGMA cell_size_check=ON",  # a damaged page is refused when it is read
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
        """Whether the file is there. StoreError where something else stands in its place."""
        if self.path.exists() and not self.path.is_file():
            raise StoreError(f"{self.path}: no file, but a folder or the like; name a file, such as people.db")
        return self.path.exists()

    def create(self) -> None:
        """Make the file, for its owner's eyes only. StoreError where it cannot be made."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, OWNER_ONLY))
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be made ({error.strerror})") from error

    def engine(self) -> Engine:
        """An engine on the file, which must exist. StoreError where it is cut off, or no gallery's."""
        if not self._is_whole() and not self._has_log():
            raise StoreError(f"{self.path}: {DAMAGED}")
        engine = create_engine(self.url, connect_args={"timeout": WAIT}, hide_parameters=True)
        event.listen(engine, "connect", self._connected)
        return engine

    def require_sound(self, engine: Engine) -> None:
        """StoreError where a page is damaged, or a value is of another kind than its column; see CHECKED."""
        if self._is_whole() and self.path.stat().st_size > CHECKED:
            return
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
            kinds = map(_of_another_kind, metadata.sorted_tables)
            if found != "ok" or any(connection.exec_driver_sql(kind).first() for kind in kinds):
                raise StoreError(f"{self.path}: {DAMAGED}")

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

    def texts(self, connection: Connection) -> list[str]:
        """Texts of the database's own in its file: the statements that made its tables, and their names."""
        # A record's columns stand one after the other.
        rows = connection.exec_driver_sql("SELECT type || name || tbl_name, sql FROM sqlite_master")
        counted = connection.exec_driver_sql("SELECT name, NULL FROM sqlite_sequence")
        return [text for row in (*rows, *counted) for text in row if text]

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

    def rewrite(self, engine: Engine, *, now: bool = True) -> bool:
        """Copy what is there into a new file, which takes the old one's place; False: readers hold the log."""
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
        return self.erase(engine)

    def _is_whole(self) -> bool:
        """Whether the file is as long as its own header says. StoreError where it is no SQLite file."""
        if not self.path.is_file():
            raise StoreError(f"{self.path}: no file; name one, such as people.db")
        try:
            with self.path.open("rb") as stream:
                header, size = stream.read(HEADER), self.path.stat().st_size
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be read ({error.strerror})") from error
        if not header:
            return True  # new
        if not header.startswith(b"SQLite format 3\0") or len(header) < HEADER:
            raise StoreError(f"{self.path}: not a gallery's database (nor any SQLite file)")
        page, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
        return (65536 if page == 1 else page) * pages <= size

    def _has_log(self) -> bool:
        """Whether a write-ahead log may hold what the file does not."""
        log = self.path.with_name(self.path.name + "-wal")
        return log.exists() and log.stat().st_size > 0

    def _connected(self, connection: Any, _: object) -> None:
        # Transactions begin where the store says, not where the driver guesses.
        connection.isolation_level = None
        tables = {name for (name,) in connection.execute(TABLES)}
        if tables and VERSIONS not in tables:
            raise StoreError(f"{self.path}: {FOREIGN}")
        for setting in SETTINGS:
            try:
                connection.execute(setting)
            except sqlite3.OperationalError as error:
                if "readonly" not in str(error):  # a file that may only be read keeps the mode it has
                    raise


TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
# What SQLite calls the kinds of values that a column's type is stored as.
KINDS = {Integer: "integer", Boolean: "integer", Float: "real", LargeBinary: "blob"}
DAY = "[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]"


def _of_another_kind(table: Table) -> str:
    """The question whether there is a row with a value that its column cannot hold."""
    strange = " OR ".join(_strange(column) for column in table.columns)
    return f"SELECT 1 FROM {table.name} WHERE {strange} LIMIT 1"


def _strange(column: Column[Any]) -> str:
    kind = KINDS.get(type(column.type), "text")
    strange = f"typeof({column.name}) <> '{kind}'"
    if isinstance(column.type, Date):
        strange = f"({strange} OR {column.name} NOT GLOB '{DAY}')"
    return f"({column.name} IS NOT NULL AND {strange})" if column.nullable else strange
