"""For tests of augmentation: pictures, and numbers as if they had been drawn."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from mien.bundle.card import Reference
from mien.bundle.importers.onnx import ARCFACE
from mien.training.augmentation import COLUMNS, Augmentation
from mien.training.with_torch.augment.drawn import PLACES, Drawn, Face
from mien.values import Floats, Pixels

SIZE = (112, 112)
REFERENCE = Reference(points=ARCFACE)
WIDER = Reference(points=tuple((x * 160 / 112, y * 160 / 112) for x, y in ARCFACE))


def pictures(count: int = 4, size: tuple[int, int] = SIZE, seed: int = 0) -> Pixels:
    """(n,h,w,3) uint8: soft colours with edges in them, as pictures have."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 7, 7, 3), np.uint8)
    large = [cv2.resize(each, size[::-1], interpolation=cv2.INTER_CUBIC) for each in small]
    for each, place in zip(large, rng.integers(20, 60, (count, 2)), strict=True):
        each[place[0] : place[0] + 30, place[1] : place[1] + 18] //= 2
    return np.stack(large).astype(np.uint8)


def tensor(images: Pixels) -> Tensor:
    """(n,h,w,3) as a network has it: (n,3,h,w) float32."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


def array(pixels: Tensor) -> Floats:
    """And back, float32."""
    back: Floats = pixels.permute(0, 2, 3, 1).numpy()
    return back


def numbers(count: int, **columns: object) -> Tensor:
    """(n,k) draws, ½ but for the columns named (dots as two underscores)."""
    made = torch.full((count, len(COLUMNS)), 0.5)
    for name, values in columns.items():
        made[:, PLACES[name.replace("__", ".")]] = torch.as_tensor(values, dtype=torch.float32)
    return made


def drawn(
    settings: Augmentation, draws: Tensor, reference: Reference = REFERENCE, size: tuple[int, int] = SIZE
) -> Drawn:
    """What an operation is given."""
    return Drawn(settings, Face.of(reference, size), draws)
