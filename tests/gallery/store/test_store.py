"""The gallery's database: its schema, its transactions, and that neither kills nor company harm it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from galleries import filled, of_person, opened
from gallery_kills import enrol_and_kill, forget_and_kill
from gallery_workers import Nursery
from sqlalchemy import inspect, text

from mien.errors import InputError, StoreError
from mien.gallery import forget
from mien.gallery.store import people
from mien.gallery.store.schema import HEAD, metadata
from mien.gallery.store.store import FOLDER, VERSIONS, Store, migrate, parse

ANN = {"uid": "p_1", "name": b"Ann", "name_index": b"Ann", "consent": "", "keep_crops": False, "data_key": 0}
ANN["created"] = "2026"


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = Store.open(database)
    yield opened
    opened.close()


def run(store: Store, *statements: str) -> None:
    with store.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def tables(store: Store) -> set[str]:
    with store.read() as connection:
        return set(inspect(connection).get_table_names())


def test_the_migrations_make_the_schema_and_nothing_else(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSIONS, "compare_type": True})
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, metadata) == []
        # A difference would be seen.
        assert compare_metadata(context, type(metadata)()) != []


def test_every_migration_goes_forward_only() -> None:
    revisions = [each.revision for each in ScriptDirectory(str(FOLDER)).walk_revisions()][::-1]
    assert revisions == sorted(revisions)
    assert revisions[0] == "0001"
    assert revisions[-1] == HEAD
    for each in ScriptDirectory(str(FOLDER)).walk_revisions():
        assert not hasattr(each.module, "downgrade")


def test_from_every_schema_there_was(store: Store) -> None:
    """Every revision, as an older mien left it, is brought to the newest."""
    for each in ScriptDirectory(str(FOLDER)).walk_revisions():
        run(store, *(f"DROP TABLE {table}" for table in (*reversed(metadata.sorted_tables), VERSIONS)))
        migrate(store, each.revision)
        migrate(store)
        with store.read() as connection:
            assert connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalars().all() == [HEAD]
        assert {table.name for table in metadata.sorted_tables} <= tables(store)


def test_a_migration_that_fails_leaves_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the power fails")

    monkeypatch.setattr("alembic.op.create_index", fail)
    with pytest.raises(RuntimeError):
        Store.open(database)
    monkeypatch.undo()
    with pytest.raises(StoreError, match="makes one"):
        Store.open(database, create=False)
    store = Store.open(database)
    assert {table.name for table in metadata.sorted_tables} <= tables(store)
    store.close()


def test_a_newer_schema_is_refused_and_left_alone(database: str) -> None:
    filled(database, 1).close()
    store = Store.open(database)
    run(store, f"UPDATE {VERSIONS} SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"written by a newer mien \(schema 9999, .*update mien"):
        opened(database)
    run(store, f"UPDATE {VERSIONS} SET version_num = '{HEAD}'")
    store.close()
    with opened(database) as gallery:
        assert gallery.identify(of_person(0, 5))[0].person == "person 0"


def test_a_database_without_a_gallery_is_made_one_only_where_asked(database: str) -> None:
    with pytest.raises(StoreError, match="`mien enroll` makes one"):
        Store.open(database, create=False)
    Store.open(database).close()
    Store.open(database, create=False).close()


def test_processes_that_make_one_gallery_at_the_same_moment_make_one(database: str) -> None:
    with Nursery() as one, Nursery() as two, Nursery() as three:
        for nursery in (one, two, three):
            nursery.start("create", url=database)
        for nursery in (one, two, three):
            nursery.say({"go": True})
        made = [nursery.heard() for nursery in (one, two, three)]
    with opened(database) as gallery:
        assert made == [[gallery.info()["id"]]] * 3
        assert len(gallery) == 0
        assert gallery.check_log() == []


def test_all_of_a_transaction_or_nothing(store: Store) -> None:
    def broken() -> None:
        with store.write() as connection:
            people.add(connection, ANN)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        broken()
    with store.read() as connection:
        assert people.count(connection) == 0
    with store.write() as connection:
        people.add(connection, ANN)
    with store.read() as connection:
        assert people.count(connection) == 1


def test_a_view_stays_as_it_was(store: Store) -> None:
    with store.read() as before:
        assert people.count(before) == 0
        with store.write() as connection:
            people.add(connection, ANN)
        assert people.count(before) == 0
        with store.read() as after:
            assert people.count(after) == 1


def test_a_constraint_s_refusal_shows_no_value(store: Store) -> None:
    with store.write() as connection:
        people.add(connection, ANN)
    with pytest.raises(StoreError) as refused, store.write() as connection:
        people.add(connection, {**ANN, "uid": "p_2"})
    assert "unique" in str(refused.value).lower()
    assert "Ann" not in str(refused.value)
    assert "416e6e" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:secret@h/x", "unknown; a gallery is a file's path or sqlite, postgresql"),
        ("postgresql://u:secret@h:port/x", "no database's URL"),
        ("://secret@", "no database's URL"),
    ],
)
def test_other_urls_are_refused_without_their_password(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        parse(url)
    assert "secret" not in str(refused.value)


def test_what_a_place_is_parsed_to() -> None:
    assert parse("people.db").render_as_string() == "sqlite:///people.db"
    assert parse("sqlite:///people.db").database == "people.db"
    assert parse("postgres://h/x").drivername == "postgresql+psycopg"


def test_kills_while_people_are_enrolled(tmp_path: Path) -> None:
    assert enrol_and_kill(str(tmp_path / "people.db"), 6, seed=5) > 2


def test_kills_while_people_are_forgotten(tmp_path: Path) -> None:
    forgotten, interrupted = forget_and_kill(str(tmp_path / "people.db"), 6, seed=5)
    assert forgotten >= interrupted
    assert forgotten > 0


def test_an_abandoned_erasure_is_completed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path / "people.db", 3) as held:
        monkeypatch.setattr("mien.gallery.forget._completed", lambda *_, **__: [])
        held.forget_all(["person 0"])
        monkeypatch.undo()
        held.forget("person 1")  # the other may still be at work
        assert len(held.receipts()) == 1
        monkeypatch.setattr("mien.gallery.forget.ABANDONED", datetime.timedelta(0))
        held.forget("person 2")
        first, *_ = held.receipts()
        assert [each.state for each in held.receipts()] == ["done"] * 3
        assert first.document["check"]["rewritten"]


def test_what_an_interrupted_backup_left_goes_with_the_next(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", 2) as held:
        for end in ("", "-wal"):
            (tmp_path / f".copy.db.0123456789abcdef.part{end}").write_bytes(b"somebody")
        held.backup(tmp_path / "copy.db")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "people.db"]


def test_who_began_an_erasure_has_the_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process completes it meanwhile, which does not know what to search for."""
    place = tmp_path / "people.db"
    with filled(place, 2) as held, opened(place) as other:
        search = forget._searched

        def meanwhile(*given: Any) -> dict[str, Any]:
            monkeypatch.setattr(forget, "_searched", search)
            assert [each.document["check"]["searched"] for each in other.purge()] == [False]
            return search(*given)

        monkeypatch.setattr(forget, "_searched", meanwhile)
        receipt = held.forget("person 0")
        assert receipt.document["check"]["searched"]
        assert [each.document for each in held.receipts()] == [receipt.document]
        assert other.purge() == []
