"""Detectors that answer on grids: a cell of the canvas says how sure it is of a face and where the face lies.

SCRFD and YuNet share all of it but one function, from a cell's four numbers to a box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.bundle.bundle import Bundle
from mien.bundle.card import MAX_SIDE, Part
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.errors import CardError, GraphError
from mien.images import fit, shrink
from mien.recognition.boxes import suppress
from mien.recognition.detectors.head import decode_parameters, runs
from mien.recognition.detectors.landmarks import Landmarks, Square
from mien.values import Faces, Floats, Pixels

GRAPH = "model.onnx"
FARTHEST = 1e6  # pixels: beyond this a graph's answer is no place on a picture

# Four numbers (k,4) and the cells (k,2) x, y that returned them → boxes (k,4); all lengths in cells.
BoxOf = Callable[[Floats, Floats], Floats]


class Level(Part, frozen=True, kw_only=True):
    """One grid: pixels from cell to cell, and the graph's outputs by name.

    scores: outputs of one number a place, whose geometric mean is the score. boxes: of four. landmarks: of
    ten, x and y of each landmark in cells from its own cell; None where the graph has none.
    """

    stride: int
    scores: tuple[str, ...]
    boxes: str
    landmarks: str | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """All the outputs that this level reads."""
        return (*self.scores, self.boxes, *([self.landmarks] if self.landmarks else []))

    def __post_init__(self) -> None:
        """Refuse grids without cells or without a score."""
        if not 1 <= self.stride <= 1024 or not self.scores:
            raise ValueError("a level needs a stride of 1 to 1024 and at least one output of scores")


class Parameters(Part, frozen=True, kw_only=True):
    """What the card says of a head on grids.

    anchors: answers of one cell. score: least score of a face, 0..1. overlap: of two faces with a larger
    intersection over union the better one stays. most: best answers of a picture that are looked at. For a
    graph that takes any size: either size, the (height, width) onto which a picture is scaled, or longest, the
    side up to which it stays as large as it is and is only padded. landmark_box: of a bundle whose levels have
    no landmarks, (right, down, side) of the square in which landmarks.onnx finds them: how far its centre lies
    from the box's, and its side, in widths of the box.
    """

    levels: tuple[Level, ...]
    anchors: int
    score: float
    overlap: float
    most: int
    size: tuple[int, int] | None = None
    longest: int | None = None
    landmark_box: Square | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no picture and no face can have."""
        if not self.levels:
            raise ValueError("levels: at least one is wanted")
        if {level.landmarks is None for level in self.levels} != {self.landmark_box is not None}:
            raise ValueError("landmarks: either every level has them, or none has and landmark_box is given")
        if not (1 <= self.anchors <= 64 and 1 <= self.most <= 100_000):
            raise ValueError("anchors are 1 to 64, most is 1 to 100000")
        if not (0 < self.score <= 1 and 0 <= self.overlap <= 1):
            raise ValueError("score and overlap are 0 to 1")
        if self.size and self.longest:
            raise ValueError("size and longest exclude each other")
        if not all(1 <= side <= MAX_SIDE for side in self.size or (self.longest or 1,)):
            raise ValueError(f"longest and the sides of size are 1 to {MAX_SIDE}")


class GridHead:
    """A detector on grids, ready to run; safe to call from several threads."""

    def __init__(self, bundle: Bundle, runtime: Runtime, box_of: BoxOf) -> None:
        self._parameters = decode_parameters(bundle, Parameters)
        self._size, self._stride = _canvas(bundle, self._parameters)
        self._session = Session(bundle, GRAPH, runtime)
        self._box_of = box_of
        square = self._parameters.landmark_box
        self._landmarks = Landmarks(bundle, runtime, square) if square else None
        _require_outputs(bundle, self._parameters, self._session.output_names)

    def __call__(self, images: Sequence[Pixels]) -> list[Faces]:
        """The faces of each image (h,w,3) uint8 RGB, in its pixels, best score first."""
        laid = [self._lay(image) for image in images]
        found: dict[int, Faces] = {}
        for numbers in runs([canvas.shape[:2] for canvas, _ in laid]):
            for number, faces in zip(numbers, self._run([laid[i][0] for i in numbers]), strict=True):
                factor = laid[number][1]
                found[number] = faces if factor == (1, 1) else faces.scaled(factor)
        every = [found[number] for number in range(len(laid))]
        if self._landmarks is None:
            return every
        # From the pictures themselves: on a canvas a face may be smaller than what the graph looks at.
        landmarks = self._landmarks(images, [faces.boxes for faces in every])
        return [Faces(f.boxes, points, f.scores) for f, points in zip(every, landmarks, strict=True)]

    def _lay(self, image: Pixels) -> tuple[Pixels, tuple[float, float]]:
        if self._size:
            return fit(image, self._size)
        smaller, factor = shrink(image, self._parameters.longest or MAX_SIDE)
        return padded(smaller, self._stride), factor

    def _run(self, canvases: Sequence[Pixels]) -> list[Faces]:
        # Stacking one canvas would copy it for nothing.
        batch = canvases[0][None] if len(canvases) == 1 else np.stack(canvases)
        outputs = dict(zip(self._session.output_names, self._session(batch), strict=True))
        return decode(outputs, batch.shape[:3], self._parameters, self._box_of)


