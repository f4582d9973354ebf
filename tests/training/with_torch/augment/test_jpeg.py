"""JPEG, against the files of OpenCV's libjpeg."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from augmented import array, pictures, tensor

from mien.training.with_torch.augment.jpeg import coded
from mien.values import Floats, Pixels


def by_file(image: Pixels, quality: int) -> Floats:
    file = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32)


@pytest.mark.parametrize("size", [(112, 112), (100, 90)])
def test_pixels_are_those_of_the_file(size: tuple[int, int]) -> None:
    qualities = [1, 5, 10, 20, 30, 49, 50, 60, 75, 90, 95, 100]
    images = pictures(len(qualities), size)
    made = array(coded(tensor(images), torch.tensor(qualities, dtype=torch.float32)))
    for image, one, quality in zip(images, made, qualities, strict=True):
        file = by_file(image, quality)
        lost, apart = np.abs(file - image).mean(), np.abs(file - one)
        assert apart.mean() < 0.45, quality
        assert apart.mean() < 0.35 * lost, quality
        assert (apart > 3).mean() < 0.02, quality


def test_grey_stays_grey_and_flat_stays_flat() -> None:
    flat = torch.full((1, 3, 112, 112), 77.0)
    torch.testing.assert_close(coded(flat, torch.tensor([95.0])), flat, atol=1, rtol=0)
    grey = tensor(pictures(1))[:, :1].expand(-1, 3, -1, -1)
    made = coded(grey, torch.tensor([20.0]))
    torch.testing.assert_close(made[:, 0], made[:, 2], atol=1, rtol=0)
