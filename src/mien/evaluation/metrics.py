"""Scores in, numbers out: what a biometrics report states of 1:1 comparison, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from mien.errors import InputError
from mien.evaluation.comparisons import Comparisons, Doubles, people_pairs
from mien.evaluation.curves import Curve, area, equal_error
from mien.evaluation.intervals import RULE_OF_THREE, rate_figure
from mien.evaluation.resampling import DRAWS, Draws, Thinned, drawn_rates, variance_of
from mien.evaluation.samples import Samples
from mien.evaluation.spread import spread
from mien.evaluation.study import RATES, Figure, OperatingPoint, Verification, Weighting
from mien.values import rate_text

GRID = 20  # thresholds a decade of FMR at which draws are looked at
FEW = 10  # pairs of people, fewer than which show nothing, however many pictures there are
CURVE = 200  # points of a curve that is shown
NO_GENUINE = "no person has two pictures, so nobody could be recognised"
NO_IMPOSTOR = "no two people were compared, so nobody could be mistaken for another"
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Trial:
    """Comparisons of both kinds, ready to be measured. genuine: with those that failed, impostor: without."""

    samples: Samples
    genuine: Comparisons
    impostor: Comparisons
    draws: int = DRAWS

    def __post_init__(self) -> None:
        if not np.isfinite(self.impostor.scores).all():
            raise InputError("impostor comparisons of pictures that were not enrolled cannot be measured")

    @cached_property
    def enrolled(self) -> Comparisons:
        """The genuine comparisons whose pictures were all enrolled."""
        return self.genuine.without_failed()

    @cached_property
    def drawn(self) -> tuple[Draws, Draws]:
        """Draws of people for the genuine and for the impostor comparisons: the same ones, where people are
        known.
        """
        if not self.samples.known:
            both = (self.genuine.people, self.impostor.people)
            genuine, impostor = (Draws.of(np.ones(n, bool), self.draws, seed) for seed, n in enumerate(both))
            return genuine, impostor
        present = np.bincount(self.samples.subjects, minlength=len(self.samples.people)) > 0
        draws = Draws.of(present, self.draws)
        return draws, draws

    @cached_property
    def thinned(self) -> Thinned:
        """The impostor comparisons that are resampled."""
        return Thinned.of(self.impostor, self.samples)

    def curve(self, weighting: Weighting) -> tuple[Curve, Curve]:
        """Those of the impostor comparisons and of the genuine ones without failures."""
        return Curve.of(self.impostor, weighting), Curve.of(self.enrolled, weighting)


def trials(comparisons: Comparisons, weighting: Weighting) -> float:
    """How many comparisons to count on.

    Per person the pairs of people, for what two people's pictures say of each other goes together; over pairs
    every one, as the field has it, unless hardly anybody is compared.
    """
    pairs = people_pairs(comparisons)
    return float(pairs if weighting == "person" or pairs < FEW else comparisons.count)


def unsupported(fmr: float, comparisons: Comparisons, weighting: Weighting) -> str:
    """Why the impostor comparisons cannot show so small a rate; empty where they can (rule of three)."""
    return refusal(fmr, trials(comparisons, weighting))


def refusal(fmr: float, worth: float) -> str:
    """Why comparisons that are worth so many cannot show a rate; empty where they can (rule of three)."""
    if fmr * worth >= RULE_OF_THREE:
        return ""
    return (
        f"FMR {rate_text(fmr)} needs {math.ceil(RULE_OF_THREE / fmr * (1 - TINY)):,} independent impostor "
        f"comparisons (rule of three); these are worth {math.floor(worth):,}"
    )


def verification(trial: Trial, weighting: Weighting, rates: Sequence[float] = RATES) -> Verification:
    """Everything about 1:1 comparison, averaged as `weighting` says."""
    if not trial.impostor.count:
        none = Figure(why=NO_IMPOSTOR)
        points = tuple(_refused(rate, none) for rate in rates)
        return Verification(weighting=weighting, points=points, eer=none, auc=none, det=())
    measured = Measured.of(trial, weighting, rates)
    return Verification(
        weighting=weighting,
        points=tuple(measured.point(rate) for rate in rates),
        eer=measured.equal_error,
        auc=measured.area,
        det=measured.shown(),
    )


def _refused(rate: float, why: Figure) -> OperatingPoint:
    return OperatingPoint(fmr=rate, threshold=why, fnmr=why, tar=why, gfrr=why)


@dataclass(frozen=True, eq=False)
class Measured:
    """The curves of a trial in one weighting, and those of every draw at the thresholds of a falling grid (k,).

    fmr, fnmr, gfrr: (k, draws).
    """

    trial: Trial
    weighting: Weighting
    impostor: Curve
    genuine: Curve
    grid: Doubles
    fmr: Doubles
    fnmr: Doubles
    gfrr: Doubles

    @classmethod
    def of(cls, trial: Trial, weighting: Weighting, rates: Sequence[float] = RATES) -> Self:
        """Measure a trial and its draws."""
        impostor, genuine = trial.curve(weighting)
        grid = _grid(impostor, genuine, rates)
        for_genuine, for_impostor = trial.drawn
        fmr = drawn_rates(trial.impostor, trial.thinned, weighting, grid, for_impostor)
        every = (
            [trial.enrolled] if len(trial.enrolled) == len(trial.genuine) else [trial.enrolled, trial.genuine]
        )
        passed = [drawn_rates(each, Thinned.of(each), weighting, grid, for_genuine) for each in every]
        return cls(trial, weighting, impostor, genuine, grid, fmr, 1 - passed[0], 1 - passed[-1])

    def point(self, rate: float) -> OperatingPoint:
        """The error rates where strangers pass at `rate`, or why they cannot be stated."""
        why = refusal(rate, self.worth)
        threshold = None if why else self.impostor.threshold(rate)
        if threshold is None:
            refused = Figure(why=why or f"more than {rate_text(rate)} of the impostors share the top score")
            return _refused(rate, refused)
        fnmr, gfrr = self.misses(rate, threshold)
        return OperatingPoint(
            fmr=rate, threshold=self.bounds(threshold), fnmr=fnmr, tar=complement(fnmr), gfrr=gfrr
        )

    @cached_property
    def worth(self) -> float:
        """How many impostor comparisons to count on."""
        return trials(self.trial.impostor, self.weighting)

    def misses(self, rate: float, threshold: float) -> tuple[Figure, Figure]:
        """FNMR and generalised FRR at a threshold, its own uncertainty included."""
        if not self.trial.enrolled.count:
            return Figure(why=NO_GENUINE), Figure(why=NO_GENUINE)
        every = Curve.of(self.trial.genuine, self.weighting)
        values = (1 - float(curve.rate(threshold)) for curve in (self.genuine, every))
        drawn = (self.at(rate, each) for each in (self.fnmr, self.gfrr))
        fnmr, gfrr = (
            rate_figure(value, float(variance_of(each)), self.people)
            for value, each in zip(values, drawn, strict=True)
        )
        return fnmr, gfrr

    def at(self, rate: float, drawn: Doubles) -> Doubles:
        """(draws,) what each draw shows where its own strangers pass at `rate`."""
        logs = np.log(np.maximum(self.fmr, TINY))
        asked = np.log(rate)
        return np.array([np.interp(asked, logs[:, i], drawn[:, i]) for i in range(drawn.shape[1])])

    def bounds(self, threshold: float) -> Figure:
        """A threshold and its interval (Woodruff 1952): where the curve passes the ends of its rate's
        interval.
        """
        low, high = spread(self.trial.impostor, self.weighting, threshold, self.trial.thinned).interval()
        above, below = (self.impostor.threshold(end) for end in (low, high))
        return Figure(
            value=threshold,
            low=min(threshold, threshold if below is None else below),
            high=max(threshold, self.highest if above is None else above),
        )

    @property
    def highest(self) -> float:
        """The best impostor score."""
        return float(self.impostor.levels[0])

    @property
    def people(self) -> int:
        """How many people were compared with themselves."""
        return len(np.unique(self.trial.genuine.first))

    @property
    def equal_error(self) -> Figure:
        """The rate at which FMR and FNMR are equal."""
        return self.figure(equal_error(self.impostor, self.genuine)[0], self.equal_errors)

    @property
    def area(self) -> Figure:
        """The area under the ROC curve."""
        return self.figure(area(self.impostor, self.genuine), self.areas)

    @cached_property
    def equal_errors(self) -> Doubles:
        """(draws,) the equal error rate of each draw."""
        gap = self.fmr - self.fnmr  # rises as the threshold falls
        return np.array([np.interp(0.0, gap[:, i], self.fmr[:, i]) for i in range(gap.shape[1])])

    @cached_property
    def areas(self) -> Doubles:
        """(draws,) the area under the ROC curve of each draw, straight between the grid's thresholds."""
        width = np.diff(self.fmr, axis=0, prepend=0.0, append=1.0)
        tar = np.concatenate([np.zeros((1, width.shape[1])), 1 - self.fnmr, np.ones((1, width.shape[1]))])
        areas: Doubles = (width * (tar[1:] + tar[:-1]) / 2).sum(axis=0)
        return areas

    def figure(self, value: float, drawn: Doubles) -> Figure:
        """A figure with the interval of its draws, or why there is none."""
        if not self.trial.impostor.count:
            return Figure(why=NO_IMPOSTOR)
        if not self.trial.enrolled.count:
            return Figure(why=NO_GENUINE)
        return rate_figure(value, float(variance_of(drawn)), self.people)

    def shown(self) -> tuple[tuple[float, float, float], ...]:
        """Points of the DET curve for people to look at: threshold, FMR, FNMR."""
        levels = np.unique(self.grid[np.isfinite(self.grid)])[::-1]
        some = (
            levels[np.linspace(0, len(levels) - 1, min(CURVE, len(levels))).astype(int)]
            if len(levels)
            else levels
        )
        rates = zip(some, self.impostor.rate(some), 1 - self.genuine.rate(some), strict=True)
        return tuple((float(t), float(fmr), float(fnmr)) for t, fmr, fnmr in rates)


def _grid(impostor: Curve, genuine: Curve, rates: Sequence[float]) -> Doubles:
    """Thresholds, falling, from above every score to below: even steps of FMR, the asked rates, genuine
    quantiles.
    """
    least = max(impostor.passed[0] if len(impostor.passed) else 1e-6, 1e-9)
    steps = np.geomspace(least, 1, max(int(GRID * -np.log10(least)), 2))
    asked = [impostor.threshold(float(rate)) for rate in (*steps, *rates, *np.linspace(0.55, 0.95, 9))]
    known = [threshold for threshold in asked if threshold is not None]
    levels = (
        genuine.levels[np.linspace(0, len(genuine.levels) - 1, 40).astype(int)] if len(genuine.levels) else []
    )
    return np.unique([*known, *levels, 1.0, -1.0])[::-1]


def complement(figure: Figure) -> Figure:
    """One minus a rate, with its interval."""
    if figure.value is None or figure.low is None or figure.high is None:
        return figure
    return Figure(value=1 - figure.value, low=1 - figure.high, high=1 - figure.low)
