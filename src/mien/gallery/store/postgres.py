"""A gallery in PostgreSQL, through psycopg."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from mien.errors import MissingExtraError
from mien.gallery.store.schema import metadata

WRITER = 0x6D69656E  # the advisory lock's number: "mien"
WAIT = 30  # seconds for who writes, before the database is called held by another
CHUNK = 16 << 20  # bytes of a server's file at a time
FUSED = "fused"  # the table of the search inside the database, where that is used
PRIVATE = ("people", "templates", "crops", "marks", "reviews", FUSED)  # what holds something of somebody
TRIES, PAUSE = 50, 0.1  # how often, and after how many seconds, older transactions are asked for
AT_ONCE = 256 << 20  # bytes of tables that a deletion rewrites without being asked


class Postgres:
    """How a PostgreSQL database is opened, written to and emptied for good."""

    name = "postgresql"

    def __init__(self, url: URL) -> None:
        if find_spec("psycopg") is None:
            raise MissingExtraError("psycopg", "postgres")
        self.url = url

    def exists(self) -> bool:
        """A server's databases are made by its owner (createdb); whether it is there shows when it is used."""
        return True

    def create(self) -> None:
        """Nothing: see `exists`."""

    def engine(self) -> Engine:
        """Connections to the server."""
        settings = {"isolation_level": "READ COMMITTED", "pool_pre_ping": True}
        return create_engine(self.url, hide_parameters=True, **settings)

    def require_sound(self, engine: Engine) -> None:
        """Nothing: the server looks after its pages, and checks them where it was told to (data checksums)."""

    def files(self) -> list[Path]:
        """None: they are the server's."""
        return []

    def begin_reading(self, connection: Connection) -> None:
        """See one state of everything."""
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def begin_writing(self, connection: Connection, *, ordered: bool) -> None:
        """Be the only ordered writer until the end. Every statement sees what was committed before it.

        One that saw the state of its first statement would wait for the lock and then work on what was before.
        """
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT}s'")
        if ordered:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": WRITER})

    def erase(self, engine: Engine, *, now: bool = False) -> bool:
        """Rewrite every table, so that no page holds a deleted row; False where they are large and not `now`.

        A plain VACUUM leaves the bytes where they were. Nobody can use a table while it is rewritten. False,
        too, where a transaction that began before (a dump, a forgotten session) still sees deleted rows: they
        would stay.
        """
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            size = sum(_size(connection, table) for table in PRIVATE)
            if (size > AT_ONCE and not now) or not _unseen(connection):
                return False
            for table in PRIVATE:
                if _is_there(connection, table):
                    connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {table}")
            _checkpoint(connection)
        return True

    def rewrite(self, engine: Engine, *, now: bool = True) -> bool:
        """Write every table anew, as `erase` does."""
        return self.erase(engine, now=now)

    def texts(self, connection: Connection) -> list[str]:
        """Texts of the database's own among its tables' files: none."""
        return []

    def contents(self, engine: Engine) -> Iterator[bytes] | None:
        """The bytes of every file of the tables, their indexes and statistics; None where the role may not."""
        with engine.connect() as connection:
            if not connection.execute(text(MAY_READ)).scalar():
                return None
            paths = [row[0] for row in connection.execute(text(FILES), {"names": _names()})]
        return _pieces(engine, paths)


def _unseen(connection: Connection) -> bool:
    """Wait until no transaction is left that began before now, as far as this role may see; False in time."""
    now = connection.execute(text("SELECT CAST(CAST(pg_current_xact_id() AS xid) AS text)")).scalar_one()
    for _ in range(TRIES):
        if not connection.execute(text(OLDER), {"now": now}).scalar_one():
            return True
        connection.exec_driver_sql(f"SELECT pg_sleep({PAUSE})")
    return False


# Transactions whose view is older than one: of sessions, prepared ones, and those of replicas.
OLDER = """
SELECT count(*) FROM (
  SELECT backend_xmin AS seen FROM pg_stat_activity
  WHERE pid <> pg_backend_pid() AND datname = current_database()
  UNION ALL SELECT transaction FROM pg_prepared_xacts
  UNION ALL SELECT xmin FROM pg_replication_slots
) AS views WHERE seen IS NOT NULL AND age(seen) > age(CAST(CAST(:now AS text) AS xid))
"""


def _names() -> list[str]:
    return [*(table.name for table in metadata.sorted_tables), FUSED]


MAY_READ = "SELECT has_function_privilege('pg_read_binary_file(text, bigint, bigint, boolean)', 'execute')"
# The tables themselves, what PostgreSQL keeps beside them, their indexes, and the statistics of columns.
FILES = """
WITH own AS (
  SELECT oid, reltoastrelid FROM pg_class
  WHERE oid = ANY (ARRAY(SELECT to_regclass(unnest(CAST(:names AS text[])))))
  UNION SELECT oid, reltoastrelid FROM pg_class WHERE relname = 'pg_statistic'
), every AS (
  SELECT oid FROM own UNION SELECT reltoastrelid FROM own WHERE reltoastrelid <> 0
)
SELECT pg_relation_filepath(oid) FROM every
UNION SELECT pg_relation_filepath(indexrelid) FROM pg_index WHERE indrelid IN (SELECT oid FROM every)
"""


def _pieces(engine: Engine, paths: list[str]) -> Iterator[bytes]:
    with engine.connect() as connection:
        for path in paths:
            yield from _file(connection, path)


def _file(connection: Connection, path: str) -> Iterator[bytes]:
    """A relation's segments: path, path.1, path.2, … of 1 GiB each."""
    for number in range(1 << 16):
        segment = f"{path}.{number}" if number else path
        at = 0
        while piece := _read(connection, segment, at):
            yield piece
            at += len(piece)
        if not at:
            return


def _read(connection: Connection, path: str, at: int) -> bytes:
    query = text("SELECT pg_read_binary_file(:path, :at, :size, true)")
    found = connection.execute(query, {"path": path, "at": at, "size": CHUNK}).scalar()
    return bytes(found or b"")


def _is_there(connection: Connection, table: str) -> bool:
    return connection.execute(text("SELECT to_regclass(:table)"), {"table": table}).scalar() is not None


def _size(connection: Connection, table: str) -> int:
    query = text("SELECT pg_total_relation_size(to_regclass(:table))")
    return int(connection.execute(query, {"table": table}).scalar() or 0)


def _checkpoint(connection: Connection) -> None:
    """Bring the files up to date and drop the old ones; who may not ask for it waits for the server's own."""
    try:
        connection.exec_driver_sql("CHECKPOINT")
    except DBAPIError:
        return
