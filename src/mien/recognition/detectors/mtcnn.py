"""MTCNN: proposals from an image pyramid, refined twice (Zhang et al. 2016, https://arxiv.org/abs/1604.02878).

Inside, boxes run from pixel edge to pixel edge (a pixel is 0..1 wide); what leaves has pixel centres at whole
numbers, as everywhere in mien.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.images import shrink
from mien.recognition.boxes import Numbers, suppress
from mien.recognition.detectors.head import decode_parameters
from mien.values import Faces, Floats, Pixels

CELL, STRIDE = 12, 2  # P-Net sees 12×12 pixels at a time, two pixels apart
R_SIDE, O_SIDE = 24, 48
TOGETHER = 512  # candidates in one run: bounds memory, and a stacked cut stays under OpenCV's 32,767 rows
Rate = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Halvings = Sequence[Pixels]  # a picture, then half of it, a quarter …


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """min_face: the smallest face looked for, in pixels of the picture as it is worked on. factor: from one
    level of the pyramid to the next. thresholds: of the three stages. longest: larger pictures are shrunk to
    that. most: proposals of one level, then of one picture, that go on.
    """

    min_face: Annotated[float, msgspec.Meta(ge=CELL, le=4096)]
    factor: Annotated[float, msgspec.Meta(ge=0.3, le=0.95)]
    thresholds: tuple[Rate, Rate, Rate]
    longest: Annotated[int, msgspec.Meta(ge=64, le=8192)]
    most: Annotated[int, msgspec.Meta(ge=1, le=20000)]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Candidates: boxes (n,4), scores (n,), the moves (n,4) a network asks for, and whose they are (n,)."""

    boxes: Floats
    scores: Floats
    moves: Floats
    owners: Numbers

    @classmethod
    def joined(cls, parts: Sequence[Found]) -> Found:
        """All candidates of several parts, in their order."""
        return cls(
            np.concatenate([np.empty((0, 4), np.float32), *(part.boxes for part in parts)]),
            np.concatenate([np.empty(0, np.float32), *(part.scores for part in parts)]),
            np.concatenate([np.empty((0, 4), np.float32), *(part.moves for part in parts)]),
            np.concatenate([np.empty(0, np.intp), *(part.owners for part in parts)]),
        )

    def __getitem__(self, keep: NDArray[np.generic]) -> Found:
        return Found(self.boxes[keep], self.scores[keep], self.moves[keep], self.owners[keep])

    def moved(self) -> Floats:
        """The boxes after their moves, which are shares of their sides."""
        spans = self.boxes[:, 2:] - self.boxes[:, :2]
        moved: Floats = self.boxes + self.moves * np.concatenate([spans, spans], axis=1)
        return moved


