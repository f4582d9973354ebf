"""YuNet: the box code, and the published files against OpenCV's own detector on real pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.bundle.bundle import Bundle
from mien.bundle.importers.onnx import import_onnx
from mien.bundle.runtime import Runtime
from mien.images import fit, load
from mien.recognition.detectors.yunet import Yunet, box_of_centres
from mien.values import Pixels

ONE = Runtime(threads=1)
cells = arrays(np.float32, (4, 2), elements=st.integers(0, 200).map(float))
centres = arrays(np.float32, (4, 2), elements=st.floats(-50, 250, width=32))
sides = arrays(np.float32, (4, 2), elements=st.floats(0.125, 250, width=32))


@given(cells, centres, sides)
def test_a_box_comes_back_from_its_code(cells: Any, centres: Any, sides: Any) -> None:
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    code = np.concatenate([centres - cells, np.log(sides)], axis=1)
    np.testing.assert_allclose(box_of_centres(code, cells), boxes, rtol=1e-4, atol=1e-3)


def test_a_damaged_side_overflows_nothing() -> None:
    code = np.array([[0, 0, 1e9, np.inf]], np.float32)
    assert np.isfinite(box_of_centres(code, np.zeros((1, 2), np.float32))).all()


def bundle_of(shared_data: Path, folder: Path, name: str) -> Bundle:
    card, files = import_onnx(shared_data / "models" / f"{name}.onnx")
    return Bundle.write(folder / name, card, files)


@pytest.fixture(scope="module")
def photos(shared_data: Path) -> list[Pixels]:
    """Group pictures, and portraits of 250×250."""
    paths = [shared_data / "faces" / "photos" / "groups" / name for name in ("six_people.jpg", "multiface.jpg")]
    paths += sorted((shared_data / "faces" / "lfw-dev").glob("*/*.jpg"))[::400]
    return [load(path).pixels for path in paths]


def opencv(file: Path, picture: Pixels) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Box, landmarks, score by OpenCV's FaceDetectorYN; it has the person's right eye first: image left."""
    size = (picture.shape[1], picture.shape[0])
    detector = cv2.FaceDetectorYN.create(str(file), "", size, 0.7, 0.3, 5000)
    _, found = detector.detect(np.ascontiguousarray(picture[..., ::-1]))
    rows = [] if found is None else list(found)
    boxes = [np.array([x, y, x + w, y + h]) for x, y, w, h in (row[:4] for row in rows)]
    return [(box, row[4:14].reshape(5, 2), float(row[14])) for box, row in zip(boxes, rows, strict=True)]


def test_the_fixed_graph_answers_as_opencv(shared_data: Path, photos: list[Pixels], tmp_path: Path) -> None:
    name = "face_detection_yunet_2023mar"
    head = Yunet(bundle_of(shared_data, tmp_path, name), ONE)
    canvases = [fit(picture, (640, 640))[0] for picture in photos]
    count = 0
    for canvas, faces in zip(canvases, head(canvases), strict=True):
        wanted = opencv(shared_data / "models" / f"{name}.onnx", canvas)
        assert len(faces) == len(wanted)
        for number, (box, landmarks, score) in enumerate(sorted(wanted, key=lambda each: -each[2])):
            np.testing.assert_allclose(faces.boxes[number], box, atol=0.05)
            np.testing.assert_allclose(faces.landmarks[number], landmarks, atol=0.05)
            assert faces.scores[number] == pytest.approx(score, abs=1e-4)
            count += 1
    assert count >= 15


def test_the_dynamic_graph_takes_pictures_as_they_are(
    shared_data: Path, photos: list[Pixels], tmp_path: Path
) -> None:
    head = Yunet(bundle_of(shared_data, tmp_path, "yunet_n_dynamic"), ONE)
    found = head(photos)
    assert all(len(faces) for faces in found)
    assert len(found[0]) >= 6
    for picture, faces in zip(photos, found, strict=True):
        (alone,) = head([picture])
        assert len(alone) == len(faces)
        np.testing.assert_allclose(alone.boxes, faces.boxes, atol=0.01)
        left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks.transpose(1, 0, 2)
        assert (left_eye[:, 0] < right_eye[:, 0]).all()
        assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
        assert (left_eye[:, 1] < nose[:, 1]).all()
        assert (nose[:, 1] < left_mouth[:, 1]).all()


def test_a_shift_by_whole_cells_shifts_the_faces(
    shared_data: Path, photos: list[Pixels], tmp_path: Path
) -> None:
    head = Yunet(bundle_of(shared_data, tmp_path, "yunet_n_dynamic"), ONE)
    around = [np.pad(photos[2], ((top, 64), (64, 64), (0, 0))) for top in (64, 96)]
    here, below = head(around)
    assert len(here) == len(below) >= 1
    np.testing.assert_allclose(below.landmarks[0] - here.landmarks[0], [[0, 32]] * 5, atol=0.05)
    np.testing.assert_allclose(below.boxes[0] - here.boxes[0], [0, 32, 0, 32], atol=0.05)


def test_no_face_is_no_face(shared_data: Path, tmp_path: Path) -> None:
    head = Yunet(bundle_of(shared_data, tmp_path, "yunet_n_dynamic"), ONE)
    picture = load(shared_data / "faces" / "photos" / "no_face.png").pixels
    sizes = [len(faces) for faces in head([picture, np.zeros((1, 1, 3), np.uint8)])]
    assert sizes == [0, 0]
