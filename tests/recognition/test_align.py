"""Alignment against hand-made oracles: a known transform, and pictures that are functions of x and y."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from graphs import ARCFACE, detect_card, embed_card
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.bundle.bundle import Bundle
from mien.bundle.card import Reference
from mien.errors import BundleError, InputError
from mien.recognition.align import Aligner, transforms, warp
from mien.recognition.detectors import HEADS, VERSIONS

Array = NDArray[np.float64]
EYES_FIRST = Reference(points=ARCFACE, weights=(1.0, 1.0, 0.2, 0.2, 0.2))
turns = st.floats(-np.pi, np.pi)
scales = st.floats(0.05, 5)
shifts = st.floats(-500, 500)


def similarity(scale: float, turn: float, x: float, y: float) -> Array:
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[c, -s, x], [s, c, y]])


def seen_through(matrix: Array, points: Array) -> Array:
    """Where the crop's points stand in the image: the inverse of `matrix`."""
    return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


@given(turn=turns, scale=scales, x=shifts, y=shifts)
def test_a_known_transform_comes_back(turn: float, scale: float, x: float, y: float) -> None:
    known = similarity(scale, turn, x, y)
    landmarks = seen_through(known, np.array(ARCFACE))
    (found,) = transforms(landmarks[None], EYES_FIRST)
    grid = seen_through(known, np.array([(0, 0), (111, 0), (0, 111), (111, 111)], float))
    np.testing.assert_allclose(
        grid @ found[:, :2].T + found[:, 2], grid @ known[:, :2].T + known[:, 2], atol=1e-4
    )


