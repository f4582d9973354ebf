"""What is lost on the way, against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from augmented import array, drawn, numbers, pictures, tensor

from mien.training.augmentation import Augmentation
from mien.training.with_torch.augment.resolution import blurred, coarsened, compressed, smeared


def test_a_blur_is_opencvs() -> None:
    settings = Augmentation(blur_sigma=(0.5, 2.0))
    images = pictures(3)
    made = array(blurred(tensor(images), drawn(settings, numbers(3, blur__sigma=[0, 0.5, 1]))))
    for image, one, sigma in zip(images, made, (0.5, 1.25, 2.0), strict=True):
        wanted = cv2.GaussianBlur(image.astype(np.float32), (13, 13), sigma, borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(one, wanted, atol=0.01)


@pytest.mark.parametrize("size", [(112, 112), (96, 120)])
@pytest.mark.parametrize(("kind", "filter_"), [(0.2, cv2.INTER_AREA), (0.8, cv2.INTER_LINEAR)])
def test_low_resolution_is_opencvs_down_and_up(kind: float, filter_: int, size: tuple[int, int]) -> None:
    settings = Augmentation(low_resolution_scale=(0.01, 1.0))
    images = pictures(4, size)
    scales = np.array([0.01, 0.25, 0.6, 1.0])
    draws = numbers(4, low_resolution__scale=(scales - 0.01) / 0.99, low_resolution__filter=kind)
    made = array(coarsened(tensor(images), drawn(settings, draws, size=size)))
    for image, one, scale in zip(images, made, scales, strict=True):
        few = tuple(max(1, round(scale * side)) for side in size[::-1])
        small = cv2.resize(image.astype(np.float32), few, interpolation=filter_)
        wanted = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(one, wanted, atol=0.02)


def test_motion_along_rows_and_columns_is_a_mean_over_them() -> None:
    settings = Augmentation(motion_length=(5.0, 5.0))
    images = pictures(2)
    made = array(smeared(tensor(images), drawn(settings, numbers(2, motion__angle=[0, 0.5]))))
    for image, one, window in zip(images, made, ((5, 1), (1, 5)), strict=True):
        wanted = cv2.blur(image.astype(np.float32), window, borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(one, wanted, atol=0.01)


def test_motion_smears_a_dot_along_its_angle() -> None:
    settings = Augmentation(motion_length=(1.0, 9.0))
    dot = torch.zeros(3, 3, 112, 112)
    dot[:, :, 56, 56] = 100.0
    lengths, angles = torch.tensor([1.0, 9.0, 9.0]), torch.tensor([0.2, 1 / 6, 0.75])
    draws = numbers(3, motion__length=(lengths - 1) / 8, motion__angle=angles)
    made = smeared(dot, drawn(settings, draws))[:, 0].numpy()
    np.testing.assert_allclose(made.sum(axis=(1, 2)), 100, rtol=1e-4)
    np.testing.assert_allclose(made[0], dot[0, 0].numpy(), atol=1e-3)
    y, x = np.mgrid[:112, :112] - 56
    for one, angle in zip(made[1:], (30, 135), strict=True):
        xx, xy, yy = ((one * a * b).sum() / 100 for a, b in ((x, x), (x, y), (y, y)))
        found = np.degrees(np.arctan2(2 * xy, xx - yy)) / 2 % 180
        assert abs(found - angle) < 1
        along = (xx + yy) / 2 + np.hypot((xx - yy) / 2, xy)
        assert along == pytest.approx(80 / 12, rel=0.15)  # the variance of nine points in a row


def test_quality_is_between_the_recipes_limits() -> None:
    settings = Augmentation(jpeg_quality=(10.0, 90.0))
    images = pictures(2)
    poor, good = array(compressed(tensor(images), drawn(settings, numbers(2, jpeg__quality=[0, 1]))))
    assert np.abs(poor - images[0]).mean() > 2 * np.abs(good - images[1]).mean()
