"""Detection's bookkeeping, with a head that finds planted dots instead of faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from graphs import detect_card, embed_card
from hypothesis import given
from hypothesis import strategies as st

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.errors import BundleError, CardError
from mien.recognition.detect import Detector, joined, turned_back
from mien.recognition.detectors import HEADS
from mien.values import Faces, Pixels

DOTS = (10, 20, 30, 40, 50)  # the five landmarks are drawn as pixels of these reds


class DotHead:
    """Finds the one 'face' whose dots stand in the image; surest when its first two lie on one row."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        pass

    def __call__(self, images: Sequence[Pixels]) -> list[Faces]:
        return [self._find(image) for image in images]

    def _find(self, image: Pixels) -> Faces:
        rows, columns = zip(*(np.argwhere(image[..., 0] == red)[0] for red in DOTS), strict=True)
        points = np.stack([columns, rows], axis=1)
        upright = rows[0] == rows[1] < rows[2]
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        return Faces(box[None], points[None], np.array([0.9 if upright else 0.3]))


def dotted(width: int, height: int) -> tuple[Pixels, np.ndarray]:
    image = np.zeros((height, width, 3), np.uint8)
    points = np.array([[4, 3], [12, 3], [8, 6], [5, 9], [11, 9]])
    for (x, y), red in zip(points, DOTS, strict=True):
        image[y, x, 0] = red
    return image, points


@given(turns=st.integers(0, 3), width=st.integers(14, 40), height=st.integers(11, 40))
def test_turned_back_is_the_inverse_of_rot90(turns: int, width: int, height: int) -> None:
    image, points = dotted(width, height)
    seen = DotHead(None, None)._find(np.rot90(image, turns))  # type: ignore[arg-type]
    back = turned_back(seen, turns, image.shape[:2])
    np.testing.assert_array_equal(back.landmarks[0], points)
    np.testing.assert_array_equal(back.boxes[0], [4, 3, 12, 9])


@pytest.fixture
def dot_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setitem(HEADS, "dots", DotHead)
    return Bundle.write(tmp_path / "dots", *detect_card(head="dots"))


@pytest.mark.parametrize("turns", range(4))
def test_any_rotation_keeps_the_best_view_of_a_face(dot_bundle: Bundle, turns: int) -> None:
    detector = Detector(dot_bundle, Runtime(threads=1), any_rotation=True)
    image, _ = dotted(30, 20)
    turned = np.ascontiguousarray(np.rot90(image, turns))
    (faces,) = detector([turned])
    assert len(faces) == 1
    assert faces.scores[0] == pytest.approx(0.9)
    for point, red in zip(faces.landmarks[0].astype(int), DOTS, strict=True):
        assert turned[point[1], point[0], 0] == red


def test_joined_keeps_order() -> None:
    image, _ = dotted(30, 20)
    one = DotHead(None, None)._find(image)  # type: ignore[arg-type]
    both = joined([one, Faces.none(), one.scaled((2, 2))])
    assert len(both) == 2
    np.testing.assert_array_equal(both.boxes[0], one.boxes[0])
    np.testing.assert_array_equal(both.boxes[1], (one.boxes[0] + 0.5) * 2 - 0.5)


def test_unknown_head_names_the_known_ones(tmp_path: Path) -> None:
    bundle = Bundle.write(tmp_path / "odd", *detect_card(head="odd"))
    with pytest.raises(CardError, match=r"'odd' is unknown; known: .*mtcnn"):
        Detector(bundle, Runtime(threads=1))


def test_an_embedder_is_no_detector(tmp_path: Path) -> None:
    bundle = Bundle.write(tmp_path / "embedder", *embed_card())
    with pytest.raises(BundleError, match="'embed' cannot serve as a detector"):
        Detector(bundle, Runtime(threads=1))
