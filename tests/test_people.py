"""The people that other tests use are what people.py says they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from people import MOST, SIDE, make_people, write_people

from mien.images import load
from mien.recognition.recognizer import Recognizer
from mien.values import Reading


def test_the_same_seed_gives_the_same_people() -> None:
    one, same, other = make_people(3, 2, seed=1), make_people(3, 2, seed=1), make_people(3, 2, seed=2)
    assert list(one) == ["astronaut", "person-001", "person-002"]
    for name, pictures in one.items():
        assert [picture.shape for picture in pictures] == [(SIDE, SIDE, 3)] * 2
        np.testing.assert_array_equal(pictures, same[name])
        assert not np.array_equal(pictures, other[name])
        assert not np.array_equal(pictures[0], pictures[1])


def test_there_are_so_many(tmp_path: Path) -> None:
    assert len(make_people(MOST, 1)) == MOST
    with pytest.raises(ValueError, match="93 people asked for"):
        make_people(MOST + 1)


def test_files_are_a_folder_a_person(tmp_path: Path) -> None:
    written = write_people(tmp_path / "people", 2, 3)
    assert sorted(path.relative_to(tmp_path / "people").as_posix() for path in tmp_path.rglob("*.jpg")) == [
        f"{name}/{number}.jpg" for name in ("astronaut", "person-001") for number in range(3)
    ]
    assert load(written["astronaut"][0]).size == (SIDE, SIDE)


def test_the_fixture_names_their_files(people: dict[str, list[Path]]) -> None:
    assert [len(paths) for paths in people.values()] == [4] * 8
    assert all(path.parent.name == name for name, paths in people.items() for path in paths)


def test_each_picture_shows_one_face_and_tells_its_owner(recognizer: Recognizer) -> None:
    people = make_people(16, 3)
    names = [name for name, pictures in people.items() for _ in pictures]
    readings = list(recognizer.read_many(picture for pictures in people.values() for picture in pictures))
    assert all(isinstance(reading, Reading) and len(reading) == 1 for reading in readings)
    vectors = np.concatenate([reading.embeddings.vectors for reading in readings])  # type: ignore[union-attr]
    own = np.equal.outer(names, names)
    scores = vectors @ vectors.T
    assert scores[own].min() > scores[~own].max()
