"""What a search finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.values import Floats

Keys = NDArray[np.int64]
NOBODY = -1


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The best people for each of q probes.

    keys (q,k) int64, −1 where there are fewer than k people; scores (q,k) float32 cosines, −inf there. Scores
    fall along a row; of equal scores the smaller key stands first.
    """

    keys: Keys
    scores: Floats

    def __post_init__(self) -> None:
        if self.keys.ndim != 2 or self.keys.shape != self.scores.shape:
            raise InputError(f"found: shapes {self.keys.shape} and {self.scores.shape} are not one (q,k)")
        self.keys.flags.writeable = self.scores.flags.writeable = False

    def __len__(self) -> int:
        return len(self.keys)


def best(owners: Keys, keys: Keys, scores: Floats, probes: int, k: int) -> Found:
    """The k best of hits (m,) for each probe; owners: the probe of each hit, 0 … probes − 1."""
    order = np.lexsort((keys, -scores, owners))
    owners, keys, scores = owners[order], keys[order], scores[order]
    places = ranks(owners)
    kept = places < k
    best_keys = np.full((probes, k), NOBODY, np.int64)
    best_scores = np.full((probes, k), -np.inf, np.float32)
    best_keys[owners[kept], places[kept]] = keys[kept]
    best_scores[owners[kept], places[kept]] = scores[kept]
    return Found(best_keys, best_scores)


def ranks(owners: Keys) -> Keys:
    """0, 1, 2 … within each run of equal owners, which rise."""
    starts = np.searchsorted(owners, owners)  # where each one's run begins
    return np.arange(len(owners)) - starts


def joined(parts: list[Found], k: int) -> Found:
    """Of probes looked for in several parts; of none, (0,k)."""
    keys = [np.empty((0, k), np.int64), *(part.keys for part in parts)]
    scores = [np.empty((0, k), np.float32), *(part.scores for part in parts)]
    return Found(np.concatenate(keys), np.concatenate(scores))
