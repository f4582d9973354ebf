"""dlib's CNN detector: one network slid over a pyramid of the picture, all levels on one canvas.

Davis E. King, Max-Margin Object Detection (arXiv:1502.00046). Pyramid, canvas and suppression follow dlib 19–20
(image_transforms/image_pyramid.h, dnn/loss.h), so that its boxes come out. It has no landmarks: those come
from a second graph (MTCNN's O-Net), run on a square about the box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.errors import GraphError
from mien.images import shrink
from mien.recognition.boxes import suppress
from mien.recognition.detectors.head import decode_parameters, runs
from mien.recognition.detectors.landmarks import Landmarks, Square
from mien.values import Faces, Floats, Pixels

DETECTOR = "mmod.onnx"
LEAST_HEIGHT = 5  # dlib ends its pyramid below this
LEAST_CANVAS = 64  # smaller ones leave the network nothing to convolve
DRIFT = 0.3  # dlib's pyramid: a level's pixel x lies at x · octave/(octave − 1) + 0.3 one level up

Size = tuple[int, int]
Length = Annotated[int, Meta(ge=1, le=1024)]
Distance = Annotated[int, Meta(ge=0, le=1024)]
Places = NDArray[np.intp]


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the card says of this head; lengths are pixels of the canvas.

    window: (width, height) of what the network looks for. stride, first: the grid of its answers.
    overlap: a box goes where its intersection with a better one exceeds this part of the rectangle around
    both. padding, border: between and around the levels. octave: a level is (octave − 1)/octave of
    the one before. threshold: least score, 0..1. slope: score = 1/(1 + e^(−slope · confidence)), so that
    dlib's own threshold, confidence 0, is 0.5. longest: larger pictures are reduced to it. upsample: then
    doubled so many times. landmark_box: (right, down, side) of the square for the landmarks: how far its
    centre lies from the box's, and its side, in widths of the box.
    """

    window: tuple[Length, Length]
    stride: Length
    first: Distance
    overlap: Annotated[float, Meta(gt=0, le=1)]
    padding: Distance
    border: Distance
    octave: Annotated[int, Meta(ge=2, le=16)]
    threshold: Annotated[float, Meta(gt=0, lt=1)]
    slope: Annotated[float, Meta(gt=0, le=100)]
    longest: Annotated[int, Meta(ge=32, le=8192)]
    upsample: Annotated[int, Meta(ge=0, le=3)]
    landmark_box: Square


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where the levels lie: places (n,4) x, y, width, height; the canvas's own (height, width)."""

    places: Places
    size: Size


class Mmod:
    """The head `mmod`, ready to run; safe to call from several threads."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self._parameters = decode_parameters(bundle, Parameters)
        self._ground = np.rint(bundle.card.input.mean).astype(np.uint8)  # what becomes 0 to the network
        self._detector = Session(bundle, DETECTOR, runtime)
        self._landmarks = Landmarks(bundle, runtime, self._parameters.landmark_box)

    def __call__(self, images: Sequence[Pixels]) -> list[Faces]:
        """The faces of each image (h,w,3) uint8 RGB, best score first."""
        working = [self._working(image) for image in images]
        pictures = [picture for picture, _ in working]
        boxes, scores = zip(*self._scan(pictures), strict=True) if images else ((), ())
        landmarks = self._landmarks(pictures, boxes)
        return [
            Faces(*found).scaled(factor)
            for *found, (_, factor) in zip(boxes, landmarks, scores, working, strict=True)
        ]

    def _working(self, image: Pixels) -> tuple[Pixels, tuple[float, float]]:
        picture, (x, y) = shrink(image, self._parameters.longest)
        times = 2**self._parameters.upsample
        if times > 1:
            picture = cv2.resize(picture, None, fx=times, fy=times)  # type: ignore[assignment]
        return picture, (x / times, y / times)

    def _scan(self, pictures: Sequence[Pixels]) -> list[tuple[Floats, Floats]]:
        canvases = [lay_out(picture.shape[:2], self._parameters) for picture in pictures]
        found: dict[int, tuple[Floats, Floats]] = {}
        for numbers in runs([canvas.size for canvas in canvases]):
            painted = [paint(pictures[i], canvases[i], self._ground) for i in numbers]
            answers = self._detector(np.stack(painted))[0]
            if answers.ndim != 4 or answers.shape[:2] != (len(numbers), 1):
                raise GraphError(f"{DETECTOR}: one map of scores a picture is wanted, {answers.shape} given")
            for i, (confidences,) in zip(numbers, answers, strict=True):
                found[i] = decode(confidences, canvases[i], self._parameters)
        return [found[i] for i in range(len(pictures))]


def lay_out(size: Size, parameters: Parameters) -> Canvas:
    """dlib's canvas for a picture of (height, width): levels downwards, then a second column upwards."""
    levels = list(level_sizes(size, parameters.octave))
    padding, border = parameters.padding, parameters.border
    first_column = _first_column(levels, padding)
    height = sum(levels[i][0] + padding for i in range(first_column)) - padding
    width = size[1]
    places, y = [], border
    for rows, columns in levels[:first_column]:
        places.append((border, y, columns, rows))
        y += rows + padding
    y -= padding
    for rows, columns in levels[first_column:]:
        x, top = border + width - columns, y - rows
        if top < border + size[0] and x < border + width:
            break  # it would cover the picture itself
        places.append((x, top, columns, rows))
        y = top - padding
    whole = [max(side + 2 * border, LEAST_CANVAS) for side in (height, width)]
    return Canvas(np.array(places, np.intp), (whole[0], whole[1]))


