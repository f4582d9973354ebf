"""A batch's pictures → what a network takes: varied, cut to its crops, normalised, on its device."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from mien.errors import InputError
from mien.recognition.align import transforms
from mien.training.augmentation import Augmentation
from mien.training.datasets.contract import CropContract
from mien.training.with_torch.augment import Augment

MOST_OUTSIDE = 0.15  # of a network's crop that may lie outside the data's


class Recrop(nn.Module):
    """Crops of one contract cut out of wider ones of another, (n,3,h,w) float → (n,3,h',w').

    The reference points of both meet, as landmarks do in alignment. InputError where so much of the new crop
    would lie outside the old that it would mean nothing.
    """

    grid: Tensor

    def __init__(self, have: CropContract, want: CropContract) -> None:
        super().__init__()
        landmarks = np.array([have.reference.points], np.float32)
        matrix = transforms(landmarks, want.reference)[0]  # wanted ← had
        height, width = want.size
        rows, columns = np.indices(want.size).reshape(2, -1)
        x, y = np.linalg.inv(matrix[:, :2]) @ (np.stack([columns, rows]) - matrix[:, 2:])
        sides = np.array(have.size[::-1])
        places = np.stack([x, y], axis=1)
        outside = ((places < -0.5) | (places > sides - 0.5)).any(axis=1).mean()
        if outside > MOST_OUTSIDE:
            raise InputError(
                f"the network's crops of {width}×{height} show more of a face than the data's of "
                f"{sides[0]}×{sides[1]}: {outside:.0%} would be black; prepare wider ones, --reference wide"
            )
        # grid_sample's −1..1 run from edge to edge, pixel centres lie at whole numbers
        grid = (2 * places + 1) / sides - 1
        self.register_buffer("grid", torch.from_numpy(grid.astype(np.float32)).view(1, height, width, 2), False)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        grid = self.grid.expand(len(pixels), -1, -1, -1)
        return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def recrop(have: CropContract, want: CropContract) -> nn.Module:
    """What turns crops of one contract into those of another: nothing, where they are the same."""
    if (have.reference, have.size) == (want.reference, want.size):
        return nn.Identity()
    return Recrop(have, want)


class View(nn.Module):
    """(n,h,w,3) uint8 RGB and draws → (n,3,h,w) float RGB in 0..255, varied, on the pixels' device."""

    def __init__(self, settings: Augmentation, contract: CropContract) -> None:
        super().__init__()
        self.augment = Augment(settings, contract.reference, contract.size)

    @torch.no_grad()
    def forward(self, pixels: Tensor, draws: Tensor) -> Tensor:
        """See the class."""
        varied: Tensor = self.augment(pixels.permute(0, 3, 1, 2), draws)
        return varied


class Normal(nn.Module):
    """(n,3,h,w) in 0..255 → (pixel − mean) × scale, in the memory order in which convolutions are quick."""

    def __init__(self, mean: float, scale: float) -> None:
        super().__init__()
        self.mean, self.scale = mean, scale

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        return ((pixels - self.mean) * self.scale).contiguous(memory_format=torch.channels_last)
