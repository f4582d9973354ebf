from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from grid_graphs import landmark_graph
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mien.bundle.bundle import Bundle
from mien.bundle.card import File
from mien.bundle.importers import dlib, mtcnn
from mien.bundle.runtime import Runtime
from mien.errors import CardError, GraphError
from mien.recognition.boxes import suppress
from mien.recognition.detectors import Head
from mien.recognition.detectors.mmod import (
    Mmod,
    Parameters,
    corner_to_corner,
    decode,
    lay_out,
    level_sizes,
    paint,
)
from mien.values import Faces, Floats, Pixels

PARAMETERS = Parameters(
    window=(80, 80),
    stride=8,
    first=14,
    overlap=0.338,
    padding=10,
    border=11,
    octave=6,
    threshold=0.5,
    slope=4.0,
    longest=1280,
    upsample=0,
    landmark_box=(0.0, 0.0, 1.0),
)
GREY = np.uint8([123, 117, 104])


def package_path(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs the package {name} (extra starter)")
    return Path(spec.submodule_search_locations[0])


def weights_path() -> Path:
    return package_path("face_recognition_models") / "models" / "mmod_human_face_detector.dat"


def bundle_with(folder: Path, **parameters: object) -> Bundle:
    card, files = dlib.detector(weights_path().read_bytes(), landmark_graph())
    return Bundle.write(folder, replace(card, parameters={**card.parameters, **parameters}), files)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Head:
    return Mmod(bundle_with(tmp_path_factory.mktemp("mmod") / "bundle", landmark_box=[0, 0, 1]), Runtime())


@pytest.fixture(scope="module")
def astronaut() -> Pixels:
    portrait: Pixels = pytest.importorskip("skimage.data").astronaut()
    return portrait[:300, 80:380]


# --- the canvas ---------------------------------------------------------------------------------------------


def test_each_level_is_five_sixths_of_the_one_before() -> None:
    rows = [36, 30, 25, 20, 16, 13, 10, 8, 6]
    columns = [12, 10, 8, 6, 5, 4, 3, 2, 1]
    assert list(level_sizes((36, 12), 6)) == list(zip(rows, columns, strict=True))


def test_the_canvas_of_a_small_picture_by_hand() -> None:
    # Heights 60 50 41 34 28 23 19 15 12 10 8 6 5: 311, with gaps 421 less the two outermost. A level stands
    # beside the column once it is no wider than what the one above it and a gap leave (60 − 28 − 10 = 22:
    # that of 19 after that of 23, 27 ≥ 19) and the column is half done.
    canvas = lay_out((60, 60), PARAMETERS)
    column = [[11, 11, 60, 60], [11, 81, 50, 50], [11, 141, 41, 41], [11, 192, 34, 34], [11, 236, 28, 28]]
    assert canvas.places[:5].tolist() == column
    assert canvas.places[5].tolist() == [11, 274, 23, 23]
    # The second column ends where the first does, at 296, its right edge at 70.
    assert canvas.places[6].tolist() == [70 - 18, 296 - 18, 19, 19]
    assert canvas.places[7].tolist() == [70 - 14, 296 - 19 - 10 - 14, 15, 15]
    assert canvas.size == (296 + 1 + 11, 82)


@given(st.integers(1, 900), st.integers(1, 900))
def test_levels_lie_apart_and_inside_the_canvas(height: int, width: int) -> None:
    canvas = lay_out((height, width), PARAMETERS)
    x, y, columns, rows = canvas.places.T
    assert canvas.places[0].tolist() == [11, 11, width, height]
    assert (np.minimum(x, y) >= 11).all()
    assert (x + columns <= canvas.size[1] - 11).all()
    assert (y + rows <= canvas.size[0] - 11).all()
    assert list(zip(rows, columns, strict=True)) == list(level_sizes((height, width), 6))[: len(rows)]
    for i in range(len(x)):
        apart = (x[i] + columns[i] <= x) | (x + columns <= x[i]) | (y[i] + rows[i] <= y) | (y + rows <= y[i])
        assert np.delete(apart, i).all()


def test_interpolation_keeps_ramps_and_corners() -> None:
    y, x = np.mgrid[:40, :61].astype(np.float32)
    ramp = np.stack([x, y, 2 * x - y], axis=2)
    smaller = corner_to_corner(ramp, (27, 31))
    y, x = np.mgrid[:27, :31]
    np.testing.assert_allclose(smaller[..., 0], x * 60 / 30, atol=1e-4)
    np.testing.assert_allclose(smaller[..., 1], y * 39 / 26, atol=1e-4)
    np.testing.assert_allclose(smaller[-1, -1], ramp[-1, -1], atol=1e-4)
    assert corner_to_corner(ramp[:1, :1], (1, 1)).shape == (1, 1, 3)


def test_the_picture_stands_unchanged_on_its_canvas() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    canvas = lay_out((90, 70), PARAMETERS)
    painted = paint(picture, canvas, GREY)
    assert (painted[11:101, 11:81] == picture).all()
    assert (painted[:11] == GREY).all()
    x, y, columns, rows = canvas.places[1]
    assert abs(float(painted[y : y + rows, x : x + columns].mean()) - float(picture.mean())) < 4


# --- answers → boxes ----------------------------------------------------------------------------------------


def answers(size: tuple[int, int], *hits: tuple[int, int, float]) -> Floats:
    confidences = np.full((size[0] // 8, size[1] // 8), -5, np.float32)
    for row, column, confidence in hits:
        confidences[row, column] = confidence
    return confidences


def test_an_answer_on_the_picture_itself_is_the_window_about_it() -> None:
    canvas = lay_out((250, 250), PARAMETERS)
    boxes, scores = decode(answers(canvas.size, (10, 12, 1.0)), canvas, PARAMETERS)
    # Centre (8·12 + 14, 8·10 + 14) on the canvas, whose border is 11; dlib's rectangle is 60..138 rounded.
    np.testing.assert_allclose(boxes, [[99 - 40, 83 - 40, 99 + 40, 83 + 40]])
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-4.0)), rtol=1e-6)


