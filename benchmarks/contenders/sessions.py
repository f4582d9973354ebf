"""One model under several arrangements of threads: why mien arranges them as it does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from clock import Measured

from mien.bundle.engines import open_engine
from mien.bundle.runtime import Runtime


def runs(
    graph: str, shape: Sequence[int], threads: int, callers: int, spinning: bool, seconds: float
) -> Measured:
    """Pictures a second through one engine of `threads` threads, called from `callers` threads."""
    engine = open_engine(Path(graph).read_bytes(), Runtime(threads=threads, spinning=spinning))
    batch = np.random.default_rng(0).random(shape, np.float32)
    once = time.perf_counter()
    engine.run(batch)
    once = time.perf_counter() - once
    total = max(20, int(seconds * callers / once))

    def work(turns: Iterator[int]) -> None:
        for _ in turns:
            engine.run(batch)

    work(iter(range(total // 10)))
    turns = iter(range(total))
    start = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        for done in [pool.submit(work, turns) for _ in range(callers)]:
            done.result()
    return {"value": total * shape[0] / (time.perf_counter() - start)}
