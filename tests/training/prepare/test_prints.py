from __future__ import annotations

import cv2
import numpy as np
import pytest
from people import make_people

from mien.training.prepare.prints import COPY, SIDE, correlation, fingerprint
from mien.values import Pixels


def alike(a: Pixels, b: Pixels) -> tuple[float, float]:
    prints = np.frombuffer(fingerprint(a) + fingerprint(b), np.int8).reshape(2, -1)
    plain, mirrored = correlation(prints, np.array([0]), np.array([1]))
    return float(plain[0]), float(mirrored[0])


def test_a_print_is_so_many_numbers(portrait: Pixels) -> None:
    assert len(fingerprint(portrait)) == SIDE * SIDE
    assert alike(portrait, portrait)[0] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("scale", [0.4, 0.7, 1.6])
def test_resized_recoloured_and_reencoded_copies_are_alike(portrait: Pixels, scale: float) -> None:
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    lit = (small * np.array([0.9, 1.05, 1.1]) + 8).clip(0, 255).astype(np.uint8)
    data = cv2.imencode(".jpg", lit, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    copy = cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.uint8)
    assert alike(portrait, copy)[0] > COPY


def test_a_mirrored_copy_is_alike_when_mirrored(portrait: Pixels) -> None:
    plain, mirrored = alike(portrait, np.ascontiguousarray(portrait[:, ::-1]))
    assert plain < 0.5 < COPY < mirrored


def test_other_photographs_are_not_alike() -> None:
    pictures = [images[0] for images in make_people(8, 1).values()]
    pictures += [images[1] for images in make_people(2, 2).values()]  # the same stamps, moved and turned
    for i, a in enumerate(pictures[:8]):
        for b in pictures[i + 1 :]:
            assert max(alike(a, b)) < COPY


def test_a_wall_has_a_print_without_detail() -> None:
    wall = np.full((50, 60, 3), 128, np.uint8)
    assert set(fingerprint(wall)) == {0}
    assert alike(wall, wall) == (0.0, 0.0)
