"""Samples and comparisons that nobody photographed: exact vectors, known people, worlds whose truth is known.

Exact vectors have whole eighths for numbers and length one, so that every similarity is a whole number of
64ths, whatever the order in which it is added up: scores tie often, and two ways of counting must agree to the
last one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from mien.evaluation.comparisons import FAILED, Comparisons
from mien.evaluation.metrics import Trial
from mien.evaluation.samples import Samples
from mien.evaluation.study import Weighting
from mien.values import Floats

EIGHTHS = 8
DIMENSION = 12


def exact_vector(rng: Generator) -> list[int]:
    """Whole numbers whose squares add up to 64, in a random order and with random signs."""
    while True:
        numbers: list[int] = []
        while left := EIGHTHS**2 - sum(number**2 for number in numbers):
            numbers.append(int(rng.integers(1, int(left**0.5) + 1)))
        if len(numbers) <= DIMENSION:
            padded = np.array(numbers + [0] * (DIMENSION - len(numbers)))
            signed: list[int] = (rng.permutation(padded) * rng.choice([-1, 1], DIMENSION)).tolist()
            return signed


def samples_of(
    counts: Sequence[int], *, failed: Sequence[int] = (), seed: int = 0, exact: bool = True, known: bool = True
) -> Samples:
    """People with so many pictures each, in a random order.

    failed: numbers of pictures that were not enrolled. exact: as above; else near those of the same person.
    """
    rng = np.random.default_rng(seed)
    subjects = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    vectors = np.array([exact_vector(rng) for _ in subjects], np.float32).reshape(-1, DIMENSION) / EIGHTHS
    if not exact:
        own = rng.normal(size=(len(counts), DIMENSION))
        vectors = rng.normal(size=(len(subjects), DIMENSION)) + 1.5 * own[subjects]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return samples_with(vectors, subjects, len(counts), failed=failed, known=known)


def samples_with(
    vectors: ArrayLike, subjects: ArrayLike, people: int, *, failed: Sequence[int] = (), known: bool = True
) -> Samples:
    """Samples of these vectors, with names for pictures and people."""
    rows, whose = np.array(vectors, np.float32), np.array(subjects, np.int32)
    enrolled = np.ones(len(whose), np.bool_)
    enrolled[list(failed)] = False
    rows[~enrolled] = 0
    names = tuple(f"person-{subject}/{i}.jpg" for i, subject in enumerate(whose.tolist()))
    return Samples(names, whose, tuple(f"person-{i}" for i in range(people)), rows, enrolled, known=known)


@dataclass(frozen=True, slots=True)
class Pair:
    """A comparison, and its part in a rate where everything counts alike and where people do."""

    left: int
    right: int
    score: float
    person: float
    pair: float

    def share(self, weighting: Weighting) -> float:
        return self.person if weighting == "person" else self.pair


def every_pair(samples: Samples, *, same: bool) -> list[Pair]:
    """The comparisons of pictures of one person, or of two, each made by itself: the direct O(n²) way.

    Of strangers only those enrolled; a genuine comparison with one that was not enrolled scores FAILED.
    """
    chosen = [pair for pair in _pairs(samples, same) if same or samples.enrolled[list(pair)].all()]
    people = Counter(_people(samples, pair) for pair in chosen)
    return [
        Pair(*pair, _score(samples, *pair), 1 / (len(people) * people[_people(samples, pair)]), 1 / len(chosen))
        for pair in chosen
    ]


def _pairs(samples: Samples, same: bool) -> Iterator[tuple[int, int]]:
    for i, j in combinations(range(len(samples)), 2):
        if (samples.subjects[i] == samples.subjects[j]) == same:
            yield i, j


def _people(samples: Samples, pair: tuple[int, int]) -> frozenset[int]:
    return frozenset(samples.subjects[list(pair)].tolist())


def _score(samples: Samples, i: int, j: int) -> float:
    if not (samples.enrolled[i] and samples.enrolled[j]):
        return float(FAILED)
    a, b = samples.vectors[i].astype(np.float64), samples.vectors[j].astype(np.float64)
    return float(np.clip(a @ b, -1, 1))


def passing(pairs: Sequence[Pair], weighting: Weighting, threshold: float) -> float:
    """The share of comparisons that score a threshold or more."""
    return sum(pair.share(weighting) for pair in pairs if pair.score >= threshold)


def comparisons_of(
    scores: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    people: int,
    *,
    sizes: NDArray[np.float64] | None = None,
) -> Comparisons:
    """Comparisons with these scores, which no vectors gave, of people by number.

    sizes: where they are all pairs of a set, the pictures of each person.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    a, b = (np.asarray(column, np.int32)[order] for column in (first, second))
    met = np.minimum(a, b) * np.int64(max(people, 1)) + np.maximum(a, b)
    _, place, count = np.unique(met, return_inverse=True, return_counts=True)
    k = len(order)
    return Comparisons(
        scores=np.asarray(scores, np.float32)[order],
        left=np.zeros(k, np.int32),
        right=np.zeros(k, np.int32),
        first=a,
        second=b,
        shares={"person": 1 / (count[place] * max(len(count), 1)), "pair": np.full(k, 1 / max(k, 1))},
        people=people,
        count=k,
        sizes=None if sizes is None else {"person": (sizes > 0).astype(np.float64), "pair": sizes},
    )


