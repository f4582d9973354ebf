"""Colours, against the three steps one after the other in NumPy, and OpenCV's grey."""

from __future__ import annotations

import cv2
import numpy as np
from augmented import array, drawn, numbers, pictures, tensor

from mien.training.augmentation import Augmentation
from mien.training.with_torch.augment.colour import coloured, greyed
from mien.values import Floats, Pixels

WIDE = Augmentation(brightness=(0.0, 2.0), contrast=(0.0, 2.0), saturation=(0.0, 2.0))


def by_hand(image: Pixels, brightness: float, contrast: float, saturation: float) -> Floats:
    lit = image.astype(np.float32) * np.float32(brightness)
    mean = cv2.cvtColor(lit, cv2.COLOR_RGB2GRAY).mean()
    spread = mean + (lit - mean) * np.float32(contrast)
    grey = cv2.cvtColor(spread, cv2.COLOR_RGB2GRAY)[..., None]
    result: Floats = (grey + (spread - grey) * np.float32(saturation)).clip(0, 255)
    return result


def test_brightness_contrast_and_saturation_follow_each_other() -> None:
    plans = [
        (1.0, 1.0, 1.0),
        (1.4, 1.0, 1.0),
        (1.0, 0.3, 1.0),
        (1.0, 1.0, 1.8),
        (0.6, 1.7, 0.2),
        (1.9, 0.0, 1.0),
    ]
    images = pictures(len(plans))
    columns = dict(zip(("brightness", "contrast", "saturation"), np.transpose(plans) / 2, strict=True))
    draws = numbers(len(plans), **{f"colour__{name}": values for name, values in columns.items()})
    made = array(coloured(tensor(images), drawn(WIDE, draws)))
    wanted = np.stack([by_hand(image, *plan) for image, plan in zip(images, plans, strict=True)])
    np.testing.assert_allclose(made, wanted, atol=0.01)


def test_grey_is_opencvs() -> None:
    images = pictures(2)
    made = array(greyed(tensor(images), drawn(WIDE, numbers(2))))
    wanted = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images])
    np.testing.assert_allclose(made, np.repeat(wanted[..., None], 3, axis=3), atol=0.51)
