"""Memory follows the database: by changes where they are few, whole where they are many."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from galleries import calibration, filled, of_person, opened, picture

from mien.errors import StoreError
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.gallery.store import faces, people


def fused(held: Gallery) -> dict[int, int]:
    return dict(held._desk.searcher.held.counts)


def test_only_who_changed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    real = faces.vectors

    def seen(connection: object, table: object, origin: object, numbers: object = None) -> object:
        asked.append(numbers)
        return real(connection, table, origin, numbers)

    with filled(tmp_path / "people.db", 9) as held, opened(tmp_path / "people.db") as other:
        other.identify(of_person(1))
        monkeypatch.setattr(faces, "vectors", seen)
        other.identify(of_person(1))
        assert asked == []
        number = next(iter(fused(held)))
        held.enroll("person 0", of_person(0, 7))
        asked.clear()
        other.identify(of_person(1))
        assert asked == [[number], [number]]  # templates, marks
        assert fused(other) == fused(held) | {number: 3}


@pytest.mark.parametrize("at_once", [1, 3, 7])
def test_people_are_whole_however_rows_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    filled(tmp_path / "people.db", 6, 4).close()
    monkeypatch.setattr("mien.gallery.store.faces.STREAMED", at_once)
    monkeypatch.setattr("mien.gallery.roster.PUT", at_once)
    with opened(tmp_path / "people.db") as held:
        for n in range(6):
            mean = sum(picture(n, seed) for seed in range(4))
            probe = picture(n, 9)
            (match,) = held.identify(of_person(n, 9))
            assert match.person == f"person {n}"
            assert match.score == pytest.approx(float(probe @ mean / np.linalg.norm(mean)), abs=1e-5)
        assert set(fused(held).values()) == {4}


@pytest.mark.parametrize("kind", ["exact", "float16", "int8", "int8-compact"])
def test_every_kind_of_index_says_the_same(tmp_path: Path, kind: str) -> None:
    filled(tmp_path / "people.db", 40, 2).close()
    with opened(tmp_path / "people.db", index=kind) as held:
        found = [held.identify(of_person(n, 9))[0] for n in range(45)]
    assert [match.person for match in found[:40]] == [f"person {n}" for n in range(40)]
    assert not any(match.verdict == "known" for match in found[40:])


def test_a_vector_that_is_none_is_damage(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", 2) as held:
        with held._desk.store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE templates SET vector = x'00'")
        with (
            opened(tmp_path / "people.db", calibration=calibration()) as other,
            pytest.raises(StoreError, match="restore a backup"),
        ):
            other.identify(of_person(0))


def test_changes_in_any_order_leave_everybody_whole(tmp_path: Path) -> None:
    """More than one statement's worth of people, changed newest first."""
    with opened(tmp_path / "people.db") as held, opened(tmp_path / "people.db") as other:
        for number in range(1300):
            held.enroll(f"person {number}", of_person(number, 0), allow=["looks-like-another"])
        other.identify(of_person(1))
        before = fused(other)
        for number in reversed(range(600)):
            held.rename(f"person {number}", f"renamed {number}")
        assert other.identify(of_person(7, 0))[0].person == "renamed 7"
        assert other.identify(of_person(1200, 0))[0].person == "person 1200"
        assert fused(other) == before


def test_a_reading_that_failed_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = MainKey.generate()
    with filled(tmp_path / "people.db", 5, key=key, renewable=True) as held:
        with opened(tmp_path / "people.db", key=key) as other:
            other.renew()
        real = faces.vectors

        def fail(*_: object) -> object:
            raise StoreError("the disk failed")

        monkeypatch.setattr(faces, "vectors", fail)
        with pytest.raises(StoreError, match="the disk failed"):
            held.identify(of_person(1, 5))
        monkeypatch.setattr(faces, "vectors", real)
        assert held.identify(of_person(1, 5))[0].person == "person 1"


def test_threads_search_while_everything_is_read_anew(tmp_path: Path) -> None:
    key = MainKey.generate()
    with filled(tmp_path / "people.db", 30, key=key, renewable=True) as held:
        wrong: list[object] = []

        def search(number: int) -> None:
            for turn in range(25):
                (match,) = held.identify(of_person((number + turn) % 30, 9))
                if match.person != f"person {(number + turn) % 30}":
                    wrong.append(match)

        threads = [threading.Thread(target=search, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for _ in range(4):
            held.renew()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_who_is_forgotten_while_searched_for_is_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory may be ahead of the view of the database that a search has."""
    with filled(tmp_path / "people.db", 5) as held:
        held.identify(of_person(1))
        real = people.by_numbers

        def gone(connection: object, numbers: object) -> object:
            return {n: row for n, row in real(connection, numbers).items() if row.uid != who}

        who = held.person("person 1").id
        monkeypatch.setattr(people, "by_numbers", gone)
        (match,) = held.identify(of_person(1, 5), top=3)
        assert (match.person, match.id, match.verdict) == (None, None, "unknown")
        assert who not in [each.id for each in match.candidates]


def test_no_vector_is_read_before_somebody_is_looked_for(tmp_path: Path) -> None:
    filled(tmp_path / "people.db", 5).close()
    with opened(tmp_path / "people.db") as held:
        assert len(held.people()) == len(held) == 5
        held.rename("person 1", "Ann")
        assert held.forget("person 2").state == "done"
        assert held._desk.searcher.held is None
        assert held.identify(of_person(1, 5))[0].person == "Ann"
        assert held.identify(of_person(2, 5))[0].verdict == "unknown"
        held.forget("Ann")
        assert len(fused(held)) == 3  # at once, not at the next search
