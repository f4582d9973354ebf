"""People's fused vectors in PostgreSQL, searched by its extension pgvector.

The table `fused` has a row for everybody with a template: the mean of their templates, or NULL while that
waits to be made. Triggers take a mean away in the very transaction that changes what it was made from: a
template, or the gallery's bundle, aligner, secret turn or data key. So a mean that a transaction sees is
right in that transaction's view, whoever wrote, processes that search in memory included; and who is
forgotten leaves `fused` with the row in `people`.

Means are found by cosine through a graph of neighbours (HNSW, Malkov and Yashunin 2018), which pgvector keeps
as an index; without the index PostgreSQL looks at everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, TextClause, func, select, text

from mien.errors import StoreError
from mien.gallery.store.people import batches
from mien.gallery.store.postgres import FUSED, WRITER
from mien.gallery.store.schema import templates
from mien.values import Floats

EXTENSION = "vector"
FORM = "mien 1"  # of the table and its triggers; said in the table's comment
INDEX = "fused_nearest"
LONGEST = 2_000  # numbers in a vector that its index takes
SIGHT = 1_000  # people that a walk through the graph keeps in sight (hnsw.ef_search): the most there may be
MOST = SIGHT // 2  # people wanted beyond whom everybody is looked at instead
HEAD = 4  # bytes of a vector as pgvector sends it, before its numbers

# mean: no statistics, in which a forgotten person would live on; in the row itself, where scans are quick.
TABLE = f"""
CREATE TABLE {FUSED} (
  person integer PRIMARY KEY REFERENCES people (id) ON DELETE CASCADE,
  mean vector
);
ALTER TABLE {FUSED} ALTER COLUMN mean SET STATISTICS 0;
ALTER TABLE {FUSED} ALTER COLUMN mean SET STORAGE PLAIN;
COMMENT ON TABLE {FUSED} IS '{FORM}';
CREATE INDEX {FUSED}_waiting ON {FUSED} (person) WHERE mean IS NULL;
INSERT INTO {FUSED} (person) SELECT DISTINCT person FROM templates
"""
# Who writes to the gallery need not have rights on `fused`: the functions have their owner's.
TRIGGERS = f"""
CREATE OR REPLACE FUNCTION {FUSED}_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO {FUSED} (person) SELECT id FROM people WHERE id IN (OLD.person, NEW.person)
  ON CONFLICT (person) DO UPDATE SET mean = NULL WHERE {FUSED}.mean IS NOT NULL;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION {FUSED}_void() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  DROP INDEX IF EXISTS {INDEX};
  UPDATE {FUSED} SET mean = NULL WHERE mean IS NOT NULL;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER {FUSED}_changed
AFTER INSERT OR DELETE OR UPDATE OF person, vector, bundle, aligner, transform ON templates
FOR EACH ROW EXECUTE FUNCTION {FUSED}_changed();
CREATE OR REPLACE TRIGGER {FUSED}_void
AFTER UPDATE OF bundle, aligner, dimension, transform, data_key ON gallery FOR EACH ROW
WHEN ((OLD.bundle, OLD.aligner, OLD.dimension, OLD.transform, OLD.data_key)
  IS DISTINCT FROM (NEW.bundle, NEW.aligner, NEW.dimension, NEW.transform, NEW.data_key))
EXECUTE FUNCTION {FUSED}_void()
"""
HAS_HNSW = "SELECT count(*) FROM pg_am WHERE amname = 'hnsw'"
AVAILABLE = "SELECT count(*) FROM pg_available_extensions WHERE name = :name"
INSTALLED = "SELECT count(*) FROM pg_extension WHERE extname = :name"
MAY_INSTALL = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
LOCKED = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = 0 AND objid = :number AND granted
"""
PUT = f"""
UPDATE {FUSED} SET mean = CAST(new.mean AS vector)
FROM unnest(CAST(:people AS integer[]), CAST(:means AS text[])) AS new (person, mean)
WHERE {FUSED}.person = new.person
"""
# Few wait, which PostgreSQL does not know: with LIMIT it goes from them to their templates.
SIZE = f"""
SELECT (SELECT count(*) FROM {FUSED} WHERE mean IS NOT NULL) + (
  SELECT count(*) FROM {FUSED} CROSS JOIN LATERAL (
    SELECT FROM templates WHERE person = {FUSED}.person AND bundle = :bundle AND aligner = :aligner LIMIT 1
  ) AS one WHERE mean IS NULL
)
"""
NEAREST = """
SELECT probe.place, near.person, vector_send(near.mean) AS mean
FROM unnest(CAST(:probes AS vector[])) WITH ORDINALITY AS probe (vector, place)
CROSS JOIN LATERAL (
  SELECT person, mean FROM {fused} WHERE vector_dims(mean) = {d}
  ORDER BY {order} LIMIT :most
) AS near
"""
BY_INDEX = "mean::vector({d}) <=> probe.vector"
BY_ALL = "(mean::vector({d}) <=> probe.vector) + 0"  # no index is of this


def prepare(connection: Connection) -> None:
    """Make `fused` where there is none yet, everybody in it waiting. Only as the only writer.

    StoreError where the server has no pgvector, or one that is too old.
    """
    _require_extension(connection)
    form = text("SELECT obj_description(to_regclass(:name), 'pg_class')")
    if connection.execute(form, {"name": FUSED}).scalar() != FORM:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {FUSED}")
        for statements in (TABLE, TRIGGERS):
            connection.exec_driver_sql(statements)


