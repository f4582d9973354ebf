"""The audit log: what stands in it, and that no row can be changed unseen."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from galleries import filled, of_person, opened, picture, reading
from sqlalchemy import text

from mien.errors import StoreError
from mien.gallery.gallery import Gallery


def run(gallery: Gallery, statement: str) -> None:
    """What somebody with the database's file can do."""
    with gallery._desk.store.engine.begin() as connection:
        connection.execute(text(statement))


def test_who_did_what_to_whom_with_how_many_results(database: str) -> None:
    with filled(database, 2, 1, actor="the door") as held:
        ids = [each.id for each in held.people()]
        held.identify(reading(picture(0, 5), picture(1, 5), picture(70)))
        held.rename("person 0", "Ann")
        held.forget("Ann")
        rows = held.log()
    assert [row["action"] for row in rows] == ["forget", "rename", "identify", "enroll", "enroll"]
    assert {row["actor"] for row in rows} == {"the door"}
    assert (sorted(rows[2]["people"]), rows[2]["results"]) == (sorted(ids), 3)
    assert rows[0]["people"] == [ids[0]]
    assert "Ann" not in json.dumps(rows)
    assert "person" not in json.dumps([{**row, "people": []} for row in rows]).replace('"people"', "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE audit SET results = 7 WHERE seq = 3", "row 3 was changed"),
        ("UPDATE audit SET people = '[]' WHERE seq = 2", "row 2 was changed"),
        ("DELETE FROM audit WHERE seq = 2", "row 2 is missing"),
        ("DELETE FROM audit WHERE seq = 1", "row 1 is missing"),
        ("DELETE FROM audit WHERE seq >= 5", "rows after 4 are missing"),
        ("DELETE FROM audit", "rows after 0 are missing"),
        ("UPDATE audit SET seq = CASE seq WHEN 2 THEN -3 WHEN 3 THEN -2 ELSE seq END", "row"),
        ("UPDATE chains SET seq = 3", "the signature does not fit"),
        ("DELETE FROM chains", "nobody signed it"),
    ],
)
def test_what_was_done_to_it_is_found(tmp_path: Path, change: str, words: str) -> None:
    with filled(tmp_path / "people.db", 3, 2) as held:
        assert held.check_log() == []
        run(held, change)
        if "-3" in change:
            run(held, "UPDATE audit SET seq = -seq WHERE seq < 0")
        assert words in " ".join(held.check_log())


def test_a_row_that_was_made_up_is_found(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", 2) as held:
        columns = "writer, at, actor, action, people, results, hash"
        newest = f"SELECT seq + 1, {columns} FROM audit ORDER BY seq DESC LIMIT 1"
        run(held, f"INSERT INTO audit (seq, {columns}) {newest}")
        assert held.check_log() != []


def test_putting_a_chain_back_shows_beside_the_state_that_was_kept(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", 1) as held:
        kept = held.log_state()
    with opened(tmp_path / "people.db") as held:
        held.enroll("new", of_person(50))
        later = held.log_state()
        assert (later["chains"], later["rows"]) == (kept["chains"] + 1, kept["rows"] + 1)
        writer = held._desk.log.writer
        run(held, f"DELETE FROM audit WHERE writer = '{writer}'")
        run(held, f"DELETE FROM chains WHERE writer = '{writer}'")
        assert held.check_log() == []  # each chain that is left is whole
        assert held.log_state() == kept
        assert held.log_state() != later


def test_searches_do_not_wait_for_who_writes(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", 2) as held, opened(tmp_path / "people.db") as other:
        with held._desk.store.write():  # somebody holds the database's lock
            for _ in range(20):
                assert other.identify(of_person(1, 5))[0].person == "person 1"
        assert other.check_log() == []
        assert sum(row["action"] == "identify" for row in other.log()) == 20


def test_many_threads_make_one_whole_chain(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", 3) as held:

        def work(number: int) -> None:
            for seed in range(10):
                held.identify(of_person(number % 3, seed))
                if not seed % 5:
                    held.enroll(f"of thread {number}", of_person(100 + number, seed))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert held.check_log() == []
        rows = held.log(1000)
        assert sum(row["action"] == "identify" for row in rows) == 80
        assert sum(row["action"] == "enroll" for row in rows) == 6 + 16
        assert len(held) == 11


def test_what_cannot_be_written_down_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.gallery.log.MOST_WAITING", 3)
    monkeypatch.setattr("mien.gallery.log.PAUSE", 1000.0)
    with filled(tmp_path / "people.db", 1) as held:
        for _ in range(3):
            held.identify(of_person(0, 5))
        with pytest.raises(StoreError, match="audit log could not be written"):
            held.identify(of_person(0, 5))
        held.check_log()
        held.identify(of_person(0, 5))


def test_a_failed_change_is_not_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path / "people.db", 1, 1) as held:
        held.identify(of_person(0, 5))
        monkeypatch.setattr(
            "mien.gallery.store.audit.append", lambda *_: (_ for _ in ()).throw(StoreError("full"))
        )
        with pytest.raises(StoreError, match="full"):
            held.enroll("new", of_person(50))
        monkeypatch.undo()
        assert [row["action"] for row in held.log()] == ["identify", "enroll"]
        assert "new" not in held
        assert held.check_log() == []


def test_a_log_that_somebody_signed_anew_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path / "people.db", 1) as held:
        mine = held.info()["signed_by"]
    monkeypatch.setenv("MIEN_KEYS", str(tmp_path / "other keys"))
    with opened(tmp_path / "people.db") as other:
        other.enroll("new", of_person(50))
        theirs = other.info()["signed_by"]
        assert theirs != mine
        (problem,) = other.check_log()
        assert mine in problem
        assert other.check_log(signed_by=[mine]) == []
