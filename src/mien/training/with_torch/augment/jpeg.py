"""What JPEG does to pixels, for a batch: every step of the standard that loses something, none of its files."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 8
# ITU-T T.81, Annex K.1: the tables that libjpeg scales by the quality, brightness and colour.
BRIGHTNESS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
COLOUR = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * BLOCK,) * 4,
)
# ITU-T T.871 (JFIF): RGB to Y, Cb, Cr, these two about 0 here; and back.
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def coded(pixels: Tensor, quality: Tensor) -> Tensor:
    """(n,3,h,w) in 0..255 as read back from JPEG files of `quality` (n,), 1..100; colour at half resolution.

    libjpeg's steps and its rounding between them, with an exact cosine transform in place of its whole-number
    one. kornia's codec is made to be differentiable: its softened rounding leaves much of what JPEG removes.
    """
    height, width = pixels.shape[2:]
    padding = (0, -width % (2 * BLOCK), 0, -height % (2 * BLOCK))
    whole = functional.pad(pixels.round(), padding, mode="replicate")
    ycc = _turned(whole, TO_YCC).round()
    brightness = _quantised(ycc[:, :1] - 128, quality, BRIGHTNESS) + 128
    colour = _quantised(_halved(ycc[:, 1:]), quality, COLOUR)
    # libjpeg's "fancy upsampling"
    fine = functional.interpolate(colour, scale_factor=2, mode="bilinear").round()
    rgb = _turned(torch.cat([brightness, fine], 1), TO_RGB)
    return rgb[:, :, :height, :width].round().clamp(0, 255)


def _turned(pixels: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return (pixels.new_tensor(matrix) @ pixels.flatten(2)).view_as(pixels)


def _halved(planes: Tensor) -> Tensor:
    # the mean of four, where libjpeg rounds halves down and up in turn from column to column
    sums = functional.avg_pool2d(planes, 2) * 4
    bias = 1 + torch.arange(sums.shape[3], device=planes.device) % 2
    return ((sums + bias) / 4).floor()


def _quantised(planes: Tensor, quality: Tensor, table: tuple[tuple[int, ...], ...]) -> Tensor:
    n, c, height, width = planes.shape
    cosines = _cosines(planes)
    blocks = planes.view(n, c, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    steps = _steps(quality, planes.new_tensor(table))[:, None, None, None]
    kept = (cosines @ blocks @ cosines.T / steps).round() * steps
    pixels = (cosines.T @ kept @ cosines).transpose(3, 4).reshape(n, c, height, width)
    return pixels.round().clamp(-128, 127)


def _cosines(like: Tensor) -> Tensor:
    # the orthonormal DCT-II of eight numbers, (frequency, place): JPEG's own scaling
    place = torch.arange(BLOCK, device=like.device, dtype=like.dtype)
    waves = torch.cos((2 * place + 1) * place[:, None] * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    waves[0] /= math.sqrt(2)
    return waves


def _steps(quality: Tensor, table: Tensor) -> Tensor:
    # libjpeg's jpeg_quality_scaling: whole percentages of whole numbers, (n,8,8)
    quality = quality.round()
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    return ((table * percent[:, None, None] + 50) / 100).floor().clamp(1, 255)
