"""Box arithmetic that detectors share. Boxes are (n,4) float32: x1, y1, x2, y2 in pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.values import Floats

Overlap = Literal["union", "smaller", "enclosing"]


def areas(boxes: Floats) -> Floats:
    """(n,) areas; a box turned inside out has none."""
    spans = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return spans.prod(axis=1)  # type: ignore[no-any-return]


def suppress(boxes: Floats, scores: Floats, limit: float, over: Overlap = "union") -> NDArray[np.intp]:
    """Greedy non-maximum suppression: the numbers of the boxes kept, best score first.

    A box goes where its overlap with a better one exceeds `limit`: intersection over the union of the two
    (IoU), over the smaller of them, or over the smallest rectangle that encloses both.
    """
    order = np.argsort(-scores, kind="stable")
    size = areas(boxes)
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        if over == "enclosing":
            whole = _enclosing(boxes[best], boxes[rest])
        elif over == "smaller":
            whole = np.minimum(size[best], size[rest])
        else:
            whole = size[best] + size[rest] - shared
        order = rest[shared <= limit * np.maximum(whole, 1e-12)]
    return np.array(kept, dtype=np.intp)


def _enclosing(box: Floats, others: Floats) -> Floats:
    low, high = np.minimum(box[:2], others[:, :2]), np.maximum(box[2:], others[:, 2:])
    return areas(np.concatenate([low, high], axis=1))
