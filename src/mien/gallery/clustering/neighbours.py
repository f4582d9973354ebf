"""The graph of look-alikes: which faces are near enough to each other to be worth a closer look."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.values import Floats

Edges = NDArray[np.int32]  # (m,2), the smaller number first, each pair once, in rising order
Mask = NDArray[np.bool_]
MOST = 32  # neighbours of one face that are kept
BLOCK = 1 << 23  # similarities held at a time


def neighbours(vectors: Floats, floor: float, most: int = MOST) -> Edges:
    """Pairs of faces with a similarity of at least `floor`, where one is among the `most` nearest of the other.

    vectors (n,d) float32 of length one. Some rows of the n × n similarities are held at a time, never all.
    """
    rows = max(BLOCK // max(len(vectors), 1), 1)
    parts = [_near(vectors, start, start + rows, floor, most) for start in range(0, len(vectors), rows)]
    pairs = np.concatenate(parts) if parts else np.empty((0, 2), np.int64)
    pairs.sort(axis=1)
    keys = np.unique(pairs[:, 0] * len(vectors) + pairs[:, 1])
    return np.stack(np.divmod(keys, max(len(vectors), 1)), axis=1).astype(np.int32)


def _near(vectors: Floats, start: int, stop: int, floor: float, most: int) -> NDArray[np.int64]:
    """(k,2) the pairs of the faces start … stop − 1 with any other."""
    alike = vectors[start:stop] @ vectors.T
    here = np.arange(len(alike))
    alike[here, start + here] = -np.inf  # itself
    near = alike >= floor
    crowded = np.flatnonzero(near.sum(axis=1) > most)
    near[crowded] = _nearest(alike[crowded], most)
    first, second = np.nonzero(near)
    return np.stack([first + start, second], axis=1)


def _nearest(alike: NDArray[Any], most: int) -> Mask:
    """The `most` largest of each row."""
    chosen = np.zeros(alike.shape, np.bool_)
    for row, values in enumerate(alike):
        chosen[row, np.argpartition(values, -most)[-most:]] = True
    return chosen