class Mtcnn:
    """The three networks ready to run; the second and third see the candidates of all images together."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self._settings = decode_parameters(bundle, Parameters)
        self._propose, self._refine, self._settle = (
            Session(bundle, f"{net}.onnx", runtime) for net in ("pnet", "rnet", "onet")
        )

    def __call__(self, images: Sequence[Pixels]) -> list[Faces]:
        """The faces of each image (h,w,3) uint8 RGB, in its pixels, best score first."""
        shrunk = [shrink(image, self._settings.longest) for image in images]
        views = [_halvings(small) for small, _ in shrunk]
        parts = [self._proposals(view, owner) for owner, view in enumerate(views)]
        faces, owners = self._settled(views, self._refined(views, Found.joined(parts)))
        return [faces[owners == owner].scaled(factor) for owner, (_, factor) in enumerate(shrunk)]

    def _proposals(self, view: Halvings, owner: int) -> Found:
        found = Found.joined([self._level(view, scale, owner) for scale in self._scales(view[0])])
        return found[suppress(found.boxes, found.scores, 0.7)[: self._settings.most]]

    def _scales(self, image: Pixels) -> list[float]:
        scale, side = CELL / self._settings.min_face, min(image.shape[:2])
        scales = []
        while side * scale >= CELL:
            scales.append(scale)
            scale *= self._settings.factor
        return scales

    def _level(self, view: Halvings, scale: float, owner: int) -> Found:
        size = tuple(int(np.ceil(side * scale)) for side in view[0].shape[1::-1])
        step = int(_steps(np.array([1 / scale]), view)[0])
        level = cv2.resize(view[step], size, interpolation=cv2.INTER_AREA)
        score, move = self._propose(level[None])  # type: ignore[arg-type]
        rows, columns = np.nonzero(score[0, 0] >= self._settings.thresholds[0])
        scores = score[0, 0, rows, columns]
        best = np.argsort(-scores, kind="stable")[: self._settings.most]
        corners = np.stack([columns[best], rows[best]], axis=1).astype(np.float32) * STRIDE
        cells = np.concatenate([corners, corners + CELL], axis=1)
        # In whole numbers: cells four pixels apart overlap by exactly 0.5, and scaling first would toss a coin.
        best, cells = (array[suppress(cells, scores[best], 0.5)] for array in (best, cells))
        # The level's own scale: sizes are whole numbers, and halving leaves out an odd last row.
        own = np.array(view[step].shape[1::-1], np.float32) * 2**step / np.array(size, np.float32)
        moves = move[0][:, rows[best], columns[best]].T
        return Found(cells * np.tile(own, 2), scores[best], moves, np.full(len(best), owner))

    def _refined(self, views: Sequence[Halvings], found: Found) -> Found:
        squares, owners = _squares(found.moved()), found.owners
        parts = [Found.joined([])]
        for some in _bunches(len(squares)):
            score, move = self._refine(_cut(views, squares[some], owners[some], R_SIDE))
            part = Found(squares[some], score[:, 0], move, owners[some])
            parts.append(part[part.scores >= self._settings.thresholds[1]])
        found = Found.joined(parts)
        return found[suppress(found.boxes, found.scores, 0.7, groups=found.owners)]

    def _settled(self, views: Sequence[Halvings], found: Found) -> tuple[Faces, Numbers]:
        squares, owners = _squares(found.moved()), found.owners
        parts, points = [Found.joined([])], [np.empty((0, 5, 2), np.float32)]
        for some in _bunches(len(squares)):
            score, move, places = self._settle(_cut(views, squares[some], owners[some], O_SIDE))
            part = Found(squares[some], score[:, 0], move, owners[some])
            good = part.scores >= self._settings.thresholds[2]
            parts.append(part[good])
            points.append(_points(squares[some][good], places[good]))
        found = Found.joined(parts)
        boxes = found.moved()
        keep = suppress(boxes, found.scores, 0.7, "smaller", found.owners)
        faces = Faces(boxes[keep] - 0.5, np.concatenate(points)[keep] - 0.5, found.scores[keep])
        return faces, found.owners[keep]


def _halvings(image: Pixels) -> Halvings:
    """The image, then each the mean of 2×2 pixels of the one before, down to P-Net's cell."""
    view = [image]
    while min(view[-1].shape[:2]) >= 2 * CELL:
        height, width = (side // 2 for side in view[-1].shape[:2])
        whole = view[-1][: 2 * height, : 2 * width]
        view.append(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))  # type: ignore[arg-type]
    return view


def _steps(shrinking: NDArray[np.floating], view: Halvings) -> Numbers:
    """How often to halve before shrinking, so that less than a factor of two is left."""
    steps: Numbers = np.clip(np.floor(np.log2(shrinking)), 0, len(view) - 1).astype(np.intp)
    return steps


def _bunches(count: int) -> list[slice]:
    return [slice(start, start + TOGETHER) for start in range(0, count, TOGETHER)]


def _squares(boxes: Floats) -> Floats:
    """The boxes made square about their middles."""
    half = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True), 1) / 2
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def _points(squares: Floats, places: Floats) -> Floats:
    """(n,5,2) landmarks from ten numbers each: five x, then five y, as shares of the square before it moves."""
    shares = places.reshape(-1, 2, 5).transpose(0, 2, 1)
    points: Floats = squares[:, None, :2] + shares * (squares[:, 2:] - squares[:, :2])[:, None]
    return points


def _cut(views: Sequence[Halvings], squares: Floats, owners: Numbers, side: int) -> Pixels:
    """(n,side,side,3): what the squares show of their owners' pictures; black outside."""
    crops = np.empty((len(squares), side, side, 3), np.uint8)
    for owner in np.unique(owners):
        mine = np.nonzero(owners == owner)[0]
        steps = _steps((squares[mine, 2] - squares[mine, 0]) / side, views[owner])
        for step in np.unique(steps):
            some = mine[steps == step]
            crops[some] = _sampled(views[owner][step], squares[some] / np.float32(2**step), side)
    return crops


def _sampled(image: Pixels, squares: Floats, side: int) -> Pixels:
    """Every square at side×side, linear between pixels, in one call: the crops stand below each other."""
    shares = (np.arange(side, dtype=np.float32) + 0.5) / side
    at = squares[:, None, :2] + shares[:, None] * (squares[:, 2:] - squares[:, :2])[:, None] - 0.5
    shape = (len(squares), side, side)
    columns, rows = np.broadcast_to(at[:, None, :, 0], shape), np.broadcast_to(at[:, :, None, 1], shape)
    across, down = (np.ascontiguousarray(part).reshape(-1, side) for part in (columns, rows))
    crops = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return crops.astype(np.uint8, copy=False).reshape(*shape, 3)
