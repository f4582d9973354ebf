"""mien's indexes of a gallery, and the bare matrix product that bounds the flat ones."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from contenders.gallery_searching import Ready, people, wide_enough
from mien.gallery.index import open_index

PUT = 50_000  # people at a time, as the gallery does
BLOCK = 16_384


def index(folder: str, count: int, kind: str) -> Ready:
    vectors, probes, truth = people(folder)
    made = open_index(kind, vectors.shape[1])
    start = time.perf_counter()
    for first in range(0, count, PUT):
        part = vectors[first : first + PUT]
        made.put(np.arange(first, first + len(part)), part)
    held = {"seconds": time.perf_counter() - start, "mb": made.nbytes / 1e6}
    return Ready(lambda probes, k: made.search(probes, k).keys, probes, truth, held)  # type: ignore[arg-type]


def graph(folder: str, count: int, recall: float) -> Ready:
    """As `hnsw`, but no wider than the recall takes, so that it compares with other graphs."""
    vectors, probes, truth = people(folder)
    made: Any = open_index("hnsw", vectors.shape[1])
    start = time.perf_counter()
    made.put(np.arange(count), vectors)
    held = {"seconds": time.perf_counter() - start, "mb": made.nbytes / 1e6}
    ready = Ready(lambda probes, k: made.search(probes, k).keys, probes, truth, held)  # type: ignore[arg-type]

    def widen(width: int) -> None:
        made._graph.expansion_search = width

    return wide_enough(ready, widen, recall)


def product(folder: str, count: int) -> Ready:
    """A blocked product, each block of scores written over the last; nobody is found."""
    mapped, probes, _ = people(folder)
    vectors = np.array(mapped)

    def multiply(probes: Any, k: int) -> None:
        columns, space = np.ascontiguousarray(probes.T), np.empty((BLOCK, len(probes)), np.float32)
        for start in range(0, count, BLOCK):
            block = vectors[start : start + BLOCK]
            np.matmul(block, columns, out=space[: len(block)])

    return Ready(multiply, probes, None, {"mb": vectors.nbytes / 1e6})


def plain(folder: str, count: int) -> Ready:
    """What anybody writes in NumPy: one product, one partition."""
    mapped, probes, truth = people(folder)
    vectors = np.array(mapped)

    def best(probes: Any, k: int) -> Any:
        scores = probes @ vectors.T
        few = np.argpartition(scores, count - k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, few, 1), axis=1)
        return np.take_along_axis(few, order, 1)

    return Ready(best, probes, truth, {"mb": vectors.nbytes / 1e6})
