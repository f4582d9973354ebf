"""The models alone: what mien's engines were fed on the way through these pictures, fed to them again.

Nothing is left but the runs: what no system around these models on this engine can beat.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from unittest.mock import patch

from clock import Measured, rated

from mien.bundle.engines.onnxruntime import OnnxRuntime
from mien.bundle.runtime import Runtime, available_cores
from mien.recognition.recognizer import Recognizer
from mien.values import Floats

RECORDED = 64  # pictures: enough to be typical, and their float inputs fit in memory

Call = tuple[OnnxRuntime, Floats]


def callers(pictures: Sequence[str], bundle: str, detector: str) -> Measured:
    """Images a second: one-thread engines, called from as many threads as there are cores."""
    some = _spread(pictures)
    with recording() as (_, calls):
        _read(Recognizer.load(bundle, detector, threads=1), some)
    return _replayed(calls, len(some), len(pictures), available_cores())


def threads(pictures: Sequence[str], bundle: str, detector: str) -> Measured:
    """Images a second: engines on all cores, called from one thread."""
    some = _spread(pictures)
    with recording() as (singles, calls):
        _read(Recognizer.load(bundle, detector, threads=1), some)
    with recording() as (engines, _):
        _open_all(Recognizer.load(bundle, detector), some)
    swapped = [(engines[singles.index(engine)], batch) for engine, batch in calls]
    return _replayed(swapped, len(some), len(pictures), 1)


def latency(pictures: Sequence[str], bundle: str, detector: str) -> Measured:
    """Milliseconds: the sum of one picture's runs, engines on all cores, the median over pictures."""
    recognizer = Recognizer.load(bundle, detector)
    times = []
    for picture in pictures:
        with recording() as (_, calls):
            recognizer.read(picture)
        times.append(_run(iter(calls)))
    return {"value": 1000 * median(times[8:])}


@contextmanager
def recording() -> Iterator[tuple[list[OnnxRuntime], list[Call]]]:
    """The engines opened and the runs made inside the `with` block, in their order."""
    opened: list[OnnxRuntime] = []
    calls: list[Call] = []
    open_, run = OnnxRuntime.__init__, OnnxRuntime.run

    def noted_open(self: OnnxRuntime, graph: bytes, runtime: Runtime) -> None:
        open_(self, graph, runtime)
        opened.append(self)

    def noted_run(self: OnnxRuntime, batch: Floats) -> list[Floats]:
        calls.append((self, batch.copy()))
        return run(self, batch)

    with patch.object(OnnxRuntime, "__init__", noted_open), patch.object(OnnxRuntime, "run", noted_run):
        yield opened, calls


def _spread(pictures: Sequence[str]) -> Sequence[str]:
    return pictures[:: max(1, len(pictures) // RECORDED)][:RECORDED]


def _read(recognizer: Recognizer, pictures: Sequence[str]) -> None:
    for _ in recognizer.read_many(pictures):
        pass


def _open_all(recognizer: Recognizer, pictures: Sequence[str]) -> None:
    # The embedder's engine opens at the first face, so the order is the same in every recogniser.
    for picture in pictures:
        if len(recognizer.read(picture)):
            return


def _replayed(calls: Sequence[Call], recorded: int, wanted: int, workers: int) -> Measured:
    _run(iter(calls[: len(calls) // 4]))
    times = max(1, round(wanted / recorded))
    shared = iter([call for _ in range(times) for call in calls])  # next() on a list's iterator is atomic

    def work() -> int:
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(_run, shared) for _ in range(workers)]:
                done.result()
        return 0

    measured = rated(work, times * recorded)
    del measured["faces"]
    return measured


def _run(calls: Iterator[Call]) -> float:
    start = time.perf_counter()
    for engine, batch in calls:
        engine.run(batch)
    return time.perf_counter() - start
