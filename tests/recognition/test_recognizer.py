"""The road end to end, on real models and real faces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mien.errors import FaceCountError, ImageError, InputError
from mien.images import encode_jpeg, encode_png
from mien.recognition.recognizer import Recognizer
from mien.values import Crops, Failure, Pixels, Reading

# Five numbers that pin the whole chain: decoding, detection, alignment, colour, normalising, mirror, network.
CANONICAL = {0: -0.04008, 1: 0.01818, 2: 0.01989, 63: -0.0295, 127: 0.00772}


def test_the_portrait_is_found_where_she_is(recognizer: Recognizer, portrait: Pixels) -> None:
    reading = recognizer.read(portrait)
    assert len(reading) == 1
    assert reading.size == (512, 512)
    left_eye, right_eye, nose, left_mouth, right_mouth = reading.faces.landmarks[0]
    # Read off the picture by eye, to a few pixels.
    np.testing.assert_allclose(left_eye, (204, 102), atol=5)
    np.testing.assert_allclose(right_eye, (246, 103), atol=5)
    np.testing.assert_allclose(nose, (224, 127), atol=6)
    np.testing.assert_allclose(left_mouth, (204, 142), atol=7)
    np.testing.assert_allclose(right_mouth, (244, 143), atol=7)
    assert np.linalg.norm(reading.embeddings.vectors[0]) == pytest.approx(1, abs=1e-6)
    assert reading.quality.reasons == ((),)


def test_vectors_stay_what_they_were(recognizer: Recognizer, portrait: Pixels) -> None:
    vector = recognizer.read(portrait).embeddings.vectors[0]
    for place, value in CANONICAL.items():
        assert vector[place] == pytest.approx(value, abs=2e-4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_gives_the_same_faces(
    recognizer: Recognizer, portrait: Pixels, orientation: int
) -> None:
    upright = recognizer.read(encode_png(portrait))
    # As a camera stores it: what the reader must turn by `orientation` to get the portrait.
    stored = {
        1: portrait,
        2: portrait[:, ::-1],
        3: portrait[::-1, ::-1],
        4: portrait[::-1],
        5: portrait.transpose(1, 0, 2),
        6: np.rot90(portrait, 1),
        7: np.rot90(portrait.transpose(1, 0, 2), 2),
        8: np.rot90(portrait, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(stream, "png", exif=exif.tobytes())
    turned = recognizer.read(stream.getvalue())
    np.testing.assert_array_equal(turned.faces.landmarks, upright.faces.landmarks)
    np.testing.assert_array_equal(turned.embeddings.vectors, upright.embeddings.vectors)


@pytest.mark.parametrize("turns", range(4))
def test_any_rotation_finds_a_face_lying_down(portrait: Pixels, turns: int) -> None:
    recognizer = Recognizer.load(threads=1, any_rotation=True)
    upright, turned = (
        recognizer.read(portrait),
        recognizer.read(np.ascontiguousarray(np.rot90(portrait, turns))),
    )
    assert len(turned) == 1
    assert upright.embeddings.vectors[0] @ turned.embeddings.vectors[0] > 0.98


def test_the_same_picture_turned_without_exif(shared_data: Path) -> None:
    recognizer = Recognizer.load(threads=2, any_rotation=True)
    files = [shared_data / "faces" / "photos" / "rotate" / f"rot_{angle}.jpg" for angle in (0, 90, 180, 270)]
    readings = [recognizer.read(file).choose("largest") for file in files]
    for reading in readings[1:]:
        assert reading.embeddings.vectors[0] @ readings[0].embeddings.vectors[0] > 0.95


def test_a_picture_without_a_face(recognizer: Recognizer, shared_data: Path) -> None:
    reading = recognizer.read(shared_data / "faces" / "photos" / "no_face.png")
    assert len(reading) == 0
    assert reading.embeddings.vectors.shape == (0, 128)
    with pytest.raises(FaceCountError, match=r"no_face.png: no face found"):
        reading.choose("only")


def test_many_pictures_come_back_in_order_with_failures_in_place(
    recognizer: Recognizer, portrait: Pixels
) -> None:
    wall = np.full((60, 70, 3), 99, np.uint8)
    two = np.concatenate([portrait, portrait], axis=1)
    sources = [portrait, b"junk", wall, two, encode_jpeg(portrait)] * 4
    results = list(recognizer.read_many(sources))
    assert [len(each) if isinstance(each, Reading) else "failed" for each in results] == [
        1,
        "failed",
        0,
        2,
        1,
    ] * 4
    alone = [recognizer.read(source) for source in (portrait, two)]
    for many, one in ((results[0], alone[0]), (results[3], alone[1]), (results[18], alone[1])):
        assert isinstance(many, Reading)
        np.testing.assert_allclose(many.embeddings.vectors, one.embeddings.vectors, atol=1e-5)
    assert isinstance(results[1], Failure)
    assert isinstance(results[1].error, ImageError)


def test_find_many_gives_crops(recognizer: Recognizer, portrait: Pixels) -> None:
    first, second = recognizer.find_many([portrait, b""])
    assert isinstance(first, Crops)
    assert first.images.shape == (1, 150, 150, 3)
    assert isinstance(second, Failure)


def test_many_pictures_are_taken_as_they_are_needed(recognizer: Recognizer) -> None:
    taken = 0

    def endless() -> Iterator[Pixels]:
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((40, 40, 3), np.uint8)

    results = recognizer.read_many(endless())
    for _ in range(50):
        next(results)
    results.close()  # type: ignore[attr-defined]
    assert 50 <= taken < 250


def test_one_recogniser_serves_many_threads(recognizer: Recognizer, portrait: Pixels) -> None:
    pictures = [cv2.GaussianBlur(portrait, (1 + 2 * i, 1 + 2 * i), 0) for i in range(4)]
    alone = [recognizer.read(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(recognizer.read, pictures * 4))
    for i, reading in enumerate(together):
        np.testing.assert_allclose(reading.embeddings.vectors, alone[i % 4].embeddings.vectors, atol=1e-5)


def test_a_large_jpeg_is_mapped_back_to_its_own_pixels(recognizer: Recognizer, portrait: Pixels) -> None:
    large = cv2.resize(portrait, (5120, 5120), interpolation=cv2.INTER_CUBIC)
    reading = recognizer.read(encode_jpeg(large)).choose("largest")  # type: ignore[arg-type]
    small = recognizer.read(portrait)
    assert reading.size == (5120, 5120)
    np.testing.assert_allclose(reading.faces.landmarks / 10, small.faces.landmarks, atol=2)
    assert reading.embeddings.vectors[0] @ small.embeddings.vectors[0] > 0.97


def test_comparing_asks_for_one_face(recognizer: Recognizer, portrait: Pixels) -> None:
    two = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    with pytest.raises(FaceCountError, match="2 faces found where one is wanted") as caught:
        recognizer.compare(portrait, two)
    assert caught.value.count == 2
    assert recognizer.compare(portrait, two, face="largest").verdict == "same"
    with pytest.raises(InputError, match="known: only, largest, central"):
        recognizer.compare(portrait, two, face="first")  # type: ignore[arg-type]


def test_a_reading_is_compared_without_reading_again(recognizer: Recognizer, portrait: Pixels) -> None:
    reading = recognizer.read(portrait)
    answer = recognizer.compare(reading, reading)
    assert (answer.similarity, answer.verdict) == (pytest.approx(1, abs=1e-5), "same")
    assert answer.score_fmr is not None
    assert answer.score_fmr <= 1e-5


def test_strangers_are_different(recognizer: Recognizer, shared_data: Path) -> None:
    photos = shared_data / "faces" / "photos"
    obama = photos / "obama_biden" / "obama.jpg"
    biden = photos / "obama_biden" / "biden.jpg"
    assert recognizer.compare(obama, biden).verdict == "different"


def test_another_detector_has_no_calibration(portrait: Pixels) -> None:
    answer = Recognizer.load(detector="mmod", threads=2).compare(portrait, portrait)
    assert (answer.verdict, answer.score_fmr) == ("uncalibrated", None)
    assert answer.similarity > 0.999