def test_an_answer_two_levels_down_is_larger() -> None:
    canvas = lay_out((250, 250), PARAMETERS)
    x, y, _, _ = canvas.places[2]
    row, column = (y + 80 - 14) // 8, (x + 80 - 14) // 8
    boxes, _ = decode(answers(canvas.size, (row, column, 0.5)), canvas, PARAMETERS)
    low = np.array([8 * column + 14 - x, 8 * row + 14 - y]) - 39.5
    for _ in range(2):  # dlib's point_up
        low = low * 1.2 + 0.3
    np.testing.assert_allclose(boxes[0, :2], low - 0.5, atol=1e-4)
    np.testing.assert_allclose(boxes[0, 2:] - boxes[0, :2], 79 * 1.44 + 1, atol=1e-4)


def test_answers_at_or_below_the_threshold_are_no_faces() -> None:
    canvas = lay_out((250, 250), PARAMETERS)
    assert len(decode(answers(canvas.size, (10, 12, 0.0), (20, 5, -0.1)), canvas, PARAMETERS)[0]) == 0


def test_of_two_close_answers_the_better_stays() -> None:
    canvas = lay_out((250, 250), PARAMETERS)
    boxes, _ = decode(answers(canvas.size, (10, 12, 0.4), (10, 13, 0.9)), canvas, PARAMETERS)
    np.testing.assert_allclose(boxes, [[67, 43, 147, 123]])


def test_overlap_is_measured_against_the_rectangle_around_both() -> None:
    # Two 80×80 boxes 40 apart on both axes: 1600 shared, 11200 in their union, 14400 around both.
    boxes = np.float32([[0, 0, 80, 80], [40, 40, 120, 120]])
    scores = np.float32([0.9, 0.8])
    assert suppress(boxes, scores, 0.12, "enclosing").tolist() == [0, 1]
    assert suppress(boxes, scores, 0.12, "union").tolist() == [0]
    assert suppress(boxes, scores, 0.11, "enclosing").tolist() == [0]


# --- the whole head -----------------------------------------------------------------------------------------


def overlaps(box: Floats, others: Floats) -> Floats:
    """IoU of one box with each of the others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    spans = others[:, 2:] - others[:, :2]
    return shared / ((box[2:] - box[:2]).prod() + spans.prod(axis=1) - shared)


def dlibs(picture: Pixels) -> tuple[Floats, Floats]:
    """dlib's own boxes, on the outer edges of their pixels, and its confidences."""
    peer = pytest.importorskip("dlib")
    found = peer.cnn_face_detection_model_v1(str(weights_path()))(np.ascontiguousarray(picture))
    corners = [(f.rect.left(), f.rect.top(), f.rect.right() + 1, f.rect.bottom() + 1) for f in found]
    return np.float32(corners).reshape(-1, 4) - 0.5, np.float32([f.confidence for f in found])


def require_agreement(faces: Faces, picture: Pixels) -> None:
    boxes, confidences = dlibs(picture)
    assert len(faces) == len(boxes)
    logits = np.log(faces.scores / (1 - faces.scores)) / PARAMETERS.slope
    for box, confidence in zip(boxes, confidences, strict=True):
        closest = overlaps(box, faces.boxes).argmax()
        assert overlaps(box, faces.boxes)[closest] > 0.95
        assert abs(logits[closest] - confidence) < 2e-3


