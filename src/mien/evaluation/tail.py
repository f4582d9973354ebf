"""Beyond what the pairs can show: a fit to the highest impostor scores.

Excesses over a high threshold follow a generalised Pareto distribution (Pickands 1975). Cosines end at 1, so
its shape is expected to be slightly below 0; that expectation is a normal prior of the shape, and the fit is
its posterior mode, profiled over shape / scale (Grimshaw 1993). Its uncertainty comes from drawing people
anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from mien.evaluation.comparisons import Comparisons, Doubles, present
from mien.evaluation.curves import Curve
from mien.evaluation.metrics import trials
from mien.evaluation.resampling import Draws, Thinned, drawn_totals
from mien.evaluation.spread import Spread
from mien.evaluation.study import Weighting

EXCESSES = 150  # independent comparisons above the threshold that the fit stands on
SHAPE, SHAPE_SPREAD = -0.1, 0.15  # the prior
DECADES = 2.0  # how far below the smallest measured rate the fit is trusted
DRAWS = 400
GRID = 120  # values of shape / scale looked at, on either side of 0


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The fit, and those of every draw: of the scores above `start`, which `rates` (draws + 1,) of all reach.

    shapes, scales (draws + 1,): the first is the fit itself.
    """

    start: float
    rates: Doubles
    shapes: Doubles
    scales: Doubles

    @classmethod
    def fit(cls, impostor: Comparisons, weighting: Weighting) -> Self | None:
        """The fit to the best comparisons; None where too few are there."""
        share = min(EXCESSES / max(trials(impostor, weighting), 1), 0.1)
        start = Curve.of(impostor, weighting).threshold(share)
        above = int(np.searchsorted(-impostor.scores, -np.float32(2.0 if start is None else start)))
        if start is None or above < 20:
            return None
        excess = np.maximum(impostor.scores[:above].astype(np.float64) - start, 1e-9)
        weights, totals = _weights(impostor, weighting, above)
        shapes, scales = _fitted(excess, weights)
        return cls(start, weights.sum(axis=1) / totals, shapes, scales)

    def threshold(self, rate: float) -> float:
        """Where strangers pass at `rate`, by the fit."""
        shape, scale = self.shapes[0], self.scales[0]
        return float(self.start + scale / shape * ((rate / self.rates[0]) ** -shape - 1))

    def rate(self, threshold: float) -> Doubles:
        """(draws + 1,) the rate at a threshold, by the fit and by those of the draws."""
        with np.errstate(divide="ignore"):
            inside = np.maximum(1 + self.shapes * (threshold - self.start) / self.scales, 0)
            rates: Doubles = self.rates * inside ** (-1 / self.shapes)
        return rates

    def spread(self, rate: float) -> Spread:
        """The spread of the rate at the fit's threshold for it."""
        logs = np.log(np.maximum(self.rate(self.threshold(rate))[1:], rate * 1e-4))
        return Spread(rate, float(logs.std()), np.inf)


def _weights(impostor: Comparisons, weighting: Weighting, above: int) -> tuple[Doubles, Doubles]:
    """(draws + 1, above) what each excess counts for, undrawn first; (draws + 1,) what all amount to."""
    draws = Draws.of(present(impostor), DRAWS)
    shares = impostor.shares[weighting][:above]
    times = draws.times(impostor.first[:above], impostor.second[:above]).T
    held = Thinned.of(impostor) if impostor.sizes is None else impostor
    totals = drawn_totals(impostor, held, weighting, draws)
    return np.concatenate([[shares], times * shares]), np.concatenate([[1.0], totals])


def _fitted(excess: Doubles, weights: Doubles) -> tuple[Doubles, Doubles]:
    """Shape and scale for each row of weights."""
    mean = np.average(excess, weights=weights[0])
    ratios = np.concatenate(
        [np.linspace(-0.999 / excess.max(), -1e-3 / mean, GRID), np.linspace(1e-3 / mean, 1 / mean, GRID)]
    )
    sums = np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    shapes = weights @ np.log1p(excess[:, None] * ratios) / sums
    scales = shapes / ratios
    worth = sums**2 / np.maximum((weights**2).sum(axis=1, keepdims=True), 1e-300)
    likely = -(np.log(np.maximum(scales, 1e-300)) + shapes + 1) * worth
    likely -= 0.5 * ((shapes - SHAPE) / SHAPE_SPREAD) ** 2
    best = np.where((shapes > -0.95) & (scales > 0), likely, -np.inf).argmax(axis=1)
    rows = np.arange(len(weights))
    shape, scale = shapes[rows, best], scales[rows, best]
    # A draw without any of the excesses has no shape: its rate is 0 whatever stands here.
    good = np.isfinite(shape) & (scale > 0)
    return np.where(good, shape, shape[0]), np.where(good, scale, scale[0])
