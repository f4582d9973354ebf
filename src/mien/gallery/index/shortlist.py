"""The best rows of a scan, kept as the blocks of scores come by.

Scores of a block may be rough: each row's cosine is within slack of score × unit. A row is held while it may
reach the bar, which is never above the k-th best true cosine: nothing that belongs to the k best is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mien.gallery.index.found import Keys, ranks
from mien.values import Floats

SAMPLE = 1024  # rows of the first block that set the first bar
PATIENCE = 8  # held hits for each of the k wanted before the bar is raised
Rescore = Callable[[Keys, Keys], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Rows held: their probes, and the most that each one's cosine can be."""

    rows: Keys
    owners: Keys
    most: Floats

    def __getitem__(self, which: Keys) -> Hits:
        return Hits(self.rows[which], self.owners[which], self.most[which])


class Shortlist:
    """Of q probes. rescore(rows, owners): the true cosines of pairs of a row and a probe."""

    def __init__(self, probes: int, k: int, units: Floats, rescore: Rescore) -> None:
        self._k, self._units, self._rescore = k, units, rescore
        self._bars = np.full(probes, -np.inf, np.float32)
        self._parts: list[Hits] = []
        self._held, self._patience = 0, PATIENCE * k * probes

    def look(self, scores: Floats, slack: Floats, first: int) -> None:
        """Take in a block (b,q) of scores of rows first, first + 1 …; slack (q,): see the module."""
        if not self._parts:
            self._set_bars(scores[: max(SAMPLE, 4 * self._k)], slack)
        places = np.flatnonzero(scores >= (self._bars - slack) / self._units)
        rows, owners = np.divmod(places, len(self._bars))
        most = scores.ravel()[places] * self._units[owners] + slack[owners]
        self._parts.append(Hits(first + rows, owners, most))
        self._held += len(places)
        if self._held > self._patience:
            self._raise_bars()

    def finish(self) -> tuple[Keys, Keys, Floats]:
        """Rows, their probes and their true cosines: the k best of each probe and what comes close."""
        hits = self._raise_bars()
        return hits.rows, hits.owners, self._rescore(hits.rows, hits.owners)

    def _set_bars(self, scores: Floats, slack: Floats) -> None:
        if len(scores) >= self._k:
            best = np.partition(scores.T, len(scores) - self._k, axis=1)[:, -self._k]
            self._bars = best * self._units - slack

    def _raise_bars(self) -> Hits:
        """Bars to the k-th best of the k rows that look best; what stays above them."""
        hits = _joined(self._parts)
        hits = hits[np.lexsort((-hits.most, hits.owners))]
        places = ranks(hits.owners)
        head = np.flatnonzero(places < self._k)
        worst = np.full(len(self._bars), np.inf, np.float32)
        np.minimum.at(worst, hits.owners[head], self._rescore(hits.rows[head], hits.owners[head]))
        full = np.bincount(hits.owners[head], minlength=len(worst)) == self._k
        self._bars = np.where(full, np.maximum(self._bars, worst), self._bars)
        hits = hits[np.flatnonzero(hits.most >= self._bars[hits.owners])]
        self._parts, self._held = [hits], len(hits.rows)
        self._patience = max(self._patience, 2 * self._held)
        return hits


def _joined(parts: list[Hits]) -> Hits:
    if not parts:
        return Hits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    columns = ([getattr(part, name) for part in parts] for name in ("rows", "owners", "most"))
    return Hits(*map(np.concatenate, columns))
