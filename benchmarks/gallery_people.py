"""Made people: a vector each, probes of them, and whom an exact search finds. On disk, for every contender.

"like faces": what a MobileFaceNet makes of the 1,256 people of LFW was measured: variances along the principal
directions that fall by e over 45 directions (a participation of 86; strangers' cosines spread by 0.104 about
0.016), and these are drawn so in every dimension, turned at random. A genuine probe has a cosine of 0.6 to
its person, as the lowest 6 % of LFW's have; the rest of it is drawn like another person. "random": directions
drawn evenly, which no embedder makes; exact forms hardly care.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FALL = 45.0  # directions over which the variance falls by e
MIDDLE = 0.13  # length of everybody's mean
GENUINE = 0.6
PROBES, K = 1000, 10
BLOCK = 16_384
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class People:
    """Files: vectors (n,d) and probes (q,d) float32, and truth (q,k): the rows of the k best, best first."""

    folder: Path
    count: int

    @property
    def settings(self) -> dict[str, Any]:
        """What contenders are told: they open the files themselves."""
        return {"folder": str(self.folder), "count": self.count}


def make(folder: Path, count: int, dimension: int, *, like_faces: bool = True) -> People:
    """Write `count` people and what goes with them into a folder."""
    folder.mkdir(parents=True)
    draw = _Drawing(dimension, like_faces)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (count, dimension))
    for start in range(0, count, BLOCK):
        vectors[start : start + BLOCK] = draw.people(min(BLOCK, count - start))
    of = vectors[draw.generator.integers(0, count, PROBES)]
    others = draw.people(PROBES)
    others -= (others * of).sum(1, keepdims=True) * of
    probes = (GENUINE * of + np.sqrt(1 - GENUINE**2) * _units(others)).astype(np.float32)
    np.save(folder / "probes.npy", probes)
    np.save(folder / "truth.npy", _truth(vectors, probes))
    vectors.flush()
    return People(folder, count)


class _Drawing:
    def __init__(self, dimension: int, like_faces: bool) -> None:
        self.generator = np.random.default_rng(0)
        self._like_faces = like_faces
        spread = np.exp(-np.arange(dimension) / (2 * FALL))
        turned = np.linalg.qr(self.generator.standard_normal((dimension, dimension)))[0]
        self._spread = (spread[:, None] / np.linalg.norm(spread) * turned).astype(np.float32)
        self._middle = (MIDDLE * _units(self.generator.standard_normal(dimension))).astype(np.float32)

    def people(self, count: int) -> Array:
        drawn = self.generator.standard_normal((count, len(self._middle)), np.float32)
        return _units(drawn @ self._spread + self._middle) if self._like_faces else _units(drawn)


def _units(vectors: Array) -> Array:
    units: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return units


def _truth(vectors: Array, probes: Array) -> Array:
    """The rows of the K highest cosines of each probe, by nothing but products and sorting."""
    rows, scores = np.empty((len(probes), 0), np.int64), np.empty((len(probes), 0), np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = probes @ vectors[start : start + BLOCK].T
        best = np.argpartition(-block, min(K, block.shape[1] - 1), axis=1)[:, :K]
        rows = np.concatenate([rows, start + best], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(block, best, 1)], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        rows, scores = np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)
    return rows
