"""Box arithmetic that detectors share. Boxes are (n,4) float32: x1, y1, x2, y2 in pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.values import Floats


def areas(boxes: Floats) -> Floats:
    """(n,) areas; a box turned inside out has none."""
    spans = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return spans.prod(axis=1)  # type: ignore[no-any-return]


def suppress(
    boxes: Floats, scores: Floats, limit: float, over: Literal["union", "smaller"] = "union"
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: the numbers of the boxes kept, best score first.

    A box goes where its overlap with a better one exceeds `limit`: intersection over the union of the two
    (IoU), or over the smaller of them.
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
        whole = size[best] + size[rest] - shared if over == "union" else np.minimum(size[best], size[rest])
        order = rest[shared <= limit * np.maximum(whole, 1e-12)]
    return np.array(kept, dtype=np.intp)
