"""Kept pictures: enough of the face, small, with its landmarks where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import InputError
from mien.gallery.cutout import LONGEST, cut, restored
from mien.images import load
from mien.recognition.align import Aligner
from mien.recognition.recognizer import Recognizer
from mien.values import Faces, Pixels

REACH = st.floats(-500, 1500, width=32)


def faces(box: tuple[float, float, float, float]) -> Faces:
    x1, y1, x2, y2 = box
    places = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    points = [(x1 + x * (x2 - x1), y1 + y * (y2 - y1)) for x, y in places]
    return Faces(np.array([box], np.float32), np.array([points], np.float32), np.ones(1, np.float32))


@given(st.integers(5, 1200), st.integers(5, 1200), REACH, REACH, st.floats(1, 2000))
def test_any_box_gives_a_picture_within_bounds(
    width: int, height: int, x: float, y: float, size: float
) -> None:
    picture = load(np.zeros((height, width, 3), np.uint8))
    made = cut(picture, faces((x, y, x + size, y + size * 1.2)))
    assert 1 <= min(made.pixels.shape[:2]) <= max(made.pixels.shape[:2]) <= LONGEST


def test_the_crop_of_a_cutout_is_the_crop_of_the_picture(recognizer: Recognizer, portrait: Pixels) -> None:
    """What another model sees of it is what it would have seen: to the error of a good JPEG."""
    found = recognizer.find(portrait)
    made = cut(load(portrait), found.faces)
    aligner: Aligner = recognizer.aligner
    again = aligner(made.pixels, made.landmarks[None])
    assert np.abs(again.astype(int) - found.images.astype(int)).mean() < 2.5


def test_the_vector_of_a_cutout_is_the_vector_of_the_picture(recognizer: Recognizer, portrait: Pixels) -> None:
    reading = recognizer.read(portrait)
    made = restored(*_stored(cut(load(portrait), reading.faces)))
    low, high = made.landmarks.min(axis=0), made.landmarks.max(axis=0)
    known = Faces(np.concatenate([low, high])[None], made.landmarks[None], np.ones(1, np.float32))
    (again,) = recognizer.embed([recognizer.align(made.image, known)])
    assert float(reading.embeddings.vectors[0] @ again.embeddings.vectors[0]) > 0.998


def test_a_large_picture_is_made_small(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), np.uint8)
    made = cut(load(pixels), faces((1000, 500, 2800, 2600)))
    assert max(made.pixels.shape) == LONGEST
    inside = (made.landmarks > 0).all() and (made.landmarks < made.pixels.shape[1]).all()
    assert inside


def test_one_face_at_a_time(portrait: Pixels) -> None:
    with pytest.raises(InputError, match="one face is cut out at a time, not 0"):
        cut(load(portrait), Faces.none())


def _stored(made: object) -> tuple[bytes, str]:
    return made.image, made.points()
