"""What people wear on their faces: a surgical mask, dark glasses, where the crop's contract puts a face."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mien.training.with_torch.augment.drawn import Drawn, Face

CLOTHS = (
    (238, 240, 242),
    (170, 205, 225),
    (120, 180, 205),
    (150, 200, 180),
    (60, 75, 110),
    (40, 40, 44),
)  # RGB
PLEATS = 3
SQUARENESS = 2.6  # the exponent of a superellipse: 2 is an ellipse, more is nearer to a rectangle
BAR = 0.035  # half the height of what holds the lenses, on the way from eyes to mouth
BROW = -0.06  # where it is on that way


def masked(pixels: Tensor, drawn: Drawn) -> Tensor:
    """Cloth from the bridge of the nose to below the chin, cheek to cheek, with pleats and some shading."""
    face = drawn.face
    wide = _beside(drawn.between("mask.width", (0.85, 1.1)))
    top = _beside(drawn.between("mask.top", (0.25, 0.45)))
    bottom = _beside(drawn.between("mask.bottom", (1.5, 1.75)))
    high, middle = (bottom - top) / 2, (bottom + top) / 2
    down = face.down - middle
    cover = _superellipse(face, face.across, down, wide, high)
    folds = torch.cos(math.pi * PLEATS * down / high).clamp(min=0) ** 8
    curve = 1 - 0.3 * (face.across / wide) ** 2
    light = _beside(drawn.between("mask.shade", (0.7, 1.05))) * curve * (1 - 0.12 * folds)
    return _painted(pixels, cover, _cloth(drawn) * light[:, None])


def shaded(pixels: Tensor, drawn: Drawn) -> Tensor:
    """Dark lenses over the eyes, which may shine through a little, a bridge between, temples outwards."""
    face = drawn.face
    wide = _beside(drawn.between("sunglasses.width", (0.34, 0.44)))
    high = _beside(drawn.between("sunglasses.height", (0.22, 0.34)))
    outwards = face.across.abs() - 0.5  # both lenses at once: the eyes are at ±½
    lenses = _superellipse(face, outwards, face.down - 0.04, wide, high)
    bar = ((BAR - (face.down - BROW).abs()) * face.pixels[1] + 0.5).clamp(0, 1) * (outwards.abs() > wide)
    opacity = _beside(drawn.between("sunglasses.opacity", (0.8, 1.0)))
    shade = _beside(drawn.between("sunglasses.shade", (5.0, 60.0)))
    return _painted(pixels, torch.maximum(lenses * opacity, bar), shade[:, None].expand(-1, 3, -1, -1))


def _superellipse(face: Face, x: Tensor, y: Tensor, wide: Tensor, high: Tensor) -> Tensor:
    # 1 where |x/wide|^p + |y/high|^p < 1, falling to 0 within about a pixel: (n,h,w)
    level = ((x / wide).abs() ** SQUARENESS + (y / high).abs() ** SQUARENESS) ** (1 / SQUARENESS)
    across, down = face.pixels
    return ((1 - level) * torch.minimum(wide * across, high * down) + 0.5).clamp(0, 1)


def _cloth(drawn: Drawn) -> Tensor:
    cloths = drawn.numbers.new_tensor(CLOTHS)
    return cloths[(drawn["mask.cloth"] * len(CLOTHS)).long()][:, :, None, None]


def _painted(pixels: Tensor, cover: Tensor, paint: Tensor) -> Tensor:
    return torch.lerp(pixels, paint.clamp(0, 255), cover[:, None])


def _beside(numbers: Tensor) -> Tensor:
    # (n,) beside (h,w)
    return numbers[:, None, None]
