"""Where pixels go, against SciPy's interpolation and rectangles drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from augmented import array, drawn, numbers, pictures, tensor
from scipy.ndimage import map_coordinates

from mien.training.augmentation import Augmentation
from mien.training.with_torch.augment.geometry import cropped, mirrored, occluded, warped
from mien.values import Floats, Pixels


def test_a_mirror_image_is_exact() -> None:
    images = pictures(3)
    mirror = mirrored(tensor(images), drawn(Augmentation(), numbers(3)))
    np.testing.assert_array_equal(array(mirror), images[:, :, ::-1])


def by_hand(image: Pixels, degrees: float, factor: float, right: float, below: float) -> Floats:
    """Turned clockwise, scaled about the middle, then moved: where each pixel comes from, read by SciPy."""
    high, wide = image.shape[:2]
    y, x = np.mgrid[:high, :wide].astype(np.float64)
    x, y = x - (wide - 1) / 2 - right, y - (high - 1) / 2 - below
    angle = math.radians(degrees)
    from_x = (math.cos(angle) * x + math.sin(angle) * y) / factor + (wide - 1) / 2
    from_y = (-math.sin(angle) * x + math.cos(angle) * y) / factor + (high - 1) / 2
    bands = [
        map_coordinates(band, (from_y, from_x), order=1, mode="nearest") for band in np.moveaxis(image, 2, 0)
    ]
    return np.stack(bands, 2).astype(np.float32)


@pytest.mark.parametrize("size", [(112, 112), (96, 120)])
def test_a_warp_is_one_bilinear_step(size: tuple[int, int]) -> None:
    settings = Augmentation(warp_rotation=30, warp_shift=0.1, warp_scale=(0.5, 2.0))
    images = pictures(4, size)
    draws = numbers(
        4,
        warp__rotation=[0.5, 1.0, 0.25, 0.7],
        warp__scale=[0.5, 0.5, 1.0, 0.25],
        warp__x=[1.0, 0.5, 0.1, 0.3],
        warp__y=[0.5, 0.5, 0.8, 0.9],
    )
    made = array(warped(tensor(images.astype(np.uint8)), drawn(settings, draws, size=size)))
    plans = [(0, 1, 0.1, 0), (30, 1, 0, 0), (-15, 2, -0.08, 0.06), (12, 2**-0.5, -0.04, 0.08)]
    for image, one, (degrees, factor, right, below) in zip(images, made, plans, strict=True):
        wanted = by_hand(image.astype(np.float32), degrees, factor, right * size[1], below * size[0])
        np.testing.assert_allclose(one, wanted, atol=0.05)


def test_a_window_keeps_what_is_in_it_and_its_place() -> None:
    settings = Augmentation(crop_area=(0.25, 1.0), crop_aspect=(0.5, 2.0))
    images = pictures(3)
    draws = numbers(
        3, crop__area=[0, 0, 1], crop__aspect=[0.5, 1, 0.5], crop__x=[0, 0.999, 0.3], crop__y=[0, 0.5, 0.9]
    )
    made = array(cropped(tensor(images), drawn(settings, draws)))
    wanted = np.zeros_like(images)
    wanted[0, :56, :56] = images[0, :56, :56]  # a quarter of 112² is 56², in the corner
    wanted[1, 36:76, 33:] = images[1, 36:76, 33:]  # twice as wide as high: 40 × 79, at the right
    wanted[2] = images[2]
    np.testing.assert_array_equal(made, wanted)


def test_a_rectangle_hides_what_is_under_it() -> None:
    settings = Augmentation(occlusion_area=(0.0, 0.25), occlusion_aspect=(1.0, 1.0))
    images = pictures(2)
    draws = numbers(
        2,
        occlusion__area=[0, 1],
        occlusion__x=0,
        occlusion__y=0.999,
        occlusion__red=0,
        occlusion__green=[0.2, 0.6],
    )
    made = array(occluded(tensor(images), drawn(settings, draws)))
    np.testing.assert_array_equal(made[0], images[0])
    np.testing.assert_allclose(made[1, 56:, :56], np.broadcast_to([0, 153, 127.5], (56, 56, 3)), atol=1e-3)
    np.testing.assert_array_equal(made[1, :56], images[1, :56])
    np.testing.assert_array_equal(made[1, :, 56:], images[1, :, 56:])


def test_rectangles_lie_anywhere_within() -> None:
    """Over many draws every row and column is hidden sometimes, and the share hidden is what was asked for."""
    settings = Augmentation(occlusion_area=(0.1, 0.1), occlusion_aspect=(0.5, 2.0))
    rng = np.random.default_rng(0)
    draws = numbers(400)
    draws[:] = draws.new_tensor(rng.random(draws.shape))
    white = tensor(np.full((400, 112, 112, 3), 255, np.uint8)) + 1
    hidden = array(occluded(white, drawn(settings, draws)))[..., 0] < 256
    assert hidden.any(axis=(0, 1)).all()
    assert hidden.any(axis=(0, 2)).all()
    np.testing.assert_allclose(hidden.mean(axis=(1, 2)), 0.1, atol=0.005)
