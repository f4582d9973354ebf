"""Intervals: how far a measured rate may lie from the true one.

The people of a study are a sample of all people, and every person takes part in many comparisons: so people are
resampled, and never pairs.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from mien.evaluation.study import Figure

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
TINY = 1e-9
RESIDUE = 1e-12  # what adding up shares leaves of a rate of 0 or 1
NONE = 1e-9  # of a rate's largest variance: so little is rounding, and no proof of a billion trials
RULE_OF_THREE = 3.0  # no error in n independent trials: the rate is below 3/n at 95 % (ISO/IEC 19795-1)


def wilson(rate: float, trials: float) -> tuple[float, float]:
    """The interval of a rate seen over so many independent trials (Wilson 1927). trials may be a fraction."""
    if trials <= TINY:
        return 0.0, 1.0
    centre = (rate + Z * Z / (2 * trials)) / (1 + Z * Z / trials)
    half = Z / (1 + Z * Z / trials) * math.sqrt(rate * (1 - rate) / trials + (Z / (2 * trials)) ** 2)
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    return (0.0 if rate == 0 else min(low, rate)), (1.0 if rate == 1 else max(high, rate))


def rate_figure(rate: float, variance: float, most: float) -> Figure:
    """A rate with the Wilson interval of the trials that its variance is worth; without any variance, of
    `most`.

    The trials are rate·(1 − rate)/variance (Kish 1965), so the interval has the width that resampling people
    gave and the shape that a rate near 0 or 1 needs. The variance itself is known from no more errors than
    were seen: Student's t for so many makes up for it, as Korn and Graubard (1998) do.
    """
    if min(rate, 1 - rate) < RESIDUE:
        rate = round(rate)
    spread = rate * (1 - rate)
    worth = spread / variance if spread > 0 and variance > spread * NONE else most
    errors = min(rate, 1 - rate) * worth
    low, high = wilson(rate, worth * (Z / student(errors)) ** 2 if errors else worth)
    return Figure(value=rate, low=low, high=high)


def student(degrees: float) -> float:
    """The 97.5 % point of Student's t (Cornish-Fisher, Abramowitz & Stegun 26.7.5); below 4 degrees, that of
    4.
    """
    v = max(degrees, 4.0)
    return Z + (Z**3 + Z) / (4 * v) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * v**2)


def percentiles(value: float, drawn: np.ndarray) -> Figure:
    """A figure with the central 95 % of what resampling gave, held so that it contains the value."""
    low, high = np.nanpercentile(drawn, [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2])
    return Figure(value=value, low=min(float(low), value), high=max(float(high), value))
