"""A sheet of examples: what the recipe does to pictures, for people's eyes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mien.training.augmentation import draws
from mien.training.with_torch.augment import Augment
from mien.values import Pixels

GAP = 2  # pixels of white between pictures


def examples(augment: Augment, pixels: Tensor, *, seed: int = 0, times: int = 7) -> Pixels:
    """Pictures (n,3,h,w) in 0..255 as a sheet (H,W,3) uint8: a row each, as it is and then varied `times`.

    The columns are what the picture that has its row's number becomes in epochs 0, 1, …
    """
    numbers = np.arange(len(pixels))
    varied = [augment(pixels, torch.from_numpy(draws(seed, epoch, numbers))) for epoch in range(times)]
    columns = torch.stack([pixels.float(), *varied], 1).round().to(torch.uint8).cpu()
    framed = torch.nn.functional.pad(columns, (0, GAP, 0, GAP), value=255)
    n, m, _, high, wide = framed.shape
    sheet: Pixels = framed.permute(0, 3, 1, 4, 2).reshape(n * high, m * wide, 3).numpy()
    return sheet