def padded(image: Pixels, stride: int) -> Pixels:
    """The image with black at its right and lower edge, its sides multiples of `stride`."""
    down, right = (-side % stride for side in image.shape[:2])
    if not down and not right:
        return image
    return cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_CONSTANT)  # type: ignore[return-value]


def decode(
    outputs: Mapping[str, Floats], shape: tuple[int, ...], parameters: Parameters, box_of: BoxOf
) -> list[Faces]:
    """The faces of every canvas of a batch of `shape` (n, height, width), in its pixels, best score first.

    Only places whose score suffices are decoded. GraphError where the outputs are not what `parameters`
    promise.
    """
    found = [_found(level, outputs, shape, parameters, box_of) for level in parameters.levels]
    sure = [each for each in found if len(each[0])]
    if not sure:
        return [Faces.none() for _ in range(shape[0])]
    owners, scores, places = (np.concatenate(each) for each in zip(*sure, strict=True))
    # Written so that NaN fails as well.
    if not np.abs(places).max() < FARTHEST:
        raise GraphError("the graph's boxes or landmarks are no places on a picture; it is damaged")
    if shape[0] == 1:
        return [_best(scores, places, parameters)]
    chosen = (np.flatnonzero(owners == number) for number in range(shape[0]))
    return [_best(scores[mine], places[mine], parameters) for mine in chosen]


def _found(
    level: Level, outputs: Mapping[str, Floats], shape: tuple[int, ...], parameters: Parameters, box_of: BoxOf
) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Of every answer that suffices: its canvas (k,), score (k,), box and landmarks (k,14), or box (k,4)."""
    rows, columns = shape[1] // level.stride, shape[2] // level.stride
    count = shape[0] * rows * columns * parameters.anchors
    scores = _product([_table(outputs, name, count, 1)[:, 0] for name in level.scores])
    spans = _table(outputs, level.boxes, count, 4)
    points = _table(outputs, level.landmarks, count, 10) if level.landmarks else None
    power = len(level.scores)
    hits = np.flatnonzero(scores >= parameters.score**power)
    if not hits.size:
        return hits, scores[:0], np.empty((0, 14), np.float32)
    owners, cells = np.divmod(hits // parameters.anchors, rows * columns)
    y, x = np.divmod(cells, columns)
    corners = np.stack([x, y], axis=1).astype(np.float32)  # (k,2)
    places = box_of(spans[hits], corners)
    if points is not None:
        places = np.concatenate([places, points[hits] + np.tile(corners, 5)], axis=1)
    sure = np.minimum(scores[hits] ** np.float32(1 / power), 1)
    return owners, sure, places * np.float32(level.stride)


def _table(outputs: Mapping[str, Floats], name: str, rows: int, columns: int) -> Floats:
    output = outputs[name]
    if output.dtype != np.float32 or output.size != rows * columns or output.shape[-1:] != (columns,):
        raise GraphError(
            f"output {name!r} is {output.shape} {output.dtype}, where {rows} × {columns} float32 are promised"
        )
    return output.reshape(rows, columns)


def _product(scores: Sequence[Floats]) -> Floats:
    whole = scores[0]
    for part in scores[1:]:
        whole = whole * part
    return whole


def _best(scores: Floats, places: Floats, parameters: Parameters) -> Faces:
    if len(scores) > parameters.most:
        first = np.argsort(-scores, kind="stable")[: parameters.most]
        scores, places = scores[first], places[first]
    kept = suppress(places[:, :4], scores, parameters.overlap)
    best = places[kept]
    # Where the grids have no landmarks, these zeros stand until the bundle's other graph has found them.
    landmarks = best[:, 4:] if best.shape[1] > 4 else np.zeros((len(best), 10), np.float32)
    return Faces(best[:, :4], landmarks.reshape(-1, 5, 2), scores[kept])


def _canvas(bundle: Bundle, parameters: Parameters) -> tuple[tuple[int, int] | None, int]:
    """The canvas's size, or None where it is the picture's own padded to the stride that follows."""
    spec = bundle.card.input
    if spec.size and (parameters.size or parameters.longest):
        raise CardError(f"{bundle.folder}: input.size is fixed, so parameters hold neither size nor longest")
    size = spec.size or parameters.size
    steps = [spec.stride] if size is None else list(size)
    for level in parameters.levels:
        if any(step % level.stride for step in steps):
            raise CardError(f"{bundle.folder}: {steps} is no multiple of the level's stride {level.stride}")
    return size, spec.stride


def _require_outputs(bundle: Bundle, parameters: Parameters, names: Sequence[str]) -> None:
    missing = {name for level in parameters.levels for name in level.outputs} - set(names)
    if missing:
        raise CardError(
            f"{bundle.folder}: the graph has no output {', '.join(sorted(missing))}; it has {', '.join(names)}"
        )
