"""Samples from a file of vectors: mien's own and any other's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError
from mien.evaluation.enrol import Entry, enrol, people_in
from mien.evaluation.samples import Samples
from mien.evaluation.stored import from_file, people_of_names
from mien.recognition.recognizer import Recognizer
from mien.values import Reading
from mien.vectors import VectorFile


def write(path: Path, *names: str, **arrays: object) -> Path:
    """A file of as many vectors as names; vector i has 1 at place i, but for its length of i + 1."""
    given = {"vectors": np.eye(len(names), 16) * np.arange(1, len(names) + 1)[:, None], "names": names}
    np.savez(path, **{name: np.array(value) for name, value in {**given, **arrays}.items()})
    return path


def entries(*names: str, person: str | None = None) -> list[Entry]:
    return [Entry(name, person, Path(name)) for name in names]


def which(samples: Samples) -> list[int]:
    """The row of the file that each picture has; −1 where it is not enrolled."""
    assert (samples.vectors.max(axis=1) == samples.enrolled).all()
    return [int(row.argmax()) if row.any() else -1 for row in samples.vectors]


def test_what_mien_embed_wrote_gives_the_samples_of_the_pictures(
    recognizer: Recognizer, people: dict[str, list[Path]], tmp_path: Path
) -> None:
    wanted = people_in(people["astronaut"][0].parents[1])[::5]
    sources = [each.source for each in wanted]
    readings = [each for each in recognizer.read_many(sources) if isinstance(each, Reading)]
    VectorFile.of(readings).save(tmp_path / "x.npz")
    bundle, aligner = recognizer.bundle.digest, recognizer.aligner.digest
    made = enrol(
        wanted,
        lambda _: iter(readings),
        face="only",
        bundle=bundle,
        aligner=aligner,
        dimension=recognizer.dimension,
    ).samples
    stored = from_file(tmp_path / "x.npz", wanted, face="only")
    for name in ("names", "people", "bundle", "aligner", "known", "missed", "several"):
        assert getattr(stored, name) == getattr(made, name)
    for name in ("vectors", "subjects", "enrolled"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(made, name))  # to the bit
    alone = from_file(tmp_path / "x.npz", face="only")
    assert alone.people == made.people
    np.testing.assert_array_equal(alone.vectors, made.vectors)


def test_another_systems_file(tmp_path: Path) -> None:
    file = write(tmp_path / "x.npz", "Ann/1.jpg", "Bob/1.jpg", "Ann/2.jpg")
    found = from_file(file, face="only")
    assert which(found) == [0, 1, 2]
    assert found.names == ("Ann/1.jpg", "Bob/1.jpg", "Ann/2.jpg")
    assert (found.people, found.subjects.tolist(), found.known) == (("Ann", "Bob"), [0, 1, 0], True)
    assert (found.bundle, found.aligner, found.missed) == ("", "", ())


@pytest.mark.parametrize("kind", ["f2", "f8", "i4", "u1", ">f4"])
def test_numbers_of_any_kind(tmp_path: Path, kind: str) -> None:
    vectors = np.array([[3, 4], [0, 200]], kind)
    found = from_file(write(tmp_path / "x.npz", "A/1", "B/1", vectors=vectors), face="only")
    np.testing.assert_allclose(found.vectors, [[0.6, 0.8], [0, 1]], atol=1e-6)


def test_names_as_bytes(tmp_path: Path) -> None:
    names = np.array([b"Ann/1.jpg", "Zoë/1.jpg".encode(), b"\xff/1.jpg"])
    found = from_file(write(tmp_path / "x.npz", "", "", "", names=names), face="only")
    assert found.names == ("Ann/1.jpg", "Zoë/1.jpg", r"\udcff/1.jpg")


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("Ann/Ann_0001.jpg", "/data/lfw/Ann/Ann_0001.jpg"),
        ("/data/lfw/Ann/Ann_0001.jpg", "Ann/Ann_0001.jpg"),
        ("Ann/1.jpg", "./Ann//1.jpg"),
        ("Ann/1.jpg", r"C:\faces\Ann\1.jpg"),
        ("Zoe\u0308/1.jpg", "Zoë/1.jpg"),
        ("1.jpg", "1.jpg"),
        ("Ann/1.jpg", "1.jpg"),
        ("北京/🙂 x.jpg", "faces/北京/🙂 x.jpg"),
    ],
)
def test_names_meet_by_their_ends(tmp_path: Path, asked: str, there: str) -> None:
    file = write(tmp_path / "x.npz", "Other/9.jpg", there)
    found = from_file(file, entries(asked, "Nobody/3.jpg"), face="only")
    assert which(found) == [1, -1]
    assert found.names == (asked, "Nobody/3.jpg")
    assert [(missed.picture, missed.why) for missed in found.missed] == [("Nobody/3.jpg", "not in x.npz")]
    assert not found.known


@pytest.mark.parametrize("there", ["Bob/1.jpg", "xAnn/1.jpg", "Ann/11.jpg", "Ann/1.jpg.bak", "test/Ann/1.jpg"])
def test_names_that_only_look_alike_do_not_meet(tmp_path: Path, there: str) -> None:
    file = write(tmp_path / "x.npz", there, "Cy/1.jpg")
    assert which(from_file(file, entries("train/Ann/1.jpg", "Cy/1.jpg"), face="only")) == [-1, 1]


def test_the_longest_end_wins(tmp_path: Path) -> None:
    file = write(tmp_path / "x.npz", "1.jpg", "Ann/1.jpg", "b/Ann/1.jpg", "a/b/Ann/1.jpg")
    assert which(from_file(file, entries("c/Ann/1.jpg"), face="only")) == [1]
    assert which(from_file(file, entries("b/Ann/1.jpg"), face="only")) == [2]
    assert which(from_file(file, entries("z/a/b/Ann/1.jpg"), face="only")) == [3]


def test_a_picture_listed_twice_is_there_twice(tmp_path: Path) -> None:
    file = write(tmp_path / "x.npz", "Ann/1.jpg", "Bob/1.jpg")
    assert which(from_file(file, entries("Bob/1.jpg", "Ann/1.jpg", "Bob/1.jpg"), face="only")) == [1, 0, 1]


def test_a_name_that_two_in_the_file_fit_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "x.npz", "a/Ann/1.jpg", "b/Ann/1.jpg")
    with pytest.raises(InputError, match=r"'Ann/1.jpg' may be 'a/Ann/1.jpg' or 'b/Ann/1.jpg'"):
        from_file(file, entries("Ann/1.jpg"), face="only")


def test_a_name_in_the_file_that_two_fit_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "x.npz", "1.jpg", "2.jpg")
    with pytest.raises(InputError, match=r"'1.jpg' may be 'Ann/1.jpg' or 'Bob/1.jpg'; name the folders"):
        from_file(file, entries("Ann/1.jpg", "Bob/1.jpg"), face="only")


def test_nothing_in_common_shows_a_name_of_each_side(tmp_path: Path) -> None:
    file = write(tmp_path / "x.npz", "Ann/1.jpg", "Bob/1.jpg")
    with pytest.raises(InputError, match=r"none of its 2 pictures .* it has 'Ann/1.jpg', .* is 'Cy/1.jpg'"):
        from_file(file, entries("Cy/1.jpg", "Di/1.jpg"), face="only")


def test_several_faces_the_largest_is_told_by_its_box(tmp_path: Path) -> None:
    boxes = [[0, 0, 9, 9], [0, 0, 9, 9], [5, 5, 99, 15], [0, 0, 30, 30]]
    file = write(tmp_path / "x.npz", "Bob/1.jpg", *["Ann/1.jpg"] * 3, boxes=boxes)
    found = from_file(file, entries("Ann/1.jpg", "Bob/1.jpg"), face="largest")
    assert which(found) == [2, 0]
    assert found.several == 1
    assert which(from_file(file, face="largest")) == [0, 2]


@pytest.mark.parametrize("face", ["only", "central"])
def test_several_faces_and_another_choice_is_refused(tmp_path: Path, face: str) -> None:
    file = write(tmp_path / "x.npz", "Bob/1.jpg", "Ann/1.jpg", "Ann/1.jpg", boxes=np.ones((3, 4)))
    with pytest.raises(InputError, match=f"2 faces of 'Ann/1.jpg', .* `mien embed --face {face}`"):
        from_file(file, entries("Ann/1.jpg"), face=face)  # type: ignore[arg-type]
    assert which(from_file(file, entries("Bob/1.jpg"), face=face)) == [0]  # type: ignore[arg-type]


def test_several_faces_without_boxes_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "x.npz", "Ann/1.jpg", "Ann/1.jpg")
    with pytest.raises(InputError, match="no telling which is 'largest'"):
        from_file(file, entries("Ann/1.jpg"), face="largest")


@pytest.mark.parametrize("boxes", [np.ones((2, 5)), np.ones(2), [["a"] * 4] * 2])
def test_boxes_that_are_none_are_refused_when_needed(tmp_path: Path, boxes: object) -> None:
    file = write(tmp_path / "x.npz", "Ann/1.jpg", "Ann/1.jpg", boxes=boxes)
    with pytest.raises(InputError, match=r"boxes: numbers of shape \(2, 4\) are wanted"):
        from_file(file, entries("Ann/1.jpg"), face="largest")
    other = write(tmp_path / "y.npz", "Ann/1.jpg", "Bob/1.jpg", boxes=boxes)
    assert which(from_file(other, face="only")) == [0, 1]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf, 1e300])
def test_a_vector_without_direction_is_refused_by_row(tmp_path: Path, value: float) -> None:
    vectors = np.eye(3)
    vectors[1] = value
    file = write(tmp_path / "x.npz", "Ann/1.jpg", "Bob/1.jpg", "Cy/1.jpg", vectors=vectors)
    with pytest.raises(InputError, match=r"x\.npz: vectors: row 1 \('Bob/1.jpg'\) is of length"):
        from_file(file, face="only")


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"vectors": np.ones(2)}, "vectors: 2 rows of numbers are wanted, one a name, not float64 of shape"),
        ({"vectors": np.ones((3, 8))}, "vectors: 2 rows"),
        ({"vectors": [["a"], ["b"]]}, "vectors: 2 rows"),
        ({"vectors": np.ones((2, 8), complex)}, "vectors: 2 rows"),
        ({"vectors": np.ones((2, 0))}, "vectors: row 0 .* length 0.0"),
        ({"names": [1, 2]}, "names: a list of words is wanted"),
        ({"names": "Ann"}, "names: a list of words is wanted"),
        ({"names": np.array([], str), "vectors": np.ones((0, 8))}, "names: a list of words is wanted"),
        ({"names": np.array(["a", None], object)}, "not an .npz with the arrays vectors, names"),
    ],
)
def test_arrays_that_are_none_are_refused(tmp_path: Path, arrays: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=rf"x\.npz: {complaint}"):
        from_file(write(tmp_path / "x.npz", "Ann/1.jpg", "Bob/1.jpg", **arrays), face="only")


def test_a_file_without_names_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", vectors=np.eye(2))
    with pytest.raises(InputError, match=r"not an .npz with the arrays vectors, names .*names\.npy"):
        from_file(tmp_path / "x.npz", face="only")


def test_digests_are_taken_where_they_are_words(tmp_path: Path) -> None:
    named = write(tmp_path / "x.npz", "Ann/1.jpg", "Bob/1.jpg", bundle="b" * 64, aligner=np.ones(3))
    found = from_file(named, face="only")
    assert (found.bundle, found.aligner) == ("b" * 64, "")


def test_people_are_the_folders_of_the_names() -> None:
    assert people_of_names(["/lfw/Ann/1.jpg", r"x\Bob\2.jpg", "Ann/3.jpg"]) == ("Ann", "Bob", "Ann")
    with pytest.raises(InputError, match=r"'2.jpg': whose picture is it"):
        people_of_names(["Ann/1.jpg", "2.jpg"])
    with pytest.raises(InputError, match=r"two people at least are wanted, a folder each; there are \['Ann'\]"):
        people_of_names(["Ann/1.jpg", "Ann/2.jpg"])


def test_a_file_without_people_names_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.npz: '1.jpg': whose picture"):
        from_file(write(tmp_path / "x.npz", "1.jpg", "2.jpg"), face="only")
