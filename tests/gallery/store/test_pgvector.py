"""The table of fused vectors: triggers keep it true, whoever writes; what it names is what is nearest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from databases import new_database
from galleries import DIMENSION, filled, of_person, person
from sqlalchemy import text

from mien.errors import StoreError
from mien.gallery.gallery import Gallery
from mien.gallery.store import pgvector
from mien.gallery.store.store import Connection, Store
from mien.values import Floats


@pytest.fixture
def gallery(postgres: str) -> Iterator[Gallery]:
    """Five people of one picture each, searched for in memory; the table beside them, everybody waiting."""
    with filled(new_database(postgres), 5, 1) as held:
        with held._desk.store.write() as connection:
            pgvector.prepare(connection)
        yield held


def rows(gallery: Gallery) -> dict[int, str | None]:
    with gallery._desk.store.read() as connection:
        return dict(connection.execute(text("SELECT person, mean::text FROM fused")).all())


def fill(gallery: Gallery) -> Floats:
    """A direction for each of the five."""
    means = np.stack([person(number) for number in range(5)])
    with gallery._desk.store.write() as connection:
        pgvector.put(connection, [1, 2, 3, 4, 5], means)
    return means


def crowd(store: Store, count: int) -> Floats:
    """So many people with a direction each, and nothing else; the graph of neighbours over them."""
    means = np.stack([person(number) for number in range(count)])
    named = "INSERT INTO people (uid, name, name_index, consent, keep_crops, created, data_key) VALUES "
    with store.write() as connection:
        pgvector.prepare(connection)
        for n in range(1, count + 1):
            connection.execute(text(f"{named} ('p_{n}', 'n{n}', 'n{n}', '', false, '', 0)"))
        connection.execute(text("INSERT INTO fused (person) SELECT id FROM people"))
        pgvector.put(connection, range(1, count + 1), means)
        pgvector.build_index(connection, DIMENSION)
    return means


def plan(connection: Connection, probe: Floats) -> str:
    query = pgvector._nearest(pgvector.BY_INDEX, len(probe))
    wanted = {"probes": [pgvector._written(probe)], "most": 3}
    return "\n".join(connection.execute(text(f"EXPLAIN {query.text}"), wanted).scalars())


def test_everybody_waits_at_first_and_is_made_once(gallery: Gallery) -> None:
    assert rows(gallery) == dict.fromkeys(range(1, 6))
    fill(gallery)
    before = rows(gallery)
    assert None not in before.values()
    with gallery._desk.store.write() as connection:
        pgvector.prepare(connection)
        assert pgvector.waiting(connection) == []
    assert rows(gallery) == before


def test_a_table_of_another_form_is_made_anew(gallery: Gallery) -> None:
    fill(gallery)
    with gallery._desk.store.write() as connection:
        connection.exec_driver_sql("COMMENT ON TABLE fused IS 'mien 0'")
        pgvector.prepare(connection)
    assert rows(gallery) == dict.fromkeys(range(1, 6))


def test_who_changes_waits_and_nobody_else(gallery: Gallery) -> None:
    fill(gallery)
    gallery.enroll("person 1", of_person(1, 5))
    gallery.enroll("new", of_person(9))
    gallery.rename("person 3", "Ann")
    gallery.merge("person 4", "person 0")
    waiting = {number for number, mean in rows(gallery).items() if mean is None}
    assert waiting == {2, 5, 6}
    assert set(rows(gallery)) == {2, 3, 4, 5, 6}


def test_who_is_forgotten_leaves_in_the_same_transaction(gallery: Gallery) -> None:
    fill(gallery)
    with gallery._desk.store.write() as connection:
        connection.execute(text("DELETE FROM people WHERE id = 2"))
        assert set(connection.execute(text("SELECT person FROM fused")).scalars()) == {1, 3, 4, 5}
    assert set(rows(gallery)) == {1, 3, 4, 5}


@pytest.mark.parametrize(
    "what", ["bundle = 'b'", "aligner = 'a'", "transform = 7", "data_key = 7", "dimension = 9"]
)
def test_another_gallery_s_means_are_void(gallery: Gallery, what: str) -> None:
    fill(gallery)
    with gallery._desk.store.write() as connection:
        pgvector.build_index(connection, DIMENSION)
        connection.execute(text("UPDATE gallery SET salt = NULL"))
        assert pgvector.is_indexed(connection)
        connection.execute(text(f"UPDATE gallery SET {what}"))
        assert pgvector.waiting(connection) == [1, 2, 3, 4, 5]
        assert not pgvector.is_indexed(connection)


def test_vectors_come_back_to_the_last_bit(gallery: Gallery) -> None:
    means = fill(gallery)
    with gallery._desk.store.read() as connection:
        owners, keys, found = pgvector.nearest(connection, means[:2], 5)
    assert owners.tolist() == [0] * 5 + [1] * 5
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, means[keys - 1])
    assert (keys[0], keys[5]) == (1, 2)


@pytest.mark.parametrize("most", [3, 100, pgvector.MOST])
def test_the_graph_finds_whom_looking_at_everybody_finds(
    postgres: str, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    store = Store.open(new_database(postgres))
    means = crowd(store, 600)
    store.engine.dispose()  # a session that has not loaded the extension yet
    probe = person(1000)[None]
    with store.read() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        assert "Index Scan using fused_nearest" in plan(connection, probe[0])
        _, everybody, _ = pgvector.nearest(connection, probe, pgvector.MOST + 1)
    with store.read() as connection, monkeypatch.context() as patch:
        patch.setattr(pgvector, "BY_ALL", "no other way")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        _, keys, _ = pgvector.nearest(connection, probe, most)
    store.close()
    assert set(keys) == set(everybody[:most]) == set(np.argsort(-(means @ probe[0]))[:most] + 1)


@pytest.mark.parametrize("sight", [20, 45])
def test_old_means_do_not_hide_new_ones(postgres: str, monkeypatch: pytest.MonkeyPatch, sight: int) -> None:
    """A walk through the graph sees old rows until they are cleared away; here they are all or most it sees."""
    monkeypatch.setattr(pgvector, "SIGHT", sight)
    store = Store.open(new_database(postgres))
    crowd(store, 60)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE fused SET (autovacuum_enabled = off)")
        connection.commit()
    for _ in range(40):
        with store.write() as connection:
            pgvector.put(connection, [7], person(6)[None])
    with store.read() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        _, keys, _ = pgvector.nearest(connection, person(6)[None], 15)
    assert keys[0] == 7
    assert len(keys) == 15
    store.close()


def test_no_statistics_are_kept_of_vectors(postgres: str) -> None:
    store = Store.open(new_database(postgres))
    crowd(store, 60)
    store.rewrite()
    kept = (
        "SELECT starelid::regclass::text, staattnum FROM pg_statistic WHERE starelid::regclass::text LIKE :name"
    )
    with store.read() as connection:
        found = connection.execute(text(kept), {"name": "fused%"}).all()
    store.close()
    assert found == [("fused", 1)]  # the person's number


def test_a_server_without_it_is_named(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgvector, "EXTENSION", "no_such_extension")
    with (
        pytest.raises(StoreError, match="this server has no pgvector; install it there"),
        gallery._desk.store.write() as connection,
    ):
        pgvector.prepare(connection)


def test_one_writer_at_a_time(gallery: Gallery) -> None:
    store = gallery._desk.store
    with store.write(ordered=False) as one, store.write(ordered=False) as other:
        assert not pgvector.only_writer(one)
        assert pgvector.become_writer(one)
        assert pgvector.only_writer(one)
        assert not pgvector.become_writer(other)
        assert not pgvector.only_writer(other)
