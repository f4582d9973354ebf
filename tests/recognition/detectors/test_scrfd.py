"""SCRFD: the box code, and the published files against a slow oracle on real pictures.

The published form of six outputs is made of that of nine, whose own landmarks then grade the second graph's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_graphs import without_landmarks
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.bundle.bundle import Bundle
from mien.bundle.card import DetectCard
from mien.bundle.catalog import landmark_network
from mien.bundle.importers.onnx import import_onnx
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.images import fit, load
from mien.recognition.detectors.scrfd import Scrfd, box_of_distances
from mien.values import Faces, Pixels

ONE = Runtime(threads=1)
cells = arrays(np.float32, (4, 2), elements=st.integers(0, 200).map(float))
corners = arrays(np.float32, (4, 4), elements=st.floats(-50, 250, width=32))


@given(cells, corners)
def test_a_box_comes_back_from_its_distances(cells: Any, boxes: Any) -> None:
    distances = np.concatenate([cells - boxes[:, :2], boxes[:, 2:] - cells], axis=1)
    np.testing.assert_allclose(box_of_distances(distances, cells), boxes, atol=1e-3)


@pytest.fixture(scope="module", params=["scrfd_500m", "scrfd_500m_bnkps"])
def bundle(
    request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """Both published forms: without and with an axis of pictures."""
    card, files = import_onnx(shared_data / "models" / f"{request.param}.onnx")
    return Bundle.write(tmp_path_factory.mktemp("scrfd") / request.param, card, files)


@pytest.fixture(scope="module")
def people(shared_data: Path) -> Pixels:
    return load(shared_data / "faces" / "photos" / "groups" / "six_people.jpg").pixels


def slow_answers(bundle: Bundle, canvas: Pixels) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Every anchor of every cell, one at a time, as the paper and FCOS have it; best first, none suppressed."""
    assert isinstance(bundle.card, DetectCard)
    session = Session(bundle, "model.onnx", ONE)
    outputs = dict(zip(session.output_names, session(canvas[None]), strict=True))
    answers = []
    for level in bundle.card.parameters["levels"]:
        stride = level["stride"]
        score, box, points = (
            outputs[name].reshape(-1, columns)
            for name, columns in ((level["scores"][0], 1), (level["boxes"], 4), (level["landmarks"], 10))
        )
        places = ((x, y) for y in range(canvas.shape[0] // stride) for x in range(canvas.shape[1] // stride))
        for number, (x, y) in enumerate(place for place in places for _ in range(2)):
            if score[number, 0] >= 0.5:
                centre = np.array([x, y], np.float64) * stride
                left_top, right_bottom = (part * stride for part in np.split(box[number].astype(float), 2))
                marks = centre + points[number].reshape(5, 2).astype(float) * stride
                corners = np.concatenate([centre - left_top, centre + right_bottom])
                answers.append((float(score[number, 0]), corners, marks))
    return sorted(answers, key=lambda answer: -answer[0])


def test_real_faces_are_the_slow_oracles(bundle: Bundle, people: Pixels) -> None:
    canvas, factor = fit(people, (640, 640))
    (faces,) = Scrfd(bundle, ONE)([people])
    answers = slow_answers(bundle, canvas)
    assert len(faces) >= 6
    assert len(answers) > len(faces)  # so that suppression had something to do
    for number in range(len(faces)):
        one = faces[number]
        score, box, marks = min(answers, key=lambda answer: abs(answer[0] - one.scores[0]))
        wanted = Faces(box[None], marks[None], np.array([score])).scaled(factor)
        np.testing.assert_allclose(one.boxes, wanted.boxes, atol=2e-3)
        np.testing.assert_allclose(one.landmarks, wanted.landmarks, atol=2e-3)
    best = Faces(answers[0][1][None], answers[0][2][None], np.array([answers[0][0]])).scaled(factor)
    np.testing.assert_allclose(faces.boxes[0], best.boxes[0], atol=2e-3)


def test_landmarks_lie_as_a_face_has_them(bundle: Bundle, people: Pixels) -> None:
    (faces,) = Scrfd(bundle, ONE)([people])
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks.transpose(1, 0, 2)
    assert (left_eye[:, 0] < right_eye[:, 0]).all()
    assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
    assert (left_eye[:, 1] < nose[:, 1]).all()
    assert (nose[:, 1] < left_mouth[:, 1]).all()
    for x1, y1, x2, y2 in faces.boxes:
        assert 0.5 < (x2 - x1) / (y2 - y1) < 1.5
    assert (np.diff(faces.scores) <= 0).all()


def test_together_or_alone_the_answers_are_the_same(bundle: Bundle, people: Pixels) -> None:
    head = Scrfd(bundle, ONE)
    pictures = [people, np.ascontiguousarray(people[:, ::-1]), np.zeros((90, 70, 3), np.uint8)]
    together = head(pictures)
    assert [len(faces) > 0 for faces in together] == [True, True, False]
    for faces, picture in zip(together, pictures, strict=True):
        (alone,) = head([picture])
        np.testing.assert_array_equal(faces.boxes, alone.boxes)
        np.testing.assert_array_equal(faces.landmarks, alone.landmarks)


@pytest.fixture(scope="module")
def six(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Scrfd:
    """The head on the same file without its landmarks."""
    folder = tmp_path_factory.mktemp("six")
    (folder / "six.onnx").write_bytes(without_landmarks(bundle.read("model.onnx")))
    card, files = import_onnx(folder / "six.onnx", landmarks=landmark_network)
    return Scrfd(Bundle.write(folder / "bundle", card, files), ONE)


def eye_distances(some: Faces, others: Faces) -> Any:
    """(n,5) how far landmarks lie apart, in distances between the eyes."""
    eyes = np.linalg.norm(others.landmarks[:, 1] - others.landmarks[:, 0], axis=1)
    return np.linalg.norm(some.landmarks - others.landmarks, axis=2) / eyes[:, None]


def test_six_outputs_find_the_faces_of_nine(bundle: Bundle, six: Scrfd, people: Pixels) -> None:
    (nine,) = Scrfd(bundle, ONE)([people])
    (faces,) = six([people])
    np.testing.assert_allclose(faces.boxes, nine.boxes, atol=1e-3)
    np.testing.assert_allclose(faces.scores, nine.scores, atol=1e-5)
    apart = eye_distances(faces, nine)
    # Faces 40 pixels between the eyes: SCRFD's own landmarks move by 0.08 when its canvas is twice as large.
    assert np.median(apart) < 0.12
    assert apart.max() < 0.4


def test_six_outputs_find_the_landmarks_of_nine(bundle: Bundle, six: Scrfd, shared_data: Path) -> None:
    files = sorted((shared_data / "faces" / "lfw-dev").glob("*/*.jpg"))[::85]
    pictures = [load(file).pixels for file in files]
    pairs = zip(six(pictures), Scrfd(bundle, ONE)(pictures), strict=True)
    apart = np.concatenate([eye_distances(mine[:1], wanted[:1]) for mine, wanted in pairs])
    assert len(apart) == len(files)
    assert np.median(apart) < 0.045
    assert np.percentile(apart, 95) < 0.12
