"""A gallery in PostgreSQL: who may not in, what is not there, who goes away, what is left of the deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import driven, new_database
from galleries import filled, of_person, opened, picture
from gallery_kills import enrol_and_kill
from sqlalchemy import Connection, create_engine

from mien.errors import StoreError
from mien.gallery.gallery import Gallery
from mien.gallery.protection.scan import Search
from mien.gallery.store.store import Store


@pytest.fixture
def place(postgres: str) -> str:
    return new_database(postgres)


def run(url: str, *statements: str) -> Any:
    """What an administrator does."""
    engine = create_engine(driven(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
            found = result.scalar() if result.returns_rows else None
    engine.dispose()
    return found


@pytest.fixture
def guest(postgres: str, place: str) -> Iterator[str]:
    """A role without rights, who needs a password; its name."""
    name = place.split("/")[-1].split("?")[0] + "_guest"
    rules = Path(run(postgres, "SHOW hba_file"))
    before = rules.read_text()
    run(postgres, f"CREATE ROLE {name} LOGIN PASSWORD 'right'")
    rules.write_text(f"local all {name} scram-sha-256\n{before}")
    run(postgres, "SELECT pg_reload_conf()")
    yield name
    rules.write_text(before)
    run(place, f"DROP OWNED BY {name}")
    run(postgres, "SELECT pg_reload_conf()", f"DROP ROLE {name}")


def refusal(url: str, **settings: Any) -> str:
    with pytest.raises(StoreError) as refused:
        opened(url, **settings)
    return str(refused.value)


def test_a_wrong_password(place: str, guest: str) -> None:
    filled(place, 1).close()
    said = refusal(place.replace("postgres:@", f"{guest}:wrong@"))
    assert "refuses this user or password" in said
    assert "wrong" not in said
    said = refusal(place.replace("postgres:@", f"{guest}:@") + "&password=wrong")
    assert "refuses this user or password" in said
    assert "wrong" not in said
    assert "refuses this user" in refusal(place.replace("postgres:@", "nobody_at_all:@"))


def test_a_user_without_rights(place: str, guest: str) -> None:
    filled(place, 2).close()
    theirs = place.replace("postgres:@", f"{guest}:right@")
    assert "this user has no right" in refusal(theirs)
    run(place, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {guest}")
    with pytest.raises(StoreError, match="this user has no right"):  # at the end, for the audit log
        search_and_enroll(theirs)
    run(place, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {guest}")
    run(place, f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {guest}")
    with opened(theirs) as gallery:
        gallery.enroll("new", of_person(50))
        assert len(gallery) == 3
        assert gallery.check_log() == []


def search_and_enroll(url: str) -> None:
    with opened(url) as gallery:
        assert gallery.identify(of_person(1, 5))[0].person == "person 1"
        with pytest.raises(StoreError, match="this user has no right"):
            gallery.enroll("new", of_person(50))


def test_what_is_not_there(postgres: str) -> None:
    assert "there is no such database; create it first (createdb)" in refusal(
        postgres.replace("/postgres?", "/nowhere?")
    )
    said = refusal("postgresql://somebody:secret@127.0.0.1:1/people")
    assert "cannot be opened or reached" in said
    assert "refused" in said
    assert "secret" not in said
    assert "cannot be opened or reached" in refusal("postgresql://postgres@/people?host=/nowhere")


def test_tables_of_another_program(place: str) -> None:
    run(place, "CREATE TABLE people (url text)", "INSERT INTO people VALUES ('somebody else')")
    assert "another program's tables" in refusal(place)
    assert run(place, "SELECT url FROM people") == "somebody else"
    assert run(place, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1


def test_a_server_that_goes_away_and_comes_back(place: str) -> None:
    """Its connections are cut, in the middle of a transaction, too; what was acknowledged is there."""
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    others = f"{cut} AND pid <> pg_backend_pid()"
    with filled(place, 2) as gallery:
        with pytest.raises(StoreError, match="cannot be opened or reached"):
            change_cut_off(gallery, lambda: run(place, others))
        gallery.enroll("new", of_person(50))
        run(place, others)
        assert gallery.identify(of_person(50, 1))[0].person == "new"
        assert [row["action"] for row in gallery.log(3)] == ["identify", "enroll", "enroll"]
        assert gallery.check_log() == []


def change_cut_off(gallery: Gallery, cut: Callable[[], None]) -> None:
    with gallery._desk.change() as change:
        cut()
        change.record("never")


def test_a_commit_whose_answer_is_lost(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether it was written; the log stays whole either way."""
    with filled(place, 1) as gallery:
        commit = Connection.commit

        def lost(self: Connection) -> None:
            commit(self)
            raise StoreError("the line is dead")

        gallery.identify(of_person(0, 5))
        monkeypatch.setattr(Connection, "commit", lost)
        with pytest.raises(StoreError, match="dead"):
            gallery.enroll("new", of_person(50))
        monkeypatch.undo()
        gallery.enroll("newer", of_person(51))
        assert gallery.check_log() == []
        assert {each.name for each in gallery.people()} == {"person 0", "new", "newer"}
        actions = [row["action"] for row in gallery.log()]
        assert actions.count("enroll") == 4
        assert actions.count("identify") == 2  # rather twice than never


def test_who_waits_too_long_is_told(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.gallery.store.postgres.WAIT", 0.1)
    with filled(place, 2) as gallery, opened(place) as other:
        with other._desk.store.write():
            with pytest.raises(StoreError, match="another program holds the database; nothing was written"):
                gallery.enroll("new", of_person(50))
            assert gallery.identify(of_person(1, 5))[0].person == "person 1"
        gallery.enroll("new", of_person(50))


def test_what_somebody_still_sees_is_pending(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL keeps deleted rows for as long as a view from before is open."""
    monkeypatch.setattr("mien.gallery.store.postgres.TRIES", 1)
    with filled(place, 2) as gallery:
        other = Store.open(place)
        with other.read() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM people")
            receipt = gallery.forget("person 1")
            assert receipt.state == "pending"
            assert gallery.purge()[0].state == "pending"
        other.close()
        assert gallery.purge()[0].state == "done"
        search = Search.of([picture(1, 0).tobytes()], [b"person 1"])
        assert search.stream("files", gallery._desk.store.contents()) == []


def test_large_tables_wait_for_somebody_to_ask(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.gallery.store.postgres.AT_ONCE", 0)
    with filled(place, 2) as gallery:
        assert gallery.forget("person 1").state == "pending"
        (receipt,) = gallery.purge()
        assert receipt.state == "done"
        assert gallery.receipts() == [receipt]


def test_kills_while_people_are_enrolled(place: str) -> None:
    assert enrol_and_kill(place, 4, seed=7) > 1
