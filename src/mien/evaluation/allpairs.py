"""Every pair of strangers in a set, streamed: counts of all, and the highest scores one by one.

Pairs grow with the square of the pictures: 13,000 make 87 million, 100,000 make 5 billion. Blocks of
similarities are made by one matrix product each, counted into narrow bins and forgotten, but for the scores
above a bar that rises so that about `HOLD` pairs stay above it. Thresholds at small error rates are therefore
exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from queue import SimpleQueue
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mien.bundle.runtime import available_cores
from mien.evaluation.comparisons import Comparisons, Doubles, Rest, pairs_of
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.study import Weighting
from mien.values import Floats

HOLD = 6_000_000  # pairs kept one by one
ROWS, COLUMNS = 512, 2048  # of a block, which then stays in a core's own cache
BINS = 1 << 14
SCALE, MIDDLE = 8000.0, 8192.0  # similarity −1..1 → bins 192..16192; bin 0 is for pairs that do not count
OUT = -1.2  # a similarity that falls into bin 0
Bins = NDArray[np.uint16]
Counts = NDArray[np.int64]


def impostor_pairs(samples: Samples, *, hold: int = HOLD, workers: int | None = None) -> Comparisons:
    """All comparisons of pictures of two different people, of those enrolled.

    The best `hold` (or fewer: no bin is torn) are held one by one, the rest is counted into bins 1/8000 wide.
    Memory does not grow with the number of pairs.
    """
    arranged = _arrange(samples)
    tail = _Tail(hold, _first_bar(arranged, hold))
    counts: dict[tuple[int, int], Counts] = defaultdict(lambda: np.zeros(BINS, np.int64))
    workers = workers or available_cores()
    # Each worker makes a block with one thread and looks at it while it is still in that core's cache: a fifth
    # quicker than all cores on one block after the other.
    with _one_thread_each(), ThreadPoolExecutor(workers, thread_name_prefix="mien") as pool:
        spaces = SimpleQueue[_Space]()
        for _ in range(workers):
            spaces.put(_Space())
        work = partial(_look, arranged, tail, spaces)
        for best, histograms in pool.map(work, _blocks(len(arranged.order))):
            tail.add(best)
            for groups, histogram in histograms:
                counts[groups] += histogram
    return _made(samples, arranged, counts, tail)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """NumPy's and OpenCV's own threads off: the workers have the cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        cv2.setNumThreads(before)


@dataclass(frozen=True, slots=True, eq=False)
class _Arranged:
    """Enrolled pictures: those of people with equally many pictures together, a person's own side by side.

    So a rectangle of such groups has one weight, and is counted in one go. order: numbers in the samples.
    edges: where the groups begin, and the end; each: pictures that a person of the group has.
    """

    order: Numbers
    vectors: Floats
    subjects: Numbers
    edges: Counts
    each: Counts

    def cut(self, part: slice) -> list[tuple[int, slice]]:
        """The groups within a part of the pictures, each with its place counted from the part's start."""
        low, high = np.searchsorted(self.edges, (part.start, part.stop - 1), side="right") - 1
        inner = self.edges[low + 1 : high + 1].tolist()
        bounds = [0, *(edge - part.start for edge in inner), part.stop - part.start]
        return [(low + i, slice(*bounds[i : i + 2])) for i in range(high - low + 1)]


def _arrange(samples: Samples) -> _Arranged:
    rows = np.flatnonzero(samples.enrolled).astype(np.int32)
    each = np.bincount(samples.subjects[rows], minlength=len(samples.people))[samples.subjects[rows]]
    rows = rows[np.lexsort((samples.subjects[rows], each))]
    sizes, edges = np.unique(np.sort(each), return_index=True)
    edges = np.append(edges, len(rows)).astype(np.int64)
    return _Arranged(rows, samples.vectors[rows], samples.subjects[rows], edges, sizes)


