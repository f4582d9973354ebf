"""Landmarks from a second graph: the square about a box, what is cut out of it, and the way back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from graphs import detect_card
from grid_graphs import landmark_graph
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mien.bundle.bundle import Bundle
from mien.bundle.card import File
from mien.bundle.runtime import Runtime
from mien.errors import GraphError
from mien.recognition.detectors.landmarks import (
    FILE,
    MOST_SIDE,
    SIDE,
    TOGETHER,
    Landmarks,
    Square,
    cut,
    landmarks_of,
    squares_about,
)

CENTRED: Square = (0.0, 0.0, 1.0)


def opened(folder: Path, graph: bytes, square: Square = CENTRED) -> Landmarks:
    card, _ = detect_card()
    listed = (File(name=FILE, sha256=hashlib.sha256(graph).hexdigest()),)
    card = replace(card, files=listed, golden=(), input=replace(card.input, size=None, batch=None))
    return Landmarks(Bundle.write(folder / "bundle", card, {FILE: graph}), Runtime(threads=1), square)


def test_the_square_follows_the_box() -> None:
    boxes = np.float32([[9.5, 19.5, 109.5, 119.5]])  # pixels 10..109 and 20..119
    assert squares_about(boxes, (0, 0, 1)).tolist() == [[10, 20, 100]]
    assert squares_about(boxes, (0.1, -0.2, 1.2)).tolist() == [[10, -10, 120]]


def test_a_cut_of_the_graphs_own_size_is_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    np.testing.assert_array_equal(cut(picture, np.float32([7, 11, 48])), picture[11:59, 7:55])


def test_a_cut_beyond_the_picture_is_black_there() -> None:
    picture = np.full((60, 60, 3), 200, np.uint8)
    crop = cut(picture, np.float32([-24, 12, 48]))
    assert (crop[:, :24] == 0).all()
    assert (crop[:, 24:] == 200).all()
    assert (cut(picture, np.float32([500, 500, 30])) == 0).all()


@given(st.integers(-(10**7), 10**7), st.integers(-(10**7), 10**7), st.integers(1, 4 * 10**6))
def test_any_square_is_cut_in_bounded_memory(left: int, top: int, side: int) -> None:
    """A damaged graph's box may be anywhere and of any size."""
    assert cut(np.full((60, 90, 3), 200, np.uint8), np.float32([left, top, side])).shape == (SIDE, SIDE, 3)


def test_a_huge_square_shows_what_a_reduced_one_shows() -> None:
    small = np.random.default_rng(1).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    large = small.repeat(100, axis=0).repeat(100, axis=1)
    assert large.shape[0] > 2 * MOST_SIDE
    far = cut(large, np.float32([-600, 300, 6000])).astype(int)
    near = cut(small.repeat(10, axis=0).repeat(10, axis=1), np.float32([-60, 30, 600])).astype(int)
    assert abs(far - near).mean() < 2


def test_landmarks_are_five_x_then_five_y() -> None:
    ten = np.arange(10, dtype=np.float32)[None]
    assert landmarks_of([np.zeros((1, 4), np.float32), ten], 1)[0].tolist() == [[i, i + 5] for i in range(5)]
    with pytest.raises(GraphError, match="one output"):
        landmarks_of([ten, ten], 1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e9])
def test_answers_beyond_any_face_are_a_damaged_graph(wrong: float) -> None:
    ten = np.full((2, 10), 0.5, np.float32)
    ten[1, 3] = wrong
    with pytest.raises(GraphError, match="no places on a face"):
        landmarks_of([ten], 2)


def test_points_lie_in_the_pictures_own_pixels(tmp_path: Path) -> None:
    shares = np.array([0.1, 0.9, 0.5, 0.2, 0.8, 0.3, 0.3, 0.5, 0.7, 0.7], np.float32)
    find = opened(tmp_path, landmark_graph(tuple(shares)), (0.1, -0.2, 1.2))
    boxes = [np.float32([[9.5, 19.5, 109.5, 119.5]]), np.empty((0, 4), np.float32)]
    pictures = [np.zeros((150, 130, 3), np.uint8)] * 2
    points, none = find(pictures, boxes)
    wanted = np.stack([10 + 120 * shares[:5], -10 + 120 * shares[5:]], axis=1) - 0.5
    np.testing.assert_allclose(points, wanted[None], atol=1e-4)
    assert none.shape == (0, 5, 2)
    assert [each.shape for each in find(pictures, [none.reshape(0, 4)] * 2)] == [(0, 5, 2)] * 2
    assert find([], []) == []


def test_many_faces_go_in_several_runs(tmp_path: Path) -> None:
    find = opened(tmp_path, landmark_graph())
    corners = np.arange(TOGETHER + 3, dtype=np.float32)[:, None] + np.float32([0.5, 0.5, 40.5, 40.5])
    (points,) = find([np.zeros((50, 50, 3), np.uint8)], [corners])
    np.testing.assert_allclose(points[:, 0], corners[:, :2] + np.float32([10, 30]), atol=1e-4)


def test_a_graph_of_another_size_is_refused(tmp_path: Path) -> None:
    find = opened(tmp_path, landmark_graph(side=64))
    with pytest.raises(GraphError, match="48"):
        find([np.zeros((50, 50, 3), np.uint8)], [np.float32([[0, 0, 40, 40]])])