def level_sizes(size: Size, octave: int) -> Iterator[Size]:
    """The (height, width) of every level of the pyramid, the picture's own first."""
    rows, columns = size
    yield size
    while True:
        rows, columns = (side * (octave - 1) // octave for side in (rows, columns))
        if rows < LEAST_HEIGHT or columns == 0:
            return
        yield rows, columns


def _first_column(levels: Sequence[Size], padding: int) -> int:
    """How many levels stand below each other before one fits beside the column, halfway down."""
    (tall, wide), total = levels[0], sum(rows + padding for rows, _ in levels) - 2 * padding
    height, last = 0, 0
    for number, (rows, columns) in enumerate(levels):
        if columns <= wide - last - padding and (height - tall) * 2 >= total - tall:
            return number
        height, last = height + rows + padding, columns
    return len(levels)


def paint(picture: Pixels, canvas: Canvas, ground: Pixels) -> Pixels:
    """The canvas (h,w,3) uint8: each level interpolated from the one before, as dlib does."""
    painted = np.empty((*canvas.size, 3), np.uint8)
    painted[:] = ground
    level = picture.astype(np.float32)
    for x, y, columns, rows in canvas.places:
        level = corner_to_corner(level, (rows, columns))
        painted[y : y + rows, x : x + columns] = np.rint(level)
    return painted


def corner_to_corner(image: Floats, size: Size) -> Floats:
    """Bilinear interpolation of (h,w,3) to `size` in which corner pixels fall on corner pixels."""
    for axis, want in enumerate(size):
        have = image.shape[axis]
        if have == want:
            continue
        at = np.linspace(0, have - 1, want, dtype=np.float32) if want > 1 else np.zeros(1, np.float32)
        low = np.minimum(at.astype(np.intp), max(have - 2, 0))
        part = (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        before = image.take(low, axis)
        image = image.take(np.minimum(low + 1, have - 1), axis)
        image -= before
        image *= part
        image += before
    return image


def decode(confidences: Floats, canvas: Canvas, parameters: Parameters) -> tuple[Floats, Floats]:
    """Boxes (n,4) in the picture and scores (n,) from the network's answers (rows, columns), best first.

    dlib's rectangles hold whole pixels, both ends included; here a box ends on the outer edges of its
    outer pixels, so the rectangle 10..19 is the box 9.5..19.5.
    """
    least = np.log(parameters.threshold / (1 - parameters.threshold)) / parameters.slope
    rows, columns = np.nonzero(confidences > least)
    scores = 1 / (1 + np.exp(-parameters.slope * confidences[rows, columns]))
    centres = parameters.stride * np.stack([columns, rows], axis=1) + parameters.first
    boxes = _in_picture(centres, canvas, parameters)
    kept = suppress(boxes, scores, parameters.overlap, "enclosing")
    return boxes[kept], scores[kept]


def _in_picture(centres: Places, canvas: Canvas, parameters: Parameters) -> Floats:
    low = canvas.places[:, :2]
    high = low + canvas.places[:, 2:] - 1
    away = np.maximum(np.maximum(low - centres[:, None], centres[:, None] - high), 0)
    level = (away**2).sum(axis=2).argmin(axis=1)
    reach = (np.array(parameters.window) - 1) / 2
    corners = np.stack([centres - reach, centres + reach], axis=1) - low[level][:, None]
    rate = parameters.octave / (parameters.octave - 1)
    growth = (rate**level)[:, None, None]
    corners = corners * growth + DRIFT * (growth - 1) / (rate - 1)
    outwards = np.array([[-0.5], [0.5]])
    boxes: Floats = (corners + outwards).reshape(-1, 4).astype(np.float32)
    return boxes
