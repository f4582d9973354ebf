"""What is lost of pixels on the way: blur, motion, too few of them, JPEG."""

from __future__ import annotations

import math

import torch
from kornia.filters import filter2d, gaussian_blur2d
from torch import Tensor

from mien.training.with_torch.augment.drawn import Drawn
from mien.training.with_torch.augment.jpeg import coded


def blurred(pixels: Tensor, drawn: Drawn) -> Tensor:
    """A Gaussian, its sigma in pixels, as far as three of the recipe's largest; edges are drawn out."""
    sigma = drawn.between("blur.sigma", drawn.settings.blur_sigma)
    size = 2 * math.ceil(3 * drawn.settings.blur_sigma[1]) + 1
    return gaussian_blur2d(pixels, size, sigma[:, None].expand(-1, 2), border_type="replicate")


def smeared(pixels: Tensor, drawn: Drawn) -> Tensor:
    """The camera moved: the mean along a line of `motion_length` pixels, at any angle; edges are drawn out."""
    length = drawn.between("motion.length", drawn.settings.motion_length)
    angle = drawn["motion.angle"] * math.pi
    radius = math.ceil(drawn.settings.motion_length[1] / 2)
    return filter2d(pixels, _lines(length, angle, radius), border_type="replicate")


def coarsened(pixels: Tensor, drawn: Drawn) -> Tensor:
    """Shrunk, by area or by points between four pixels, half of them each; enlarged again by the latter."""
    scale = drawn.between("low_resolution.scale", drawn.settings.low_resolution_scale)
    by_area = drawn["low_resolution.filter"] < 0.5
    rows, columns = (_through(side, scale, by_area)[:, None] for side in pixels.shape[2:])
    return rows @ pixels @ columns.mT


def compressed(pixels: Tensor, drawn: Drawn) -> Tensor:
    """Through a JPEG file."""
    return coded(pixels, drawn.between("jpeg.quality", drawn.settings.jpeg_quality))


def _lines(length: Tensor, angle: Tensor, radius: int) -> Tensor:
    # (n,k,k): 1 on a line through the middle, falling to 0 within a pixel of it; sums to 1
    at = torch.arange(-radius, radius + 1, device=length.device, dtype=length.dtype)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along = (cos * at + sin * at[:, None]).abs() - (length[:, None, None] - 1) / 2
    beside = cos * at[:, None] - sin * at
    weights = (1 - torch.hypot(along.clamp(min=0), beside)).clamp(min=0)
    return weights / weights.sum((1, 2), keepdim=True)


def _through(side: int, scale: Tensor, by_area: Tensor) -> Tensor:
    # (n,side,side): down to `few` pixels, whose places beyond are never read, and up again
    few = (scale * side).round().clamp(min=1)[:, None, None]
    at = torch.arange(side, device=scale.device, dtype=scale.dtype)
    step = side / few
    first = at[:, None] * step
    overlap = torch.minimum(first + step, at + 1) - torch.maximum(first, at)
    areas = overlap.clamp(min=0) / step
    points = _tent(((at[:, None] + 0.5) * step - 0.5).clamp(0, side - 1), at)
    down = torch.where(by_area[:, None, None], areas, points)
    up = _tent(((at[:, None] + 0.5) / step - 0.5).clamp(min=0).minimum(few - 1), at)
    return up @ down


def _tent(places: Tensor, at: Tensor) -> Tensor:
    return (1 - (places - at).abs()).clamp(min=0)
