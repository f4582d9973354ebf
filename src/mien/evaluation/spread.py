"""How far a false-match rate moves from one set of people to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.evaluation.comparisons import Comparisons, Doubles, pairs_of
from mien.evaluation.intervals import student
from mien.evaluation.resampling import Thinned, pair_noise, squared_parts
from mien.evaluation.study import Weighting


@dataclass(frozen=True, slots=True)
class Spread:
    """A rate measured on some people. relative: its standard error over the rate. errors: independent ones it
    rests on.
    """

    rate: float
    relative: float
    errors: float

    def interval(self, others: float = 0.0) -> tuple[float, float]:
        """95 % bounds of the true rate; or, with `others`, of the rate seen on other people.

        others: people of this study over people of that one, so 1 for a study of the same size. Rates that
        differ by chance differ by factors, so the bounds are those of the logarithm.
        """
        factor = float(np.exp(student(self.errors) * self.relative * np.sqrt(1 + others)))
        return self.rate / factor, min(self.rate * factor, 1.0)


def spread(
    impostor: Comparisons, weighting: Weighting, threshold: float, thinned: Thinned | None = None
) -> Spread:
    """The spread of the FMR at a threshold. thinned: what stands for the comparisons that are only counted.

    The rate is a U-statistic of people: its variance is what each person moves it (both partners of a pair,
    so the pair's own noise is in there twice) less once the noise of the pairs (Sen 1960; Hoeffding 1948).
    """
    counted = impostor.rest is not None and not (len(impostor) and threshold >= impostor.scores[-1])
    held = thinned if counted and thinned is not None else impostor
    passed = int(np.searchsorted(-held.scores, -np.float32(threshold), side="right"))
    shares = held.shares[weighting][:passed]
    first, second = held.first[:passed], held.second[:passed]
    rate = float(shares.sum())
    apart = first != second
    each = np.bincount(first, shares, impostor.people) + np.bincount(
        second[apart], shares[apart], impostor.people
    )
    pull = _parts(impostor, weighting)
    people = int((pull > 0).sum())
    moved = float(((each - rate * pull) ** 2).sum()) * people / max(people - 1, 1)
    squares = float(pair_noise(held, weighting, np.array([passed]))[0])
    noise = max(squares - rate**2 * squared_parts(impostor, impostor, weighting), 0.0)
    variance = max(moved - noise, noise)
    if rate <= 0 or variance <= 0:
        return Spread(rate, 0.0, 0.0)
    return Spread(rate, float(np.sqrt(variance)) / rate, rate**2 / variance)


def _parts(impostor: Comparisons, weighting: Weighting) -> Doubles:
    """(people,) the part of all comparisons in which each person stands."""
    if impostor.sizes is not None:
        sizes = impostor.sizes[weighting]
        pulled: Doubles = sizes * (sizes.sum() - sizes) / max(pairs_of(sizes), 1e-300)
        return pulled
    shares, apart = impostor.shares[weighting], impostor.first != impostor.second
    parts = np.bincount(impostor.first, shares, impostor.people).astype(np.float64)
    parts += np.bincount(impostor.second[apart], shares[apart], impostor.people)
    return parts
