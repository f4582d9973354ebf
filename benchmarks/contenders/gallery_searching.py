"""What a contender of the gallery's tables is, and how a turn of it is measured. NumPy only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

import numpy as np

BATCH = 100
SECONDS = 0.3  # of each turn, alone and in batches; one query and one batch at the least
LONGEST = 15.0  # seconds that recall may take: slow searches are asked for fewer probes
K = 10
WIDTHS = (64, 96, 128, 160, 192, 256, 384, 512, 768, 1024)  # of a graph's search
Search = Callable[[Any, int], Any]  # probes, k → keys (q,k)


class Searched(TypedDict, total=False):
    """alone_ms: the median query by itself; rate: queries a second in batches of 100.

    Once for all turns: mb: what is held; seconds: to build; first and ten: shares of the true best, and of the
    ten true best, that were found.
    """

    alone_ms: float
    rate: float
    mb: float
    seconds: float
    first: float
    ten: float


@dataclass(frozen=True, slots=True)
class Ready:
    """Somebody who can search. truth: none where nobody is found."""

    search: Search
    probes: Any
    truth: Any
    held: Searched

    def recall(self) -> Searched:
        """The shares found, and what is held."""
        if self.truth is None:
            return self.held
        start = time.perf_counter()
        found = [self.search(self.probes[:BATCH], K)]
        batches = int(LONGEST / (time.perf_counter() - start)) + 1
        for first in range(BATCH, min(batches * BATCH, len(self.probes)), BATCH):
            found.append(self.search(self.probes[first : first + BATCH], K))
        keys = np.concatenate(found)
        truth = self.truth[: len(keys)]
        ten = (keys[:, :, None] == truth[:, None, :]).any(axis=1).mean()
        return self.held | {"first": float((keys[:, 0] == truth[:, 0]).mean()), "ten": float(ten)}

    def turn(self, number: int) -> Searched:
        """A few queries alone and a few batches."""
        probes = np.roll(self.probes, -BATCH * number, axis=0)
        alone = _times(lambda i: self.search(probes[i % len(probes)][None], K))
        batches = len(probes) // BATCH
        together = _times(lambda i: self.search(probes[BATCH * (i % batches) :][:BATCH], K))
        return {"alone_ms": 1000 * median(alone), "rate": BATCH / median(together)}


def wide_enough(ready: Ready, widen: Callable[[int], None], recall: float) -> Ready:
    """At the first width that finds as many of the true best."""
    for width in WIDTHS:
        widen(width)
        if ready.recall()["first"] >= recall:
            break
    return ready


def people(folder: str) -> tuple[Any, Any, Any]:
    """Vectors, probes, truth; the vectors are on disk, which all contenders' memory shares."""
    probes, truth = (np.load(Path(folder) / f"{name}.npy") for name in ("probes", "truth"))
    return np.load(Path(folder) / "vectors.npy", mmap_mode="r"), probes, truth


def _times(work: Callable[[int], Any]) -> list[float]:
    times: list[float] = []
    while sum(times) < SECONDS:
        start = time.perf_counter()
        work(len(times))
        times.append(time.perf_counter() - start)
    return times
