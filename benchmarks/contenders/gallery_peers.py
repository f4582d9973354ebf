"""The libraries mien's index is measured beside; each in the peers' environment."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from contenders.gallery_searching import Ready, people, wide_enough

WIDTHS = (
    64,
    96,
    128,
    160,
    192,
    256,
    384,
    512,
    768,
    1024,
)  # of search; the first that reaches the recall is taken
BLOCK = 50_000


def faiss_flat(folder: str, count: int) -> Ready:
    import faiss

    vectors, probes, truth = people(folder)
    index = faiss.IndexFlatIP(vectors.shape[1])
    for start in range(0, count, BLOCK):
        index.add(np.ascontiguousarray(vectors[start : start + BLOCK]))
    return Ready(lambda probes, k: index.search(probes, k)[1], probes, truth, {"mb": vectors.nbytes / 1e6})


def faiss_graph(folder: str, count: int, neighbours: int, building: int, recall: float) -> Ready:
    import faiss

    vectors, probes, truth = people(folder)
    index = faiss.IndexHNSWFlat(vectors.shape[1], neighbours, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = building
    start = time.perf_counter()
    index.add(np.array(vectors))
    seconds = time.perf_counter() - start

    def widen(width: int) -> None:
        index.hnsw.efSearch = width

    size = len(faiss.serialize_index(index)) / 1e6
    ready = Ready(lambda probes, k: index.search(probes, k)[1], probes, truth, {"mb": size, "seconds": seconds})
    return wide_enough(ready, widen, recall)


def hnswlib_graph(folder: str, count: int, neighbours: int, building: int, recall: float) -> Ready:
    import hnswlib

    vectors, probes, truth = people(folder)
    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(count, ef_construction=building, M=neighbours)
    index.set_num_threads(len(os.sched_getaffinity(0)))
    start = time.perf_counter()
    index.add_items(np.array(vectors), np.arange(count))
    seconds = time.perf_counter() - start

    def search(probes: Any, k: int) -> Any:
        return index.knn_query(probes, k)[0].astype(np.int64)

    size = index.index_file_size() / 1e6
    return wide_enough(Ready(search, probes, truth, {"mb": size, "seconds": seconds}), index.set_ef, recall)
