"""Threshold → error rate and back, for one kind of comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from mien.evaluation.comparisons import Comparisons, Doubles
from mien.evaluation.study import Weighting

SLACK = 1 + 1e-9  # rates are sums of shares: rounding must not cost a comparison


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The share of comparisons that score a threshold or more.

    levels (m,): the different scores held, falling; passed (m,): the share that scores so high or higher.
    Below the lowest level, edges (b,) falling and their shares, counted exactly, with straight lines between.
    """

    levels: Doubles
    passed: Doubles
    edges: Doubles
    beyond: Doubles

    @classmethod
    def of(cls, comparisons: Comparisons, weighting: Weighting) -> Self:
        """The curve of all the comparisons, averaged as `weighting` says."""
        scores, shares = comparisons.scores.astype(np.float64), comparisons.shares[weighting]
        last = np.append(scores[:-1] != scores[1:], True)[: len(scores)]
        levels, passed = scores[last], np.cumsum(shares)[last]
        if comparisons.rest is None:
            return cls(levels, passed, np.empty(0), np.empty(0))
        start = passed[-1] if len(passed) else 0.0
        counted = start + np.cumsum(comparisons.rest.shares[weighting][::-1])
        edges = comparisons.rest.edges[::-1]
        return cls(levels, passed, edges, np.concatenate([[start], counted]))

    def rate(self, thresholds: ArrayLike) -> Doubles:
        """The share of comparisons that score each threshold or more."""
        asked = np.asarray(thresholds, np.float64)
        at = np.searchsorted(-self.levels, -asked, side="right")
        held = np.concatenate([[0.0], self.passed])[at]
        if not len(self.edges):
            return held
        return np.where(asked < self.edges[0], np.interp(-asked, -self.edges, self.beyond), held)

    def threshold(self, rate: float) -> float | None:
        """The lowest threshold that at most `rate` of the comparisons reach; None where even the highest is
        too low.
        """
        if len(self.edges) and self.beyond[0] <= rate:
            at = int(np.searchsorted(self.beyond, rate * SLACK, side="right")) - 1
            return float(self.edges[at])
        at = int(np.searchsorted(self.passed, rate * SLACK, side="right")) - 1
        return float(self.levels[at]) if at >= 0 else None


def equal_error(impostor: Curve, genuine: Curve) -> tuple[float, float]:
    """The equal error rate and its threshold: where FMR and FNMR cross, half-way between them where they jump
    past.

    As in ISO/IEC 19795-1 the curve has a point for every different score; with none in common, the point at
    which the two rates are nearest is taken, and their mean.
    """
    levels = np.union1d(_levels(impostor), _levels(genuine))
    if not len(levels):
        return float("nan"), float("nan")
    fmr, fnmr = impostor.rate(levels), 1 - genuine.rate(levels)
    at = int(np.argmin(np.abs(fmr - fnmr)))
    return float((fmr[at] + fnmr[at]) / 2), float(levels[at])


def area(impostor: Curve, genuine: Curve) -> float:
    """Area under the ROC curve: how often a genuine comparison outscores an impostor one, ties counting ½."""
    shares = np.diff(genuine.passed, prepend=0.0)
    reached = impostor.rate(genuine.levels)
    above = impostor.rate(np.nextafter(genuine.levels, np.inf))
    return float(((1 - (reached + above) / 2) * shares).sum())


def _levels(curve: Curve) -> Doubles:
    return np.concatenate([curve.levels[np.isfinite(curve.levels)], curve.edges])
