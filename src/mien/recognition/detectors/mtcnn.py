"""MTCNN: proposals from an image pyramid, refined twice (Zhang et al. 2016, https://arxiv.org/abs/1604.02878).

Inside, boxes run from pixel edge to pixel edge (a pixel is 0..1 wide); what leaves has pixel centres at whole
numbers, as everywhere in mien.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import cv2
import msgspec
import numpy as np

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.images import shrink
from mien.recognition.boxes import suppress
from mien.recognition.detectors.head import decode_parameters
from mien.values import Faces, Floats, Pixels

CELL, STRIDE = 12, 2  # P-Net sees 12×12 pixels at a time, two pixels apart
R_SIDE, O_SIDE = 24, 48
Rate = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """min_face: the smallest face looked for, in pixels of the picture as it is worked on. factor: from one
    level of the pyramid to the next. thresholds: of the three stages. longest: larger pictures are shrunk to
    that. most: proposals of one picture that go on to the second stage.
    """

    min_face: Annotated[float, msgspec.Meta(ge=CELL, le=4096)]
    factor: Annotated[float, msgspec.Meta(ge=0.3, le=0.95)]
    thresholds: tuple[Rate, Rate, Rate]
    longest: Annotated[int, msgspec.Meta(ge=64, le=8192)]
    most: Annotated[int, msgspec.Meta(ge=1, le=20000)]


class Mtcnn:
    """The three networks ready to run; each runs once for all the candidates of an image."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self._settings = decode_parameters(bundle, Parameters)
        self._propose, self._refine, self._settle = (
            Session(bundle, f"{net}.onnx", runtime) for net in ("pnet", "rnet", "onet")
        )

    def __call__(self, images: Sequence[Pixels]) -> list[Faces]:
        """The faces of each image (h,w,3) uint8 RGB, in its pixels, best score first."""
        return [self._find(image) for image in images]

    def _find(self, image: Pixels) -> Faces:
        small, factor = shrink(image, self._settings.longest)
        boxes = self._proposals(small)
        boxes = self._refined(small, boxes)
        return self._settled(small, boxes).scaled(factor)

    def _proposals(self, image: Pixels) -> Floats:
        found = [self._level(image, scale) for scale in self._scales(image)]
        boxes, scores, moves = (
            (np.concatenate(part) for part in zip(*found, strict=True)) if found else _nothing()
        )
        keep = suppress(boxes, scores, 0.7)[: self._settings.most]
        return _moved(boxes[keep], moves[keep])

    def _scales(self, image: Pixels) -> list[float]:
        scale, side = CELL / self._settings.min_face, min(image.shape[:2])
        scales = []
        while side * scale >= CELL:
            scales.append(scale)
            scale *= self._settings.factor
        return scales

    def _level(self, image: Pixels, scale: float) -> tuple[Floats, Floats, Floats]:
        size = tuple(int(np.ceil(side * scale)) for side in image.shape[1::-1])
        level = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        score, move = self._propose(level[None])  # type: ignore[arg-type]
        rows, columns = np.nonzero(score[0, 0] >= self._settings.thresholds[0])
        corners = np.stack([columns, rows], axis=1).astype(np.float32) * STRIDE
        # The level's own scale: its size was rounded up.
        own = np.array(image.shape[1::-1], np.float32) / size
        boxes = np.concatenate([corners * own, (corners + CELL) * own], axis=1)
        scores = score[0, 0, rows, columns]
        keep = suppress(boxes, scores, 0.5)
        return boxes[keep], scores[keep], move[0][:, rows, columns].T[keep]

    def _refined(self, image: Pixels, boxes: Floats) -> Floats:
        squares, crops = _cut(image, boxes, R_SIDE)
        if not len(crops):
            return squares
        score, move = self._refine(crops)
        good = score[:, 0] >= self._settings.thresholds[1]
        squares, scores, move = squares[good], score[good, 0], move[good]
        keep = suppress(squares, scores, 0.7)
        return _moved(squares[keep], move[keep])

    def _settled(self, image: Pixels, boxes: Floats) -> Faces:
        squares, crops = _cut(image, boxes, O_SIDE)
        if not len(crops):
            return Faces.none()
        score, move, places = self._settle(crops)
        good = score[:, 0] >= self._settings.thresholds[2]
        squares, scores = squares[good], score[good, 0]
        # Ten numbers: five x, then five y, as shares of the square before it is moved.
        places = places[good].reshape(-1, 2, 5).transpose(0, 2, 1)
        points = squares[:, None, :2] + places * (squares[:, 2:] - squares[:, :2])[:, None]
        boxes = _moved(squares, move[good])
        keep = suppress(boxes, scores, 0.7, over="smaller")
        return Faces(boxes[keep] - 0.5, points[keep] - 0.5, scores[keep])


def _nothing() -> tuple[Floats, Floats, Floats]:
    return np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 4), np.float32)


def _moved(boxes: Floats, moves: Floats) -> Floats:
    spans = boxes[:, 2:] - boxes[:, :2]
    moved: Floats = boxes + moves * np.concatenate([spans, spans], axis=1)
    return moved


def _cut(image: Pixels, boxes: Floats, side: int) -> tuple[Floats, Pixels]:
    """The boxes made square on whole pixels, and what they show at side×side; black outside the image."""
    spans = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    low = np.round((boxes[:, :2] + boxes[:, 2:] - spans) / 2)
    squares = np.concatenate([low, low + np.maximum(np.round(spans), 1)], axis=1)
    size = np.array(image.shape[1::-1])
    squares = squares[(squares[:, :2] < size).all(axis=1) & (squares[:, 2:] > 0).all(axis=1)]
    crops = np.empty((len(squares), side, side, 3), np.uint8)
    for crop, (x1, y1, x2, y2) in zip(crops, squares.astype(int), strict=True):
        _resize_into(crop, image, (x1, y1, x2, y2))
    return squares, crops


def _resize_into(crop: Pixels, image: Pixels, square: tuple[int, int, int, int]) -> None:
    x1, y1, x2, y2 = square
    height, width = image.shape[:2]
    part = image[max(y1, 0) : y2, max(x1, 0) : x2]
    missing = (max(-y1, 0), max(y2 - height, 0), max(-x1, 0), max(x2 - width, 0))
    if any(missing):
        part = cv2.copyMakeBorder(part, *missing, cv2.BORDER_CONSTANT)  # type: ignore[assignment]
    shrinking = part.shape[0] > crop.shape[0]
    cv2.resize(
        part, crop.shape[1::-1], dst=crop, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    )
