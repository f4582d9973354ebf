"""Landmarks for detectors that have none: a second graph of the bundle, run on a square about each box.

The graph is MTCNN's O-Net without its other answers (Zhang et al. 2016, https://arxiv.org/abs/1604.02878).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import cv2
import numpy as np
from msgspec import Meta

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.errors import GraphError
from mien.values import Floats, Pixels

FILE = "landmarks.onnx"
SIDE = 48  # of what the graph sees
TOGETHER = 256  # faces in one run: bounds memory
MOST_SIDE = 2048  # of a square that is read pixel by pixel; of larger ones every second, third …
FARTHEST = 100  # sides of the square: beyond this an answer is no place on a face
Shift = Annotated[float, Meta(ge=-4, le=4)]

# (right, down, side) of the square: how far its centre lies from the box's, and its side, in widths of the box.
Square = tuple[Shift, Shift, Annotated[float, Meta(gt=0, le=4)]]


class Landmarks:
    """The bundle's graph of landmarks, ready to run; safe to call from several threads."""

    def __init__(self, bundle: Bundle, runtime: Runtime, square: Square) -> None:
        self._session = Session(bundle, FILE, runtime)
        self._square = square

    def __call__(self, pictures: Sequence[Pixels], boxes: Sequence[Floats]) -> list[Floats]:
        """The landmarks (n,5,2) of every picture (h,w,3) uint8 RGB with its boxes (n,4), in its pixels."""
        squares = [squares_about(found, self._square) for found in boxes]
        crops = [cut(picture, s) for picture, found in zip(pictures, squares, strict=True) for s in found]
        if not crops:
            return [np.empty((0, 5, 2), np.float32) for _ in pictures]
        places = np.concatenate([self._places(crops[i : i + TOGETHER]) for i in range(0, len(crops), TOGETHER)])
        every = np.concatenate(squares)
        points = every[:, None, :2] - 0.5 + places * every[:, None, 2:]
        return np.split(points.astype(np.float32), np.cumsum([len(found) for found in boxes])[:-1])

    def _places(self, crops: Sequence[Pixels]) -> Floats:
        return landmarks_of(self._session(np.stack(crops)), len(crops))


def squares_about(boxes: Floats, square: Square) -> Floats:
    """(n,3) left, top and side, whole pixels, of the squares that the graph is to see."""
    right, down, side = square
    width = (boxes[:, 2] - boxes[:, 0])[:, None]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + 0.5 + width * np.array([right, down], np.float32)
    sides = np.maximum(np.rint(width * side), 1)
    return np.concatenate([np.rint(centres - sides / 2), sides], axis=1).astype(np.float32)


def cut(picture: Pixels, square: Floats) -> Pixels:
    """The square at 48×48, black outside the picture."""
    step = max(1, int(square[2]) // MOST_SIDE)
    picture, (left, top, side) = picture[::step, ::step], (int(number) // step for number in square)
    height, width = picture.shape[:2]
    inside = picture[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if not inside.size:
        return np.zeros((SIDE, SIDE, 3), np.uint8)
    over = max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0)
    whole = cv2.copyMakeBorder(inside, *over, cv2.BORDER_CONSTANT) if any(over) else inside
    way = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return cv2.resize(whole, (SIDE, SIDE), interpolation=way)  # type: ignore[return-value]


def landmarks_of(outputs: Sequence[Floats], count: int) -> Floats:
    """(n,5,2) in shares of the square, from the one output of ten numbers a face: five x, then five y."""
    tens = [output for output in outputs if output.shape == (count, 10)]
    if len(tens) != 1:
        shapes = [output.shape for output in outputs]
        raise GraphError(f"{FILE}: one output of {(count, 10)} is wanted, {shapes} given")
    # Written so that NaN fails as well.
    if not np.abs(tens[0]).max() < FARTHEST:
        raise GraphError(f"{FILE}: its answers are no places on a face; it is damaged")
    return tens[0].reshape(-1, 2, 5).transpose(0, 2, 1)