def _blocks(n: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the blocks that cover every pair i < j."""
    for top in range(0, n, ROWS):
        for start in range(top, n, COLUMNS):
            yield slice(top, min(top + ROWS, n)), slice(start, min(start + COLUMNS, n))


def _first_bar(arranged: _Arranged, hold: int) -> int:
    """A bin that a few more than `hold` pairs reach, judged by one block of pictures drawn at random."""
    n = len(arranged.order)
    share = 1.05 * hold / max(n * (n - 1) / 2, 1)
    if share >= 1:
        return 1
    drawn = np.random.default_rng(0).permutation(n)[: ROWS + COLUMNS]
    rows, columns = np.array_split(drawn, [min(ROWS, len(drawn) // 2)])
    bins = _bins(arranged.vectors[rows] @ arranged.vectors[columns].T)
    return int(np.quantile(bins, 1 - share, method="lower"))


class _Space:
    """Room for one block, used again and again."""

    def __init__(self) -> None:
        self.scores, self.bins = np.empty(ROWS * COLUMNS, np.float32), np.empty(ROWS * COLUMNS, np.uint16)


def _look(
    arranged: _Arranged, tail: _Tail, spaces: SimpleQueue[_Space], block: tuple[slice, slice]
) -> tuple[_Held, list[tuple[tuple[int, int], Counts]]]:
    """The scores of a block that reach the bar, and a histogram of all for each pair of groups in it."""
    rows, columns = block
    shape = rows.stop - rows.start, columns.stop - columns.start
    space = spaces.get()
    scores, bins = (array[: shape[0] * shape[1]].reshape(shape) for array in (space.scores, space.bins))
    np.matmul(arranged.vectors[rows], arranged.vectors[columns].T, out=scores)
    _erase(scores, arranged.subjects, rows, columns)
    cv2.addWeighted(scores, SCALE, scores, 0, MIDDLE, dst=bins, dtype=cv2.CV_16U)
    places = np.flatnonzero(bins >= tail.bar)
    down, across = np.divmod(places.astype(np.int32), np.int32(shape[1]))
    best = _Held(scores.ravel()[places], bins.ravel()[places], rows.start + down, columns.start + across)
    pairs = product(arranged.cut(rows), arranged.cut(columns))
    histograms = [((group, other), _histogram(bins[high, wide])) for (group, high), (other, wide) in pairs]
    spaces.put(space)
    return best, histograms


def _erase(scores: Floats, subjects: Numbers, rows: slice, columns: slice) -> None:
    """Take out of a block what stands on or below the diagonal, and pairs of one person."""
    if columns.start == rows.start:
        scores[np.tri(*scores.shape, dtype=np.bool_)] = OUT
        near = rows.stop - columns.start
    else:
        near = 0
    # A person's pictures stand side by side, so beyond the rows themselves only the last one's may follow.
    near += int((subjects[columns][near:] == subjects[rows.stop - 1]).sum())
    if near:
        same = subjects[rows][:, None] == subjects[columns][None, :near]
        scores[:, :near][same] = OUT


def _bins(scores: Floats) -> Bins:
    """The bin of each score, rounded exactly as blocks are."""
    bins: Bins = cv2.addWeighted(scores, SCALE, scores, 0, MIDDLE, dtype=cv2.CV_16U).ravel()  # type: ignore[assignment]
    return bins


def _histogram(bins: Bins) -> Counts:
    if bins.size < BINS:  # OpenCV's way costs as much as its bins
        return np.bincount(bins.ravel(), minlength=BINS)
    # float32 counts are exact up to 2^24, four times a block.
    counts = cv2.calcHist([bins], [0], None, [BINS], [0, BINS])
    return counts.ravel().astype(np.int64)


class _Tail:
    """The best scores so far with their bins and pictures: all that lie in bin `bar` or above."""

    def __init__(self, hold: int, bar: int) -> None:
        self.hold, self.bar = hold, max(bar, 1)
        self._parts = [_Held.none()]
        self._size = 0

    def add(self, held: _Held) -> None:
        """Take scores in; raise the bar where they become twice as many as are wanted."""
        self._parts.append(held)
        self._size += len(held.scores)
        if self._size > 2 * self.hold:
            self._raise_bar()

    def _raise_bar(self) -> None:
        held = _Held.joined(self._parts)
        above = np.cumsum(np.bincount(held.bins, minlength=BINS)[::-1])[::-1]  # scores in this bin or higher
        self.bar = max(int(np.argmax(np.append(above, 0) <= self.hold)), self.bar)
        held = held.rows(held.bins >= self.bar)
        self._parts, self._size = [held], len(held.scores)

    def finish(self) -> _Held:
        """What is held, best first; blocks looked at while the bar rose may have brought too much."""
        if self._size > self.hold:
            self._raise_bar()
        held = _Held.joined(self._parts)
        if held.bins.min(initial=BINS) < self.bar:
            held = held.rows(held.bins >= self.bar)
        return held.rows(np.argsort(held.scores)[::-1])


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """Pairs kept one by one: scores, the bins they were counted in, places of both pictures as arranged."""

    scores: Floats
    bins: Bins
    left: Numbers
    right: Numbers

    @classmethod
    def none(cls) -> _Held:
        nothing = np.empty(0, np.int32)
        return cls(np.empty(0, np.float32), np.empty(0, np.uint16), nothing, nothing)

    @classmethod
    def joined(cls, parts: Sequence[_Held]) -> _Held:
        return cls(
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.bins for part in parts]),
            np.concatenate([part.left for part in parts]),
            np.concatenate([part.right for part in parts]),
        )

    def rows(self, which: NDArray[Any]) -> _Held:
        return _Held(self.scores[which], self.bins[which], self.left[which], self.right[which])


def _made(
    samples: Samples, arranged: _Arranged, counts: dict[tuple[int, int], Counts], tail: _Tail
) -> Comparisons:
    held = tail.finish()
    scores, left, right = held.scores, arranged.order[held.left], arranged.order[held.right]
    first, second = samples.subjects[left], samples.subjects[right]
    pictures = np.bincount(arranged.subjects, minlength=len(samples.people)).astype(np.float64)
    sizes: dict[Weighting, Doubles] = {"person": (pictures > 0).astype(np.float64), "pair": pictures}
    whole = {key: max(pairs_of(size), 1.0) for key, size in sizes.items()}
    shares: dict[Weighting, Doubles] = {
        "person": 1 / (pictures[first] * pictures[second] * whole["person"]),
        "pair": np.full(len(scores), 1 / whole["pair"]),
    }
    total = int(sum(int(each[1:].sum()) for each in counts.values()))
    rest = None if total == len(scores) else _rest(arranged, counts, tail.bar, whole)
    np.clip(scores, -1, 1, out=scores)
    return Comparisons(scores, left, right, first, second, shares, len(samples.people), total, rest, sizes)


def _rest(
    arranged: _Arranged, counts: dict[tuple[int, int], Counts], bar: int, whole: dict[Weighting, float]
) -> Rest:
    """What is below the tail, by bin."""
    below = slice(1, bar)
    edges: Doubles = ((np.arange(1, bar + 1) - 0.5 - MIDDLE) / SCALE).astype(np.float64)
    by_person, by_pair = np.zeros(bar - 1), np.zeros(bar - 1)
    for (group, other), histogram in counts.items():
        weight = arranged.each[group] * arranged.each[other]
        by_person += histogram[below] / (weight * whole["person"])
        by_pair += histogram[below] / whole["pair"]
    return Rest(edges, {"person": by_person, "pair": by_pair})
