"""A sheet for people's eyes has a row a picture and begins with the picture as it is."""

from __future__ import annotations

import numpy as np
import torch
from augmented import REFERENCE, SIZE, array, pictures, tensor

from mien.training.augmentation import Augmentation, draws
from mien.training.with_torch.augment import Augment
from mien.training.with_torch.augment.examples import GAP, examples


def test_rows_are_pictures_and_columns_are_epochs() -> None:
    images, augment = pictures(2), Augment(Augmentation(mirror=0.5, colour=1.0), REFERENCE, SIZE)
    sheet = examples(augment, tensor(images), seed=3, times=4)
    assert sheet.dtype == np.uint8
    step = 112 + GAP
    assert sheet.shape == (2 * step, 5 * step, 3)
    np.testing.assert_array_equal(sheet[step : step + 112, :112], images[1])
    later = array(augment(tensor(images), torch.from_numpy(draws(3, 2, [0, 1]))))
    np.testing.assert_array_equal(sheet[step : step + 112, 3 * step : 3 * step + 112], np.rint(later[1]))
    assert (sheet[112:step] == 255).all()
