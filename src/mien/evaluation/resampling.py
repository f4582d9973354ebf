"""The bootstrap over people: what error rates would have been with other people drawn from the same kind.

Every draw takes as many people as there are, with replacement; a pair of two people then counts as often as the
product of theirs, and who is drawn twice is still one person, and no stranger to the double.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.comparisons import Comparisons, Doubles, pair_keys, pair_scores, pairs_of
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.study import Weighting
from mien.values import Floats

DRAWS = 1000
EXACT = 200_000  # the best comparisons, all of which are resampled
THINNED = 400_000  # of the rest as many are taken at random: enough that their choice adds nothing to see
BLOCK = 1 << 21  # numbers worked on at a time


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """weights (people, draws) float32: how often each draw took each person."""

    weights: Floats

    @classmethod
    def of(cls, present: NDArray[np.bool_], draws: int = DRAWS, seed: int = 0) -> Self:
        """Draws among the people that are present."""
        numbers = np.flatnonzero(present)
        rng = np.random.default_rng(seed)
        weights = np.zeros((len(present), draws), np.float32)
        for draw in range(draws):
            drawn = rng.integers(0, len(numbers), len(numbers)) if len(numbers) else numbers
            weights[numbers, draw] = np.bincount(drawn, minlength=len(numbers))
        return cls(weights)

    @property
    def count(self) -> int:
        """How many draws there are."""
        return int(self.weights.shape[1])

    def times(self, first: Numbers, second: Numbers) -> Floats:
        """(k, draws) how often each comparison counts."""
        times = self.weights[first]
        apart = first != second
        if apart.all():
            times *= self.weights[second]
        elif apart.any():
            times[apart] *= self.weights[second[apart]]
        return times

    def sums(self, first: Numbers, second: Numbers, shares: Doubles, ends: NDArray[np.intp]) -> Doubles:
        """(ends, draws) what the comparisons before each end and after the one before it add up to."""
        sums = np.zeros((len(ends), self.count))
        step = max(BLOCK // self.count, 1)
        for row, (start, stop) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            for begin in range(start, stop, step):
                here = slice(begin, min(begin + step, stop))
                sums[row] += shares[here].astype(np.float32) @ self.times(first[here], second[here])
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class Thinned:
    """Comparisons to resample: the best ones all, the rest by a random choice that stands for it.

    scores falling; weight: what each counts for, beside its share.
    """

    scores: Floats
    first: Numbers
    second: Numbers
    shares: dict[Weighting, Doubles]

    @classmethod
    def of(cls, comparisons: Comparisons, samples: Samples | None = None) -> Self:
        """At most EXACT + THINNED of the comparisons. samples: to draw from those that are only counted."""
        c = comparisons
        if c.rest is None and len(c) <= EXACT + THINNED:
            return cls(c.scores, c.first, c.second, dict(c.shares))
        top = slice(0, min(EXACT, len(c)))
        chosen = _chosen(c) if c.rest is None or samples is None else _drawn(c, samples)
        parts = [(c.scores[top], c.first[top], c.second[top], {k: v[top] for k, v in c.shares.items()}), chosen]
        scores, first, second = (np.concatenate([part[i] for part in parts]) for i in range(3))
        shares = {key: np.concatenate([part[3][key] for part in parts]) for key in c.shares}
        return cls(scores, first, second, shares)


Part = tuple[Floats, Numbers, Numbers, dict[Weighting, Doubles]]


def _chosen(c: Comparisons) -> Part:
    """Some of those held below the best EXACT, best first."""
    rng = np.random.default_rng(1)
    some = np.sort(rng.choice(np.arange(EXACT, len(c)), THINNED, replace=False))
    shares = {key: _stretched(values[some], values[EXACT:].sum()) for key, values in c.shares.items()}
    return c.scores[some], c.first[some], c.second[some], shares


def _drawn(c: Comparisons, samples: Samples) -> Part:
    """Pairs of strangers drawn at random, those below the best EXACT, best first."""
    rng = np.random.default_rng(1)
    rows = np.flatnonzero(samples.enrolled)
    left, right = rng.choice(rows, (2, THINNED)).astype(np.int32)
    scores = pair_scores(samples, left, right)
    top = min(EXACT, len(c))
    apart = (samples.subjects[left] != samples.subjects[right]) & (scores < (c.scores[top - 1] if top else 2))
    left, right, scores = left[apart], right[apart], scores[apart]
    order = np.argsort(-scores)
    first, second = samples.subjects[left[order]], samples.subjects[right[order]]
    pictures = np.bincount(samples.subjects[rows], minlength=len(samples.people))
    by: dict[Weighting, Doubles] = {
        "person": 1 / (pictures[first] * pictures[second]),
        "pair": np.ones(len(order)),
    }
    shares = {key: _stretched(by[key], 1 - float(values[:top].sum())) for key, values in c.shares.items()}
    return scores[order], first, second, shares


def _stretched(values: Doubles, total: float) -> Doubles:
    stretched: Doubles = values * (total / max(values.sum(), 1e-300))
    return stretched


def drawn_rates(
    c: Comparisons, thinned: Thinned, weighting: Weighting, thresholds: Doubles, draws: Draws
) -> Doubles:
    """(thresholds, draws) the share of comparisons at or above each of the falling thresholds, draw by draw."""
    cells = np.searchsorted(-thinned.scores, -thresholds, side="right")
    shares = thinned.shares[weighting]
    passed = np.cumsum(draws.sums(thinned.first, thinned.second, shares, cells), axis=0)
    with np.errstate(invalid="ignore"):  # a draw without any of these comparisons says nothing: NaN
        rates = np.clip(passed / drawn_totals(c, thinned, weighting, draws), 0, 1)
    plain = np.minimum(np.concatenate([[0.0], np.cumsum(shares)])[cells], 1)
    noise = pair_noise(thinned, weighting, cells) - plain**2 * squared_parts(c, thinned, weighting)
    return without_pair_noise(rates, plain, np.maximum(noise, 0))


def without_pair_noise(rates: Doubles, plain: Doubles, noise: Doubles) -> Doubles:
    """(k, draws) drawn rates, spread about the plain ones (k,) as they should be.

    A bootstrap of pairs of people counts what is particular to a pair three times over (Owen 2007, "The
    pigeonhole bootstrap"): once for each of the two people and once for both. So deviations are brought back
    to the spread that the people themselves and the pairs, counted once, give. noise (k,): the sum over pairs
    of two people of the squared deviation of their part in the rate.
    """
    variance = variance_of(rates)
    kept = np.sqrt(np.maximum(variance - 2 * noise, np.minimum(noise, variance)) / np.maximum(variance, 1e-300))
    brought: Doubles = np.clip(plain[:, None] + (rates - plain[:, None]) * kept[:, None], 0, 1)
    return brought


def variance_of(drawn: Doubles) -> Doubles:
    """The variance over the draws (last axis) that say something; 0 where none does."""
    said = np.isfinite(drawn)
    count = np.maximum(said.sum(axis=-1), 1)
    mean = np.where(said, drawn, 0).sum(axis=-1) / count
    gaps = np.where(said, drawn - mean[..., None], 0)
    variance: Doubles = (gaps**2).sum(axis=-1) / count
    return variance


def drawn_totals(c: Comparisons, held: Comparisons | Thinned, weighting: Weighting, draws: Draws) -> Doubles:
    """(draws,) what all comparisons amount to, as a part of the same undrawn; held: those of a list."""
    if c.sizes is None:
        end = np.array([len(held.scores)])
        every: Doubles = draws.sums(held.first, held.second, held.shares[weighting], end)[0]
        return every
    sizes = c.sizes[weighting].astype(np.float64)
    whole = sizes.sum() ** 2 - (sizes**2).sum()
    weighed = draws.weights * sizes[:, None].astype(np.float32)
    drawn = weighed.sum(axis=0, dtype=np.float64) ** 2 - (weighed**2).sum(axis=0, dtype=np.float64)
    totals: Doubles = np.maximum(drawn / max(whole, 1e-300), 1e-12)
    return totals


def squared_parts(c: Comparisons, held: Comparisons | Thinned, weighting: Weighting) -> float:
    """The sum over pairs of two people of their squared part in all comparisons; held: those of a list."""
    if c.sizes is not None:
        squares = c.sizes[weighting] ** 2
        return pairs_of(squares) / max(pairs_of(c.sizes[weighting]) ** 2, 1e-300)
    every = np.array([len(held.scores)])
    return float(pair_noise(held, weighting, every)[0])


def pair_noise(held: Comparisons | Thinned, weighting: Weighting, cells: NDArray[np.intp]) -> Doubles:
    """(cells,) the squared parts of pairs of people, summed, in the best 0 … cells[i] − 1 of held."""
    end = int(cells[-1]) if len(cells) else 0
    first, second = held.first[:end], held.second[:end]
    people = 1 + int(max(first.max(initial=0), second.max(initial=0)))
    _, keys = np.unique(pair_keys(first, second, people), return_inverse=True)
    weight = np.where(first == second, 0.0, held.shares[weighting][:end])
    parts, noise, total = np.zeros(keys.max(initial=-1) + 1), np.zeros(len(cells)), 0.0
    for cell, (start, stop) in enumerate(zip([0, *cells[:-1]], cells, strict=True)):
        some, where = np.unique(keys[start:stop], return_inverse=True)
        added = np.bincount(where, weight[start:stop], minlength=len(some))
        total += float((2 * parts[some] * added + added**2).sum())
        parts[some] += added
        noise[cell] = total
    return noise
