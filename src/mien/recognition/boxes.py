"""Box arithmetic that detectors share. Boxes are (n,4) float32: x1, y1, x2, y2 in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.values import Floats

Overlap = Literal["union", "smaller", "enclosing"]
Numbers = NDArray[np.intp]
Mask = NDArray[np.bool_]

BLOCK = 64  # boxes compared all with all at once: from 200 boxes on, several times as fast as one by one


def areas(boxes: Floats) -> Floats:
    """(n,) areas; a box turned inside out has none."""
    spans = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return spans.prod(axis=1)  # type: ignore[no-any-return]


def suppress(
    boxes: Floats, scores: Floats, limit: float, over: Overlap = "union", groups: Numbers | None = None
) -> Numbers:
    """Greedy non-maximum suppression: the numbers of the boxes kept, best score first.

    A box goes where its overlap with a better one that stays exceeds `limit`: intersection over the union of
    the two (IoU), over the smaller of them, or over the smallest rectangle that encloses both. groups (n,):
    boxes of different groups (pictures, levels of a pyramid) leave each other alone.
    """
    order = np.argsort(-scores, kind="stable")
    columns = [*np.ascontiguousarray(boxes.T), areas(boxes)]
    kept = [order[:0]]
    while order.size:
        block, order = order[:BLOCK], order[BLOCK:]
        stay = block[_survivors(_clashes(columns, block, block, limit, over, groups))]
        kept.append(stay)
        if order.size:
            order = order[~_clashes(columns, stay, order, limit, over, groups).any(axis=0)]
    return np.concatenate(kept)


def _survivors(clashes: Mask) -> list[int]:
    """Of boxes sorted best first, those that clash with no better one that stays."""
    alive = np.ones(len(clashes), np.bool_)
    stay = []
    while alive.any():
        best = int(alive.argmax())
        stay.append(best)
        alive &= ~clashes[best]
        alive[best] = False
    return stay


def _clashes(
    columns: Sequence[Floats],
    some: Numbers,
    others: Numbers,
    limit: float,
    over: Overlap,
    groups: Numbers | None,
) -> Mask:
    """(len(some), len(others)) whether two boxes overlap by more than `limit`."""
    x1, y1, x2, y2, size = (column[some][:, None] for column in columns)
    u1, v1, u2, v2, area = (column[others] for column in columns)
    width, height = np.minimum(x2, u2) - np.maximum(x1, u1), np.minimum(y2, v2) - np.maximum(y1, v1)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    if over == "enclosing":
        width, height = np.maximum(x2, u2) - np.minimum(x1, u1), np.maximum(y2, v2) - np.minimum(y1, v1)
        whole = np.maximum(width, 0) * np.maximum(height, 0)
    else:
        whole = np.minimum(size, area) if over == "smaller" else size + area - shared
    clash: Mask = shared > limit * np.maximum(whole, 1e-12)
    return clash if groups is None else clash & (groups[some][:, None] == groups[others])
