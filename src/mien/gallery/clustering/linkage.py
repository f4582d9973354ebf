"""Groups grow by joining the two most alike, again and again, along a graph.

A group of n faces with the sum s of their vectors is held as one vector u = s / √(n·|s|), and two groups are as
alike as the product of theirs. That is the geometric mean of two rules: the average similarity across (average
linkage, Sokal and Michener 1958) and the cosine of the mean vectors (as in `mien.fusion`). The first asks as
much of two large groups as of two faces, though less noise is left in their means; the second forgives all of
the noise, and lets strangers in. For two single faces all three are the cosine.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mien.gallery.clustering.neighbours import Edges
from mien.values import Floats

Labels = NDArray[np.int64]
Doubles = NDArray[np.float64]
CHUNK = 1 << 16  # pairs whose similarity is worked out at a time
TINY = 1e-12  # stands for the length of vectors that cancel out


def link(vectors: Floats, edges: Edges, level: float, known: Labels) -> Labels:
    """(n,) which group each face is in: the number of the group's first face.

    vectors (n,d) of length one; edges: pairs that may be alike (`neighbours`); level: groups at least so alike
    are joined. known (n,): faces of one number ≥ 0 are together from the start, those of two never come
    together, and −1 says nothing.
    """
    growing = _Growing(vectors, known)
    growing.meet(edges, level)
    while growing.heap:
        growing.step(level)
    return growing.group


def group_vectors(vectors: Floats, groups: Labels, count: int) -> Doubles:
    """(count,d) the vector u of each group; groups (n,): 0 … count − 1."""
    sums = np.zeros((count, vectors.shape[1]))
    np.add.at(sums, groups, vectors)
    return _held(sums, np.bincount(groups, minlength=count))


def _held(sums: Doubles, counts: NDArray[np.int64]) -> Doubles:
    lengths = np.linalg.norm(sums, axis=-1)
    held: Doubles = sums / np.sqrt(np.maximum(counts * lengths, TINY))[..., None]
    return held


class _Growing:
    """Groups while they grow. A group has the number of its first face, and `turn` counts its joins."""

    def __init__(self, vectors: Floats, known: Labels) -> None:
        self.group = _first_of(known)
        self.counts = np.bincount(self.group, minlength=len(vectors))
        self.sums = np.zeros(vectors.shape)
        np.add.at(self.sums, self.group, vectors)
        self.held = _held(self.sums, self.counts)
        self.known = known[self.group].tolist()
        self.turn = [0] * len(vectors)
        self.members: list[list[int]] = [[] for _ in vectors]
        for face, group in enumerate(self.group.tolist()):
            self.members[group].append(face)
        self.near: list[set[int]] = [set() for _ in vectors]
        self.heap: list[tuple[float, int, int, int, int]] = []

    def meet(self, edges: Edges, level: float) -> None:
        """Take in the graph: who is near whom, and which of them are alike enough to join."""
        pairs = np.sort(self.group[edges], axis=1)
        pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
        for start in range(0, len(pairs), CHUNK):
            first, second = pairs[start : start + CHUNK].T
            alike = np.einsum("ij,ij->i", self.held[first], self.held[second])
            for a, b, score in zip(first.tolist(), second.tolist(), alike.tolist(), strict=True):
                self.near[a].add(b)
                self.near[b].add(a)
                if score >= level:
                    self.heap.append((-score, a, b, 0, 0))
        heapq.heapify(self.heap)

    def step(self, level: float) -> None:
        """Join the two most alike, where both are still as they were when that was found."""
        _, a, b, turn_a, turn_b = heapq.heappop(self.heap)
        if (self.turn[a], self.turn[b]) != (turn_a, turn_b) or min(self.known[a], self.known[b]) >= 0:
            return
        self._join(a, b)
        others = sorted(self.near[a])
        alike = self.held[others] @ self.held[a]
        self._offer(a, (others[i] for i in np.flatnonzero(alike >= level)), alike[alike >= level])

    def _join(self, a: int, b: int) -> None:
        """Group b goes into a, and its neighbours are a's from now on."""
        self.sums[a] += self.sums[b]
        self.counts[a] += self.counts[b]
        self.held[a] = _held(self.sums[a], self.counts[a])
        self.known[a] = max(self.known[a], self.known[b])
        self.group[self.members[b]] = a
        self.members[a] += self.members[b]
        for other in self.near[b]:
            self.near[other].discard(b)
            self.near[other].add(a)
        self.near[a] = (self.near[a] | self.near[b]) - {a, b}
        self.near[a] -= {a}
        self.members[b], self.near[b] = [], set()
        self.turn[a] += 1
        self.turn[b] = -1  # is no more

    def _offer(self, a: int, others: Iterable[int], alike: Doubles) -> None:
        for b, score in zip(others, alike.tolist(), strict=True):
            low, high = min(a, b), max(a, b)
            heapq.heappush(self.heap, (-score, low, high, self.turn[low], self.turn[high]))


def _first_of(known: Labels) -> Labels:
    """(n,) for each face the first one that is known to be the same person; itself where nothing is known."""
    first = np.arange(len(known))
    _, firsts, where = np.unique(known, return_index=True, return_inverse=True)
    told = known >= 0
    first[told] = firsts[where[told]]
    return first