def test_equals_dlib_on_the_portrait(head: Head, astronaut: Pixels) -> None:
    (faces,) = head([astronaut])
    assert len(faces) == 1
    require_agreement(faces, astronaut)


def test_equals_dlib_on_photographs(head: Head, shared_data: Path) -> None:
    files = sorted((shared_data / "faces" / "lfw-dev").glob("*/*.jpg"))[::340]
    pictures = [cv2.imread(str(file))[..., ::-1] for file in files]
    for faces, picture in zip(head(pictures), pictures, strict=True):
        require_agreement(faces, picture)


@pytest.mark.long
def test_equals_dlib_on_groups(head: Head, shared_data: Path) -> None:
    for file in sorted((shared_data / "faces" / "photos" / "groups").glob("*.jpg")):
        picture = cv2.imread(str(file))[..., ::-1]
        require_agreement(head([picture])[0], picture)


def test_landmarks_stand_where_the_face_has_them(tmp_path: Path, astronaut: Pixels) -> None:
    onet = package_path("mtcnn") / "assets" / "weights" / "onet.lz4"
    card, files = dlib.detector(weights_path().read_bytes(), mtcnn.landmark_network(onet.read_bytes()))
    head = Mmod(Bundle.write(tmp_path / "bundle", card, files), Runtime())
    straight, mirrored = head([astronaut, np.ascontiguousarray(astronaut[:, ::-1])])
    (left, right, nose, left_mouth, right_mouth) = straight.landmarks[0]
    assert left[0] < nose[0] < right[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left[1], right[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    width = np.ptp(straight.boxes[0, ::2])
    assert 0.3 < np.linalg.norm(right - left) / width < 0.6
    back = mirrored.landmarks[0, [1, 0, 2, 4, 3]]
    back[:, 0] = astronaut.shape[1] - 1 - back[:, 0]
    assert np.abs(back - straight.landmarks[0]).max() < 0.05 * width


def test_pictures_keep_their_order_and_their_faces(head: Head, astronaut: Pixels) -> None:
    empty = np.full((300, 300, 3), 128, np.uint8)
    flipped = np.ascontiguousarray(astronaut[:, ::-1])
    alone = [head([picture])[0] for picture in (astronaut, flipped)]
    together = head([empty, astronaut, empty[:90], flipped])
    assert [len(faces) for faces in together] == [0, 1, 0, 1]
    for one, other in zip(alone, together[1::2], strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
    assert together[1].landmarks[0, 0, 0] == pytest.approx(
        together[1].boxes[0, 0] + 0.25 * np.ptp(together[1].boxes[0, ::2]), abs=1.0
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (5, 5), (29, 31)])
def test_pictures_too_small_for_a_face_have_none(head: Head, size: tuple[int, int]) -> None:
    assert len(head([np.zeros((*size, 3), np.uint8)])[0]) == 0


def test_no_picture_no_faces(head: Head) -> None:
    assert head([]) == []


def test_a_reduced_picture_gives_faces_in_its_own_pixels(tmp_path: Path, head: Head, astronaut: Pixels) -> None:
    large = cv2.resize(astronaut, None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC)
    (found,) = Mmod(bundle_with(tmp_path / "small", longest=300), Runtime())([large])
    (plain,) = head([astronaut])
    assert overlaps(found.boxes[0], plain.scaled((2.5, 2.5)).boxes)[0] > 0.85


def test_small_faces_want_upsampling(tmp_path: Path, astronaut: Pixels) -> None:
    small = cv2.resize(astronaut, (150, 150), interpolation=cv2.INTER_AREA)
    (plain,) = Mmod(bundle_with(tmp_path / "plain"), Runtime())([small])
    (doubled,) = Mmod(bundle_with(tmp_path / "doubled", upsample=1), Runtime())([small])
    assert (len(plain), len(doubled)) == (0, 1)
    assert 150 > doubled.boxes[0, 3] > doubled.boxes[0, 1] > 0


@pytest.mark.parametrize(("name", "value"), [("wnidow", 80), ("stride", 0), ("octave", 1), ("threshold", 1.0)])
def test_a_card_with_other_parameters_is_refused(tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(CardError, match=name):
        Mmod(bundle_with(tmp_path / "bundle", **{name: value}), Runtime())


def test_a_graph_that_answers_something_else_is_refused(tmp_path: Path, astronaut: Pixels) -> None:
    card, files = dlib.detector(weights_path().read_bytes(), landmark_graph())
    files["mmod.onnx"] = files["landmarks.onnx"]
    listed = tuple(File(name=name, sha256=hashlib.sha256(data).hexdigest()) for name, data in files.items())
    with pytest.raises(GraphError):
        Mmod(Bundle.write(tmp_path / "bundle", replace(card, files=listed), files), Runtime())([astronaut])