@dataclass(frozen=True, slots=True)
class World:
    """Where studies are drawn from, and what a study of everybody in it would find.

    A stranger's score is what either person brings (of deviation `alike`) and noise; a genuine one lies `apart`
    above 0, moved by what the person brings (`own`) and by noise. All in units of the noise, which is a tenth,
    so that similarities stay within −1..1.
    """

    alike: float
    own: float
    apart: float = 3.5
    noise: float = 0.1

    @property
    def impostor(self) -> NormalDist:
        return NormalDist(0, self.noise * (2 * self.alike**2 + 1) ** 0.5)

    @property
    def genuine(self) -> NormalDist:
        return NormalDist(self.noise * self.apart, self.noise * (self.own**2 + 1) ** 0.5)

    def threshold(self, fmr: float) -> float:
        return self.impostor.inv_cdf(1 - fmr)

    def tar(self, fmr: float) -> float:
        return 1 - self.genuine.cdf(self.threshold(fmr))

    @property
    def equal_error(self) -> float:
        """Where the curves cross: both deviations are as far from it (z) as their means are apart."""
        z = (self.genuine.mean - self.impostor.mean) / (self.genuine.stdev + self.impostor.stdev)
        return NormalDist().cdf(-z)

    @property
    def area(self) -> float:
        return NormalDist().cdf((self.genuine - self.impostor).mean / (self.genuine - self.impostor).stdev)

    def all_pairs(self, rng: Generator, people: int, pictures: int, draws: int) -> Trial:
        """A study that compares every picture with every other."""
        subjects = np.repeat(np.arange(people, dtype=np.int32), pictures)
        left, right = np.triu_indices(len(subjects), 1)
        first, second = subjects[left], subjects[right]
        stranger, own = rng.normal(0, self.alike, people), rng.normal(0, self.own, people)
        noise, same = rng.normal(size=len(left)), first == second
        brought = np.where(same, self.apart + own[first], stranger[first] + stranger[second])
        scores = self.noise * (brought + noise)
        genuine = comparisons_of(scores[same], first[same], second[same], people)
        sizes = np.full(people, float(pictures))
        impostor = comparisons_of(scores[~same], first[~same], second[~same], people, sizes=sizes)
        return Trial(_nobody(subjects, people), genuine, impostor, draws)

    def pairs(self, rng: Generator, count: int, draws: int) -> Trial:
        """A study of so many pairs of either kind, of which nobody says who they are."""
        own, noise = rng.normal(0, self.own, count), rng.normal(size=(2, count))
        strangers = rng.normal(0, self.alike, (2, count)).sum(axis=0)
        each = np.arange(count)
        genuine = comparisons_of(self.noise * (self.apart + own + noise[0]), each, each, count)
        impostor = comparisons_of(self.noise * (strangers + noise[1]), each, each, count)
        return Trial(_nobody(np.zeros(1, np.int32), 1, known=False), genuine, impostor, draws)


def _nobody(subjects: NDArray[np.int32], people: int, *, known: bool = True) -> Samples:
    vectors: Floats = np.tile(np.array([1, 0], np.float32), (len(subjects), 1))
    return samples_with(vectors, subjects, people, known=known)
