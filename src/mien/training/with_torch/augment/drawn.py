"""What operations are given beside pixels: each picture's numbers, and where on a crop the face is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mien.bundle.card import Reference
from mien.errors import InputError
from mien.training.augmentation import COLUMNS, Augmentation, Range

PLACES = {name: number for number, name in enumerate(COLUMNS)}


@dataclass(frozen=True, eq=False)
class Face:
    """Coordinates of a crop's pixels in terms of its face.

    across, down: (h,w). 0, 0 is between the eyes, the eyes are at across = ±½, and down grows to 1 halfway
    between the corners of the mouth. pixels: how many one unit of each is.
    """

    across: Tensor
    down: Tensor
    pixels: tuple[float, float]

    @classmethod
    def of(cls, reference: Reference, size: tuple[int, int]) -> Face:
        """The face that a crop contract promises on crops of `size` (height, width).

        InputError where eyes and mouth do not lie apart.
        """
        points = torch.tensor(reference.points, dtype=torch.float64)
        middle = points[:2].mean(0)
        axes = torch.stack([points[1] - points[0], points[3:].mean(0) - middle], 1)
        if axes.det().abs() < 1:
            raise InputError(f"eyes and mouth lie on one line, a face was wanted; reference: {points.tolist()}")
        rows, columns = (torch.arange(side, dtype=torch.float64) for side in size)
        places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1) - middle
        across, down = (places @ axes.inverse().T).float().unbind(-1)
        wide, high = axes.norm(dim=0).tolist()
        return cls(across, down, (wide, high))


@dataclass(frozen=True, eq=False)
class Drawn:
    """Some pictures' numbers, (n,k) by COLUMNS, with the recipe and the face that give them meaning."""

    settings: Augmentation
    face: Face
    numbers: Tensor

    def __getitem__(self, name: str) -> Tensor:
        """A column (n,), in 0 ≤ u < 1."""
        return self.numbers[:, PLACES[name]]

    def of(self, rows: Tensor) -> Drawn:
        """Those of some of the pictures, by number."""
        return Drawn(self.settings, self.face, self.numbers[rows])

    def between(self, name: str, limits: Range) -> Tensor:
        """A column spread evenly between limits."""
        low, high = limits
        return low + (high - low) * self[name]

    def by_ratio(self, name: str, limits: Range) -> Tensor:
        """A column spread between limits so that each doubling is as likely as the next."""
        low, high = (math.log(limit) for limit in limits)
        return torch.exp(low + (high - low) * self[name])


Operation = Callable[[Tensor, Drawn], Tensor]
