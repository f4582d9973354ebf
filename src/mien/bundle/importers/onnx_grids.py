"""Detectors on grids: which family a graph is of and where its answers are, told by its outputs' shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mien.bundle.importers.onnx_probe import PROBE, Channels, Picture
from mien.errors import GraphError
from mien.values import Floats

STRIDES = (8, 16, 32, 64, 128)  # of a detector's grids, finest first
Level = dict[str, Any]  # `mien.recognition.detectors.grids.Level`, as the card holds it


@dataclass(frozen=True, slots=True)
class Grids:
    """A family of detectors: what its graphs look like, and the numbers that no graph holds.

    scores: outputs of one number a place on each grid. parameters: those of the head (see
    `mien.recognition.detectors.grids`); canvas: further ones where the graph takes pictures of any size.
    landmark_box: a further one where the graph has no landmarks; None: such a graph is not of this family.
    """

    head: str
    scores: int
    channels: Channels
    mean: float
    scale: float
    parameters: dict[str, Any]
    canvas: dict[str, Any]
    landmark_box: tuple[float, float, float] | None = None


SCRFD = Grids(
    head="scrfd",
    scores=1,
    channels="RGB",
    mean=127.5,
    scale=1 / 128,
    parameters={"score": 0.5, "overlap": 0.4, "most": 5000},
    canvas={"size": [640, 640]},
    # On twice 400 faces of lfw-dev O-Net's landmarks lie 0.037 eye distances (median) from SCRFD's own; with
    # 0.1 more or less of the side, or 0.05 of the place, 0.039 at most; with 0.4 more of the side, 0.052.
    landmark_box=(0.0, 0.0, 1.1),
)
YUNET = Grids(
    head="yunet",
    scores=2,
    channels="BGR",
    mean=0.0,
    scale=1.0,
    parameters={"score": 0.7, "overlap": 0.3, "most": 5000},
    canvas={"longest": 1280},
)


def levels_of(family: Grids, outputs: Mapping[str, Floats], picture: Picture) -> tuple[list[Level], int]:
    """The grids, finest first, and the answers of a cell: told by shape, for names differ from file to file.

    The levels have no landmarks where the graph has none. GraphError unless the graph is of `family`.
    """
    ones, boxes, landmarks = (_finest_first(outputs, columns) for columns in (1, 4, 10))
    _require_counts(family, outputs, (len(ones), len(boxes), len(landmarks)))
    n, scores = len(boxes), family.scores
    levels: list[Level] = [
        {"stride": stride, "scores": ones[i * scores :][:scores], "boxes": boxes[i]}
        | ({"landmarks": landmarks[i]} if landmarks else {})
        for i, stride in zip(range(n), STRIDES, strict=False)
    ]
    anchors = {_anchors(outputs[name], level["stride"], picture) for level in levels for name in _names(level)}
    if len(anchors) != 1 or 0 in anchors:
        shape = picture.size or PROBE
        raise GraphError(
            f"grids of {STRIDES[:n]} pixels on a picture of {shape} do not give its outputs' lengths"
        )
    if any(outputs[name].min() < 0 or outputs[name].max() > 1 for name in ones):
        raise GraphError("its outputs of one number a place are no scores: they leave 0..1")
    return levels, anchors.pop()


def _require_counts(family: Grids, outputs: Mapping[str, Floats], counts: tuple[int, int, int]) -> None:
    have, n, scores = (*counts, len(outputs) - sum(counts)), counts[1], family.scores
    fits = have == (scores * n, n, n, 0) or (family.landmark_box and have == (scores * n, n, 0, 0))
    if fits and n <= len(STRIDES):
        return
    if not counts[2]:
        raise GraphError(
            f"no landmarks: faces are aligned by five points, an output of ten numbers a place; its outputs "
            f"have {', '.join(str(output.shape[-1]) for output in list(outputs.values())[:12])}"
        )
    raise GraphError(
        f"{scores} of one number a place, 1 of four and 1 of ten are wanted for each grid; its outputs "
        f"are {have[0]} of one, {have[1]} of four, {have[2]} of ten, {have[3]} others"
    )


def _finest_first(outputs: Mapping[str, Floats], columns: int) -> list[str]:
    names = [name for name, output in outputs.items() if output.shape[-1:] == (columns,)]
    return sorted(names, key=lambda name: -outputs[name].size)


def _names(level: Level) -> list[str]:
    return [*level["scores"], level["boxes"], *([level["landmarks"]] if "landmarks" in level else [])]


def _anchors(output: Floats, stride: int, picture: Picture) -> int:
    """The answers of a cell, 0 where the output is not that grid's."""
    height, width = picture.size or PROBE
    n = picture.batch or 1
    # Without an axis of pictures the answers of several would be mixed.
    apart = (output.ndim == 3 and len(output) == n) or (output.ndim == 2 and n == 1)
    if not apart or height % stride or width % stride:
        return 0
    cells = n * (height // stride) * (width // stride)
    answers, rest = divmod(output.size // output.shape[-1], cells)
    return 0 if rest else answers