def umeyama(points: Array, places: Array, weights: Array) -> Array:
    """The textbook's way (Umeyama 1991, eqs. 34-42, weighted), by SVD and with the reflection guard."""
    w = weights / weights.sum()
    from_mean, to_mean = w @ points, w @ places
    p, q = points - from_mean, places - to_mean
    u, d, vt = np.linalg.svd((q * w[:, None]).T @ p)
    sign = np.diag([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = (d * np.diag(sign)).sum() / (w @ (p**2).sum(axis=1))
    return np.column_stack([scale * rotation, to_mean - scale * rotation @ from_mean])


@given(seed=st.integers(0, 2**32 - 1))
def test_noisy_landmarks_fit_as_the_textbook_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.05, 1, 5)
    points = np.array(ARCFACE) + rng.normal(0, 4, (3, 5, 2))
    reference = Reference(points=ARCFACE, weights=tuple(weights))
    want = [umeyama(each, np.array(ARCFACE), weights) for each in points]
    np.testing.assert_allclose(transforms(points, reference), want, atol=1e-9)


def test_weights_decide_who_yields() -> None:
    landmarks = np.array(ARCFACE)[None].copy()
    landmarks[0, 2] += (6, 0)  # the nose alone is off
    eyes_only = Reference(points=ARCFACE, weights=(1.0, 1.0, 0.0, 0.0, 0.0))
    np.testing.assert_allclose(transforms(landmarks, eyes_only)[0], np.eye(2, 3), atol=1e-9)
    assert abs(transforms(landmarks, Reference(points=ARCFACE))[0] - np.eye(2, 3)).max() > 0.5


@pytest.mark.parametrize(
    "landmarks",
    [
        np.full((1, 5, 2), 7.0),
        np.full((1, 5, 2), np.nan),
        np.where(np.arange(10).reshape(1, 5, 2) == 3, np.inf, np.array(ARCFACE)[None]),
        np.stack([np.array(ARCFACE), np.zeros((5, 2))]),
    ],
    ids=["one place", "nan", "inf", "the second of two"],
)
def test_landmarks_that_fix_nothing_are_refused(landmarks: Array) -> None:
    with pytest.raises(InputError, match="five finite points, in different places"):
        transforms(landmarks, EYES_FIRST)


def test_landmarks_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(5, 2\) given, \(n, 5, 2\) wanted"):
        transforms(np.array(ARCFACE), EYES_FIRST)


WIDTH, HEIGHT = 640, 400


def smooth(x: Array, y: Array) -> Array:
    """A picture as a function: waves along x in red, along y in green, along both in blue."""
    waves = np.sin(x / 20 + 1), np.sin(y / 24), np.cos(x / 40) * np.sin(y / 50)
    return 128 + 110 * np.stack(waves, axis=-1)


def picture() -> NDArray[np.uint8]:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    return np.round(smooth(x, y)).astype(np.uint8)


def expected(matrix: Array, size: tuple[int, int], margin: float) -> tuple[Array, NDArray[np.bool_]]:
    """What the crop shows by the function itself, and where that is `margin` pixels within the picture."""
    y, x = np.mgrid[: size[0], : size[1]].astype(float)
    at = seen_through(matrix, np.stack([x, y], axis=-1).reshape(-1, 2)).reshape(*size, 2)
    inside = (at > margin - 0.5) & (at < np.array([WIDTH, HEIGHT]) - 0.5 - margin)
    return smooth(at[..., 0], at[..., 1]), inside.all(axis=-1)


@pytest.mark.parametrize("scale", [3, 1.3, 1, 0.71, 0.49, 0.34, 0.2])
@pytest.mark.parametrize("turn", [0, 0.4, -2])
def test_a_crop_shows_the_picture_at_the_mapped_places(scale: float, turn: float) -> None:
    size = (60, 50)
    matrix = similarity(scale, turn, 0, 0)
    matrix[:, 2] = np.array([25, 30]) - matrix[:, :2] @ (WIDTH / 2, HEIGHT / 2)
    (crop,) = warp(picture(), matrix[None], size)
    want, inside = expected(matrix, size, margin=1.5 / scale)
    assert inside.mean() > 0.5
    assert abs(crop - want)[inside].max() < 4  # rounding, twice, and the waves' curve between pixels
    down, across, _ = np.gradient(want)
    for slope in (down[inside], across[inside]):
        # How far the crop is off along this axis, in its pixels (least squares). OpenCV looks places up
        # to 1/32 of the picture's pixels.
        assert abs((slope * (want - crop)[inside]).sum() / (slope**2).sum()) < 0.04 * max(1, scale)


def test_many_faces_are_each_warped_as_if_alone() -> None:
    matrices = np.stack([similarity(s, t, 9, 5) for s, t in ((0.2, 0), (0.6, 1), (1, -0.3), (2, 3))])
    alone = [warp(picture(), matrix[None], (40, 30))[0] for matrix in matrices]
    np.testing.assert_array_equal(warp(picture(), matrices, (40, 30)), alone)


@pytest.mark.parametrize("scale", [1, 0.2])
def test_outside_the_picture_is_black(scale: float) -> None:
    white = np.full((200, 300, 3), 255, np.uint8)
    beside = similarity(scale, 0, 25, 20)  # the picture's first pixel at (25, 20) of the crop
    far = similarity(scale, 0, 5000, 5000)
    crop, none = warp(white, np.stack([beside, far]), (40, 50))
    assert crop[:18].max() == crop[:, :23].max() == none.max() == 0
    assert crop[22:, 27:].min() == 255


def test_a_face_much_larger_than_its_crop_does_not_alias() -> None:
    # A fine checkerboard is grey from afar; plain bilinear sampling would pick black or white fields.
    board = np.indices((800, 800)).sum(axis=0) % 2 * 255
    image = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    matrix = similarity(0.1, 0.2, 10, -6)
    (crop,) = warp(image, matrix[None], (40, 40))
    (plain,) = [cv2.warpAffine(image, matrix, (40, 40))]
    middle = np.s_[15:30, 15:30]
    assert crop[middle].std() < 3
    assert plain[middle].std() > 30


def test_pictures_wider_than_opencv_can_warp_are_no_trouble() -> None:
    # cv2.warpAffine refuses sides of 32,767 and more.
    image = np.zeros((50, 40_000, 3), np.uint8)
    image[:, 39_000:] = 200
    (crop,) = warp(image, similarity(1, 0, -39_100, 0)[None], (20, 20))
    assert crop.min() == 200


def test_no_face_gives_no_crop() -> None:
    assert warp(picture(), transforms(np.empty((0, 5, 2)), EYES_FIRST), (7, 9)).shape == (0, 7, 9, 3)


def test_grey_pictures_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(h,w,3\) uint8 RGB, not \(4, 4\)"):
        warp(np.zeros((4, 4), np.uint8), np.eye(2, 3)[None], (4, 4))


def test_the_digest_is_of_everything_that_decides_a_crop() -> None:
    base = Aligner("a" * 64, EYES_FIRST, (112, 96))
    moved = tuple((x + 0.01, y) for x, y in ARCFACE)
    others = [
        Aligner("b" * 64, EYES_FIRST, (112, 96)),
        Aligner("a" * 64, Reference(points=ARCFACE), (112, 96)),
        Aligner("a" * 64, Reference(points=moved, weights=EYES_FIRST.weights), (112, 96)),
        Aligner("a" * 64, EYES_FIRST, (96, 112)),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 5
    assert base.digest == Aligner("a" * 64, EYES_FIRST, (112, 96)).digest


def test_an_aligner_stands_between_two_bundles(tmp_path: Path) -> None:
    detector = Bundle.write(tmp_path / "detector", *detect_card())
    embedder = Bundle.write(tmp_path / "embedder", *embed_card(size=(120, 100)))
    aligner = Aligner.of(embedder, detector)
    assert aligner.detector == detector.digest
    landmarks = np.array(aligner.reference.points, np.float32)[None]
    (crop,) = aligner(picture(), landmarks)
    # The landmarks stand where the reference wants them: nothing moves.
    np.testing.assert_array_equal(crop, picture()[:120, :100])
    with pytest.raises(BundleError, match="cannot serve as a detector"):
        Aligner.of(detector, embedder)


def test_every_head_has_a_version_that_the_aligner_knows() -> None:
    assert set(VERSIONS) == set(HEADS)
    now = Aligner("d" * 64, EYES_FIRST, (112, 112), head=1)
    assert now.digest != replace(now, head=2).digest
