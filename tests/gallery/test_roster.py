"""Memory follows the database: by changes where they are few, whole where they are many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from galleries import calibration, filled, of_person, opened, picture

from mien.errors import StoreError
from mien.gallery.gallery import Gallery
from mien.gallery.store import faces


def fused(held: Gallery) -> dict[int, int]:
    return dict(held._desk.searcher.counts)


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
