"""1:N with everybody else for a gallery: each person a stranger to all others, one template each.

Half of the people enrolled and half searched for, as `identification` has it, say nothing of galleries of more
than half. Here each person in turn is left out and searched for among so many of the others, in all choices of
them and of their templates at once: a picture that matches shares q of the pictures of M others meets one of N
of them with probability 1 − Π(1 − q·N/M), exact where all are enrolled (N = M) and near it where few match.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mien.bundle.calibration import SearchThreshold
from mien.evaluation.comparisons import FAILED, Comparisons, Doubles
from mien.evaluation.curves import SLACK
from mien.evaluation.identification import WORK, Searches
from mien.evaluation.intervals import RULE_OF_THREE
from mien.evaluation.resampling import Thinned
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.spread import Spread, spread
from mien.evaluation.study import FPIRS

DIGITS = 6
SIZES = (10, 30, 100, 300, 1_000, 3_000, 10_000)  # of galleries whose searches are calibrated
SPLITS = 10  # galleries searched for the people in them,
MATED = 2_000  # or as many as hold so many people,
MOST_SPLITS = 100
MOST = 0.99  # the largest FPIR looked for
FIRST = 64  # comparisons looked at first; then twice as many, until enough strangers are met


@dataclass(frozen=True, slots=True, eq=False)
class Everyone:
    """Everybody searched for among all others. pictures (people,): how many each has.

    ends (m,): after how many comparisons each different score ends; passed (m,): the FMR there.
    """

    impostor: Comparisons
    pictures: Numbers
    ends: NDArray[np.intp]
    passed: Doubles

    @classmethod
    def of(cls, samples: Samples, impostor: Comparisons) -> Self:
        """Of the samples, all pairs of whose strangers these are."""
        pictures = np.bincount(samples.subjects, minlength=len(samples.people)).astype(np.int32)
        scores = impostor.scores
        ends = np.flatnonzero(np.append(scores[:-1] != scores[1:], True)[: len(scores)]) + 1
        return cls(impostor, pictures, ends, np.cumsum(impostor.shares["person"])[ends - 1])

    @property
    def people(self) -> int:
        """How many there are."""
        return int(np.count_nonzero(self.pictures))

    def fpir(self, passed: int, gallery: int) -> float:
        """The share of searches for strangers that meet one of the first `passed` comparisons, by person."""
        c = self.impostor
        probes = np.concatenate([c.left[:passed], c.right[:passed]]).astype(np.int64)
        whose, met = (
            np.concatenate([a[:passed], b[:passed]]) for a, b in ((c.first, c.second), (c.second, c.first))
        )
        _, at, matches = np.unique(probes * c.people + met, return_index=True, return_counts=True)
        share = matches / self.pictures[met[at]] * gallery / (self.people - 1)
        with np.errstate(divide="ignore"):  # who matches for certain
            unmet = np.log1p(-np.minimum(share, 1.0))
        _, which, where = np.unique(probes[at], return_index=True, return_inverse=True)
        found = -np.expm1(np.bincount(where, unmet))
        return float((found / self.pictures[whose[at[which]]]).sum() / self.people)

    def threshold(self, rate: float, gallery: int) -> float | None:
        """The lowest similarity that the best match of at most `rate` of strangers reaches.

        None where it lies below the comparisons held, or above all of them. It is looked for from FMR = rate /
        gallery on: as far as that, no more can be met (Boole).
        """
        last = len(self.ends) - 1
        low = int(np.searchsorted(self.passed, rate / gallery, side="right")) - 1
        step = FIRST
        while low < last and self._fits(high := min(low + step, last), rate, gallery):
            low, step = high, 2 * step
        if low >= last:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fits(middle, rate, gallery) else (low, middle)
        return float(self.impostor.scores[self.ends[low] - 1]) if low >= 0 else None

    def _fits(self, level: int, rate: float, gallery: int) -> bool:
        return self.fpir(int(self.ends[level]), gallery) <= rate * SLACK


def alone_searches(
    samples: Samples, impostor: Comparisons, thinned: Thinned | None = None
) -> list[SearchThreshold]:
    """Thresholds of galleries of several sizes, up to everybody but one, with one template a person.

    impostor: all pairs of the samples' strangers. A rate that so many people cannot show (rule of three) is
    left out, and everything where nobody has a second picture to be found by.
    """
    everyone = Everyone.of(samples, impostor)
    strangers = everyone.people
    rates = [rate for rate in FPIRS if rate * strangers * SLACK >= RULE_OF_THREE]
    sizes = [size for size in SIZES if size < strangers - 1] + [strangers - 1]
    found = (_rows(everyone, samples, size, rates, thinned) for size in sizes if size > 1)
    return [row for rows in found for row in rows]


def _rows(
    everyone: Everyone, samples: Samples, size: int, rates: Sequence[float], thinned: Thinned | None
) -> list[SearchThreshold]:
    levels = {rate: everyone.threshold(rate, size) for rate in rates}
    known = {rate: level for rate, level in levels.items() if level is not None}
    missed = _fnirs(samples, size, list(known.values()))
    return [
        _row(everyone, rate, size, level, fnir, thinned)
        for (rate, level), fnir in zip(known.items(), missed, strict=True)
        if math.isfinite(fnir)
    ]


def _row(
    everyone: Everyone, rate: float, size: int, level: float, fnir: float, thinned: Thinned | None
) -> SearchThreshold:
    """With intervals by the spread of the FMR there, of which FPIR is about `size` times.

    One gallery of N other people adds to the variance 4ζ/n of n people's rate its own ζ/N (the first projection
    of a U-statistic, Hoeffding 1948).
    """
    seen = spread(everyone.impostor, "person", level, thinned)
    low, high = Spread(rate, seen.relative, seen.errors).interval()
    above, below = (everyone.threshold(end, size) for end in (low, min(high, MOST)))
    ends = Spread(rate, seen.relative * math.sqrt(1 + everyone.people / (4 * size)), seen.errors).interval()
    return stated(rate, size, 1, (level, below, above), fnir, ends)


def _fnirs(samples: Samples, size: int, levels: Sequence[float], seed: int = 0) -> list[float]:
    """At each level the share of searches for known people that miss them, by person; NaN where none is known.

    A mean over galleries of so many people drawn at random, of which there are more where they are small.
    """
    rng = np.random.default_rng(seed)
    affordable = int(WORK / (len(samples) * size))
    wanted = min(max(SPLITS, MATED // size), MOST_SPLITS)
    shares = [_missed(samples, size, levels, rng) for _ in range(max(min(wanted, affordable), 1))]
    there = [each for each in shares if each is not None]
    return np.mean(there, axis=0).tolist() if there else [math.nan] * len(levels)


def _missed(samples: Samples, size: int, levels: Sequence[float], rng: np.random.Generator) -> Doubles | None:
    """Of one gallery, one picture of each of its people enrolled and their others searched for."""
    rows = rng.permutation(len(samples)).astype(np.int32)
    _, first = np.unique(samples.subjects[rows], return_index=True)
    gallery = rows[rng.permutation(first)[:size]]
    rest = np.delete(rows, first)
    found = Searches.of(samples, gallery, rest[np.isin(samples.subjects[rest], samples.subjects[gallery])])
    if not len(found.people):
        return None
    own = np.where(found.ranks == 1, found.own, FAILED)
    people, which = np.unique(found.people, return_inverse=True)
    parts = 1 / (np.bincount(which)[which] * len(people))
    return np.array([parts[own < np.float32(level)].sum() for level in levels])


def stated(
    fpir: float,
    people: int,
    templates: int,
    similarity: tuple[float, float | None, float | None],
    fnir: float,
    ends: tuple[float, float] | None = None,
) -> SearchThreshold:
    """A row as files have it.

    similarity: with its interval, None for an end that is open. ends: of the rate's prediction interval.
    """
    value, low, high = similarity
    level = rounded_up(value)
    return SearchThreshold(
        fpir=fpir,
        people=people,
        templates=templates,
        similarity=level,
        low=-1.0 if low is None else max(min(round(low, DIGITS), level), -1.0),
        high=1.0 if high is None else min(max(round(high, DIGITS), level), 1.0),
        fnir=round(fnir, DIGITS),
        fpir_low=None if ends is None else min(float(f"{ends[0]:.3g}"), fpir),
        fpir_high=None if ends is None else max(min(float(f"{ends[1]:.3g}"), 1.0), fpir),
    )


def rounded_up(similarity: float) -> float:
    """A threshold as files have it: a lower one would let more strangers pass than it says."""
    return float(min(math.ceil(similarity * 10**DIGITS) / 10**DIGITS, 1.0))
