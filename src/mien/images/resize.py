"""Pictures at other sizes, each with the exact way back."""

from __future__ import annotations

import cv2
import numpy as np

from mien.errors import InputError
from mien.images.headers import Size
from mien.values import Pixels


def shrink(pixels: Pixels, longest: int) -> tuple[Pixels, tuple[float, float]]:
    """`pixels` with the longer side at most `longest`, each new pixel the mean of those it covers.

    Returns them with the factor that `Faces.scaled` takes to come back. Smaller pictures stay as they are.
    """
    height, width = pixels.shape[:2]
    if longest < 1:
        raise InputError(f"longest={longest}: at least 1 pixel is wanted")
    if max(height, width) <= longest:
        return pixels, (1.0, 1.0)
    return _resized(pixels, longest / max(height, width), (longest, longest), cv2.INTER_AREA)


def fit(pixels: Pixels, size: tuple[int, int]) -> tuple[Pixels, tuple[float, float]]:
    """`pixels` scaled up or down onto the top left of a black canvas of `size` (height, width).

    Returns the canvas and the factor that `Faces.scaled` takes to come back.
    """
    height, width = pixels.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    scaled, factor = _resized(pixels, scale, size, cv2.INTER_LINEAR)
    canvas = np.zeros((*size, 3), np.uint8)
    canvas[: scaled.shape[0], : scaled.shape[1]] = scaled
    return canvas, factor


def _resized(
    pixels: Pixels, scale: float, most: tuple[int, int], how: int
) -> tuple[Pixels, tuple[float, float]]:
    """`pixels` times `scale`, no larger than `most` (height, width), and the exact factor back."""
    height, width = (
        min(max(1, round(side * scale)), limit) for side, limit in zip(pixels.shape[:2], most, strict=True)
    )
    # Means over whole blocks first: four times as fast as INTER_AREA at once, and no aliasing with
    # INTER_LINEAR. The last pixels that fill no block are left out, so that the way back is exact.
    block = max(1, min(pixels.shape[0] // height, pixels.shape[1] // width))
    if block > 1:
        rows, columns = (side // block for side in pixels.shape[:2])
        pixels = _scaled(pixels[: rows * block, : columns * block], (columns, rows), cv2.INTER_AREA)
    factor = (block * pixels.shape[1] / width, block * pixels.shape[0] / height)
    return _scaled(pixels, (width, height), how), factor


def _scaled(pixels: Pixels, size: Size, how: int) -> Pixels:
    return cv2.resize(pixels, size, interpolation=how).astype(np.uint8, copy=False)
