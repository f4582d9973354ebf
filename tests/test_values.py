"""The values that travel the road: shapes, freezing, choosing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import FaceCountError, InputError
from mien.values import Comparison, Crops, Embeddings, Faces, Quality, Reading, frozen_array, rate_text, rows

A, B = "a" * 64, "b" * 64


def some_faces(n: int = 3) -> Faces:
    boxes = np.array([(10, 10, 20, 20), (30, 30, 70, 70), (48, 40, 54, 50)], float)[:n]
    return Faces(boxes, np.arange(n * 10).reshape(n, 5, 2), np.linspace(0.9, 0.5, n))


def some_reading(n: int = 3) -> Reading:
    vectors = Embeddings(np.eye(4)[:n], np.arange(1, n + 1), A, B)
    quality = Quality(np.linspace(1, 0, n), tuple((f"r{i}",) for i in range(n)), {"size": np.arange(n)})
    return Reading("p.jpg", "c" * 64, (100, 90), some_faces(n), vectors, quality)


def test_arrays_are_float32_and_frozen() -> None:
    faces = some_faces()
    for name in ("boxes", "landmarks", "scores"):
        array = getattr(faces, name)
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        faces.boxes = faces.boxes  # type: ignore[misc]


def test_a_value_does_not_share_memory_with_what_it_was_made_from() -> None:
    boxes = np.zeros((1, 4), np.float32)
    faces = Faces(boxes, np.zeros((1, 5, 2)), np.ones(1))
    boxes[:] = 9
    assert faces.boxes.max() == 0


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("boxes", np.zeros((2, 4)), r"boxes: shape \(2, 4\) given, \(3, 4\) wanted"),
        ("landmarks", np.zeros((3, 10)), r"landmarks: shape \(3, 10\) given, \(3, 5, 2\) wanted"),
        ("scores", np.zeros((3, 1)), r"scores: shape \(3, 1\) given"),
        ("boxes", np.full((3, 4), np.nan), "boxes: every number must be finite"),
        ("scores", np.array([1, 2, np.inf]), "scores: every number must be finite"),
    ],
)
def test_shapes_and_numbers_are_checked_at_birth(name: str, array: Any, complaint: str) -> None:
    good = some_faces()
    parts = {field: getattr(good, field) for field in ("boxes", "landmarks", "scores")}
    with pytest.raises(InputError, match=complaint):
        Faces(**{**parts, name: array})


def test_a_frozen_array_says_what_it_wants() -> None:
    with pytest.raises(InputError, match=r"vectors: shape \(3,\) given, \('n', 4\) wanted"):
        frozen_array("vectors", [1, 2, 3], None, 4)


@given(n=st.integers(1, 6), index=st.integers(-6, 5))
def test_rows_keeps_the_first_axis(n: int, index: int) -> None:
    numbers = np.arange(n)
    if -n <= index < n:
        assert numbers[rows(index, n)].tolist() == [numbers[index]]
    else:
        with pytest.raises(IndexError, match=f"no number {index} among {n}"):
            rows(index, n)


def test_a_loop_over_faces_ends() -> None:
    whole = some_reading()
    assert [len(one) for one in whole] == [1] * len(whole)
    assert [len(one) for one in whole.faces] == [1] * len(whole)
    assert list(Faces.none()) == []


def test_vectors_have_length_one() -> None:
    with pytest.raises(InputError, match=r"length one is wanted, 2\.000 given"):
        Embeddings(np.array([[2.0, 0.0]]), np.ones(1), "b" * 64, "a" * 64)


@pytest.mark.parametrize(
    ("index", "kept"),
    [(0, [0]), (-1, [2]), (slice(1, None), [1, 2]), ([2, 0], [2, 0]), (np.array([True, False, True]), [0, 2])],
)
def test_everything_of_a_reading_is_chosen_together(index: Any, kept: list[int]) -> None:
    whole, part = some_reading(), some_reading()[index]
    assert len(part) == len(kept)
    np.testing.assert_array_equal(part.faces.boxes, whole.faces.boxes[kept])
    np.testing.assert_array_equal(part.faces.landmarks, whole.faces.landmarks[kept])
    np.testing.assert_array_equal(part.embeddings.vectors, whole.embeddings.vectors[kept])
    np.testing.assert_array_equal(part.embeddings.norms, whole.embeddings.norms[kept])
    np.testing.assert_array_equal(part.quality.values, whole.quality.values[kept])
    np.testing.assert_array_equal(part.quality.measures["size"], np.array(kept))
    assert part.quality.reasons == tuple((f"r{i}",) for i in kept)
    assert (part.source, part.sha256, part.size) == (whole.source, whole.sha256, whole.size)


def test_none_is_no_face() -> None:
    assert len(Faces.none()) == 0
    assert len(Faces.none().scaled((2, 2))) == 0


def test_scaling_maps_pixel_centres_to_pixel_centres() -> None:
    # Pixels 0 and 1 of a picture become pixel 0 of one half its size: its centre is theirs, 0.5.
    half = Faces(np.array([[0.5, 2.5, 4.5, 6.5]]), np.full((1, 5, 2), 0.5), np.ones(1)).scaled((0.5, 0.5))
    np.testing.assert_allclose(half.boxes, [[0, 1, 2, 3]])
    np.testing.assert_allclose(half.landmarks, 0)


@given(x=st.floats(0.1, 10), y=st.floats(0.1, 10))
def test_scaling_back_gives_the_same_faces(x: float, y: float) -> None:
    faces = some_faces()
    back = faces.scaled((x, y)).scaled((1 / x, 1 / y))
    np.testing.assert_allclose(back.landmarks, faces.landmarks, atol=1e-4)
    np.testing.assert_allclose(back.boxes, faces.boxes, atol=1e-4)


def test_scaling_tells_x_from_y() -> None:
    wide = some_faces(1).scaled((2, 1))
    np.testing.assert_allclose(wide.boxes, [[20.5, 10, 40.5, 20]])


def test_counts_must_agree() -> None:
    reading = some_reading()
    with pytest.raises(InputError, match="as many faces as vectors and qualities"):
        Reading("p", A, (1, 1), reading.faces[:2], reading.embeddings, reading.quality)
    with pytest.raises(InputError, match="as many images and qualities"):
        Crops("p", A, (1, 1), reading.faces, np.zeros((2, 4, 4, 3), np.uint8), reading.quality)


@pytest.mark.parametrize(("what", "changed"), [("bundle", (B, B)), ("aligner", (A, A))])
def test_vectors_of_two_origins_do_not_compare(what: str, changed: tuple[str, str]) -> None:
    mine = some_reading().embeddings
    theirs = Embeddings(mine.vectors, mine.norms, *changed)
    with pytest.raises(InputError, match=f"do not compare: {what} .*same detector and bundle"):
        mine.require_same_origin(theirs)
    mine.require_same_origin(mine)


def test_choosing_one_face() -> None:
    reading = some_reading()
    np.testing.assert_array_equal(reading.choose("largest").faces.boxes, [[30, 30, 70, 70]])
    np.testing.assert_array_equal(reading.choose("central").faces.boxes, [[48, 40, 54, 50]])
    np.testing.assert_array_equal(some_reading(1).choose("only").faces.boxes, [[10, 10, 20, 20]])


@pytest.mark.parametrize("face", ["only", "largest", "central"])
def test_no_face_is_an_error_with_its_count(face: Any) -> None:
    with pytest.raises(FaceCountError, match=r"p\.jpg: no face found") as caught:
        some_reading(0).choose(face)
    assert caught.value.count == 0


def test_several_faces_where_one_is_wanted() -> None:
    with pytest.raises(FaceCountError, match="3 faces found where one is wanted; choose with") as caught:
        some_reading().choose("only")
    assert caught.value.count == 3


def test_an_unknown_choice_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="'smallest' is unknown; known: only, largest, central"):
        some_reading().choose("smallest")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1e-3, "1e-3"), (2.5e-4, "2.5e-4"), (0.1, "1e-1"), (None, "None"), (0.0, "0.0"), (float("nan"), "nan")],
)
def test_rates_are_written_as_the_field_does(rate: float | None, text: str) -> None:
    assert rate_text(rate) == text


def test_a_comparison_reads_as_in_the_readme() -> None:
    answer = Comparison(0.9612, "same", 1e-3, 1e-5)
    assert repr(answer) == "Comparison(similarity=0.961, verdict='same', fmr=1e-3, score_fmr=1e-5)"
    assert repr(Comparison(0.1, "review", 1e-3, 1e-2, "why")).endswith("score_fmr=1e-2, note='why')")
