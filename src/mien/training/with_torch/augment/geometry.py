"""Where pixels lie: mirrored, warped, seen through a window, hidden by a rectangle."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from mien.training.with_torch.augment.drawn import Drawn


def mirrored(pixels: Tensor, drawn: Drawn) -> Tensor:
    """Left and right exchanged, nothing interpolated."""
    return pixels.flip(3)


def warped(pixels: Tensor, drawn: Drawn) -> Tensor:
    """Turned clockwise, scaled about the middle and moved, in one bilinear step; edges are drawn out."""
    height, width = pixels.shape[2:]
    radians = drawn.between("warp.rotation", _either_way(drawn.settings.warp_rotation)) * (math.pi / 180)
    scale = drawn.by_ratio("warp.scale", drawn.settings.warp_scale)
    cos, sin = torch.cos(radians) / scale, torch.sin(radians) / scale
    shift = _either_way(drawn.settings.warp_shift)
    right, below = (2 * drawn.between(name, shift) for name in ("warp.x", "warp.y"))
    # grid_sample wants the way back, in units of half the width and half the height
    aspect = height / width
    matrix = torch.stack([cos, sin * aspect, -sin / aspect, cos], 1).view(-1, 2, 2)
    origin = -matrix @ torch.stack([right, below], 1)[:, :, None]
    grid = functional.affine_grid(torch.cat([matrix, origin], 2), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def cropped(pixels: Tensor, drawn: Drawn) -> Tensor:
    """What is outside a window is black; the window stays in its place and size (as in AdaFace)."""
    return pixels * _windows(pixels, drawn, "crop")


def occluded(pixels: Tensor, drawn: Drawn) -> Tensor:
    """A rectangle of one colour over the picture."""
    channels = [drawn[f"occlusion.{name}"] for name in ("red", "green", "blue")]
    colour = torch.stack(channels, 1)[:, :, None, None] * 255
    return torch.where(_windows(pixels, drawn, "occlusion"), colour, pixels)


def _either_way(most: float) -> tuple[float, float]:
    return -most, most


def _windows(pixels: Tensor, drawn: Drawn, kind: str) -> Tensor:
    # (n,1,h,w) bool: rectangles of whole pixels, anywhere that they fit
    area = drawn.between(f"{kind}.area", getattr(drawn.settings, f"{kind}_area"))
    aspect = drawn.by_ratio(f"{kind}.aspect", getattr(drawn.settings, f"{kind}_aspect"))
    height, width = pixels.shape[2:]
    high = ((area * height * width / aspect).sqrt().clamp(max=height)).round()
    wide = ((area * height * width * aspect).sqrt().clamp(max=width)).round()
    rows = _spans(height, high, drawn[f"{kind}.y"])
    columns = _spans(width, wide, drawn[f"{kind}.x"])
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _spans(side: int, length: Tensor, place: Tensor) -> Tensor:
    first = ((side - length + 1) * place).floor()[:, None]
    at = torch.arange(side, device=place.device)
    return (at >= first) & (at < first + length[:, None])