def _require_extension(connection: Connection) -> None:
    named = {"name": EXTENSION}
    if not connection.execute(text(INSTALLED), named).scalar():
        if not connection.execute(text(AVAILABLE), named).scalar():
            raise StoreError(
                "index 'pgvector': this server has no pgvector; install it there "
                "(https://github.com/pgvector/pgvector), or search in memory with index='auto'"
            )
        if not connection.execute(text(MAY_INSTALL)).scalar():
            raise StoreError(
                f"index 'pgvector': let the server's administrator run CREATE EXTENSION {EXTENSION} in this "
                f"database, or search in memory with index='auto'"
            )
        connection.exec_driver_sql(f"CREATE EXTENSION {EXTENSION}")
    if not connection.execute(text(HAS_HNSW)).scalar():
        raise StoreError(
            f"index 'pgvector': 0.5 or newer is wanted; let the server's administrator run ALTER EXTENSION "
            f"{EXTENSION} UPDATE"
        )


def only_writer(connection: Connection) -> bool:
    """Whether this transaction holds the lock of the only writer."""
    return bool(connection.execute(text(LOCKED), {"number": WRITER}).scalar())


def become_writer(connection: Connection) -> bool:
    """Be the only writer if nobody is, at the start of a transaction; nothing is waited for longer than a
    second.
    """
    connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
    locked = connection.execute(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": WRITER})
    return bool(locked.scalar())


def waiting(connection: Connection) -> list[int]:
    """The people whose means are to be made."""
    found = text(f"SELECT person FROM {FUSED} WHERE mean IS NULL ORDER BY person")
    return [int(number) for number in connection.execute(found).scalars()]


def put(connection: Connection, numbers: Sequence[int], means: Floats) -> None:
    """The means (n,d) of people who wait."""
    for some in batches(range(len(numbers))):
        values = {"people": [int(numbers[i]) for i in some], "means": [_written(means[i]) for i in some]}
        connection.execute(text(PUT), values)


def drop(connection: Connection, numbers: Sequence[int]) -> None:
    """Let go of people who wait and have no template that is searched for."""
    for some in batches(numbers):
        connection.execute(text(f"DELETE FROM {FUSED} WHERE person = ANY (:some)"), {"some": list(some)})


def is_indexed(connection: Connection) -> bool:
    """Whether the graph of neighbours is there."""
    return connection.execute(text("SELECT to_regclass(:name)"), {"name": INDEX}).scalar() is not None


def build_index(connection: Connection, dimension: int) -> None:
    """Make the graph of neighbours over all means there are."""
    connection.exec_driver_sql(
        f"CREATE INDEX {INDEX} ON {FUSED} USING hnsw ((mean::vector({dimension})) vector_cosine_ops) "
        f"WHERE vector_dims(mean) = {dimension}"
    )
    # An index over an expression has statistics of its own.
    connection.exec_driver_sql(f"ALTER INDEX {INDEX} ALTER COLUMN 1 SET STATISTICS 0")


def nearest(
    connection: Connection, probes: Floats, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Of each probe (q,d), `most` people whose means are like it: probes' places (m,), people (m,), means
    (m,d).
    """
    wanted = {"probes": [_written(probe) for probe in probes], "most": most}
    connection.exec_driver_sql(f"SET LOCAL hnsw.ef_search = {SIGHT}")
    rows: Sequence[Row[Any]] = []
    # What a walk sees are old means, too, until PostgreSQL has cleared them away. The new ones it saw are the
    # nearest there are, if only they are enough.
    for order in (BY_INDEX, BY_ALL)[most > MOST :]:
        if len(rows) < most * len(probes):
            rows = connection.execute(_nearest(order, probes.shape[1]), wanted).all()
    keys = np.array([(row.place - 1, row.person) for row in rows], np.int64).reshape(-1, 2)
    return keys[:, 0], keys[:, 1], _read([row.mean for row in rows], probes.shape[1])


def _nearest(order: str, dimension: int) -> TextClause:
    return text(NEAREST.format(fused=FUSED, d=dimension, order=order.format(d=dimension)))


def size(connection: Connection, digests: tuple[str, str]) -> int:
    """How many people have a template of this bundle and aligner."""
    named = {"bundle": digests[0], "aligner": digests[1]}
    return int(connection.execute(text(SIZE), named).scalar_one())


def template_counts(connection: Connection, digests: tuple[str, str], numbers: Sequence[int]) -> dict[int, int]:
    """How many templates of this bundle and aligner people have, of those of them who have any."""
    c = templates.c
    counted = select(c.person, func.count()).where(c.bundle == digests[0], c.aligner == digests[1])
    found = (connection.execute(counted.where(c.person.in_(s)).group_by(c.person)) for s in batches(numbers))
    return {int(person): int(count) for rows in found for person, count in rows}


def _written(vector: Floats) -> str:
    """A vector as pgvector reads it, every float32 to its last bit."""
    return "[" + ",".join(map(str, vector.tolist())) + "]"


def _read(sent: Sequence[Any], dimension: int) -> Floats:
    numbers = np.frombuffer(b"".join(bytes(each)[HEAD:] for each in sent), ">f4")
    return numbers.astype(np.float32).reshape(len(sent), dimension)
