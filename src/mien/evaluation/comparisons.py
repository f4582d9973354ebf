"""Comparisons: scored pairs of pictures, best first, and the part that each has in an error rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.study import Weighting
from mien.values import Floats

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]
WEIGHTINGS: tuple[Weighting, ...] = ("person", "pair")
TINY = 1e-300
FAILED = -np.inf  # the score of a comparison with a picture that could not be enrolled: never accepted


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """Comparisons that are only counted: edges (m + 1,) rising, and the share of all in each of the m bins."""

    edges: Doubles
    shares: Mapping[Weighting, Doubles]


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """All comparisons of one kind, genuine or impostor.

    scores (k,) float32, falling. left, right (k,): numbers of the pictures; first, second (k,): of their
    people, equal for genuine pairs and where the data name no people. shares: (k,) part of each in a rate, by
    weighting; with those of `rest` they sum to 1. sizes: for all pairs of a set, the weight of each person in
    the number of pairs, by weighting, so that resampled people can be counted without their pairs; None for a
    list of pairs.
    """

    scores: Floats
    left: Numbers
    right: Numbers
    first: Numbers
    second: Numbers
    shares: Mapping[Weighting, Doubles]
    people: int
    count: int
    rest: Rest | None = None
    sizes: Mapping[Weighting, Doubles] | None = None

    def __post_init__(self) -> None:
        lengths = [len(column) for column in (self.left, self.right, self.first, self.second)]
        if {*lengths, *map(len, self.shares.values())} != {len(self.scores)}:
            raise InputError("comparisons: columns of one length are wanted")
        if (self.scores[:-1] < self.scores[1:]).any() or np.isnan(self.scores).any():
            raise InputError("comparisons: scores must fall")

    def __len__(self) -> int:
        return len(self.scores)

    def without_failed(self) -> Comparisons:
        """Only those whose pictures were enrolled, their shares summing to 1 again."""
        keep = np.isfinite(self.scores)
        if keep.all():
            return self
        first, second = self.first[keep], self.second[keep]
        return self._kept(keep, _shares(first, second, self.people), count=int(keep.sum()))

    def best(self, share: float) -> Comparisons:
        """Only the best, down to this share of all in every weighting; a list, which is short, stays whole."""
        if self.sizes is None:
            return self
        sums = (np.cumsum(values) for values in self.shares.values())
        last = max(int(np.searchsorted(passed, share)) + 1 for passed in sums)
        keep = np.arange(len(self)) < last
        return self._kept(keep, {key: values[keep] for key, values in self.shares.items()}, sizes=self.sizes)

    def among(self, chosen: Mask) -> Comparisons:
        """Only those between two of the chosen people (people,), shares counted anew among them."""
        keep = chosen[self.first] & chosen[self.second]
        shares = {key: values[keep] for key, values in self.shares.items()}
        if self.sizes is None:
            sums = {key: max(values.sum(), TINY) for key, values in shares.items()}
            return self._kept(keep, {key: shares[key] / sums[key] for key in shares}, int(keep.sum()))
        sizes: dict[Weighting, Doubles] = {key: size * chosen for key, size in self.sizes.items()}
        scale = {key: pairs_of(size) / max(pairs_of(sizes[key]), TINY) for key, size in self.sizes.items()}
        count = round(pairs_of(sizes["pair"]))
        return self._kept(keep, {key: shares[key] * scale[key] for key in shares}, count, sizes)

    def _kept(
        self,
        keep: Mask,
        shares: Mapping[Weighting, Doubles],
        count: int | None = None,
        sizes: Mapping[Weighting, Doubles] | None = None,
    ) -> Comparisons:
        left, right, first, second = (
            column[keep] for column in (self.left, self.right, self.first, self.second)
        )
        count = self.count if count is None else count
        return Comparisons(
            self.scores[keep], left, right, first, second, shares, self.people, count, None, sizes
        )


def present(comparisons: Comparisons) -> Mask:
    """(people,) who takes part."""
    if comparisons.sizes is not None:
        return comparisons.sizes["person"] > 0
    there = np.zeros(comparisons.people, np.bool_)
    there[comparisons.first], there[comparisons.second] = True, True
    return there


def people_pairs(comparisons: Comparisons) -> int:
    """How many pairs of two people are compared (of pairs, where the data name no people)."""
    c = comparisons
    if c.sizes is not None:
        return round(pairs_of(c.sizes["person"]))
    return len(np.unique(pair_keys(c.first, c.second, c.people)))


def pair_keys(first: Numbers, second: Numbers, below: int) -> NDArray[np.int64]:
    """A number for each pair of two numbers under `below`, the same whichever stands first."""
    low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second)
    return np.asarray(low * max(below, 1) + high, np.int64)


def pairs_of(sizes: Doubles) -> float:
    """Pairs of two different people, each counting as often as its size says."""
    return float((sizes.sum() ** 2 - (sizes**2).sum()) / 2)


def listed(samples: Samples, left: Numbers, right: Numbers) -> Comparisons:
    """The comparisons of pictures `left` (k,) with `right` (k,), all genuine or all impostor.

    Where the samples name no people, every pair counts as somebody of its own.
    """
    scores = pair_scores(samples, left, right)
    order = np.argsort(-scores, kind="stable")
    left, right = left[order], right[order]
    if samples.known:
        first, second, people = samples.subjects[left], samples.subjects[right], len(samples.people)
    else:
        first = second = order.astype(np.int32)
        people = len(order)
    shares = _shares(first, second, people)
    return Comparisons(scores[order], left, right, first, second, shares, people, len(order))


def genuine_pairs(samples: Samples) -> Comparisons:
    """Every comparison of two pictures of one person, those with pictures that were not enrolled at the end."""
    order = np.argsort(samples.subjects, kind="stable").astype(np.int32)
    ends = np.cumsum(np.bincount(samples.subjects, minlength=len(samples.people)))
    groups = np.split(order, ends[:-1])
    parts = [group[np.array(np.triu_indices(len(group), 1))] for group in groups if len(group) > 1]
    if not parts:
        empty = np.empty(0, np.int32)
        return listed(samples, empty, empty)
    left, right = np.concatenate(parts, axis=1)
    return listed(samples, left, right)


def pair_scores(samples: Samples, left: Numbers, right: Numbers, block: int = 1 << 16) -> Floats:
    """(k,) similarities of pictures with pictures; FAILED where either was not enrolled."""
    scores = np.empty(len(left), np.float32)
    for start in range(0, len(left), block):
        here = slice(start, start + block)
        np.einsum("ij,ij->i", samples.vectors[left[here]], samples.vectors[right[here]], out=scores[here])
    np.clip(scores, -1, 1, out=scores)
    scores[~(samples.enrolled[left] & samples.enrolled[right])] = FAILED
    return scores


def _shares(first: Numbers, second: Numbers, people: int) -> dict[Weighting, Doubles]:
    """Each pair's part: 1/k of all pairs, or an equal part of what its two people have, people counting
    alike.
    """
    k = len(first)
    keys = pair_keys(first, second, people)
    _, where, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return {"person": 1.0 / (counts[where] * max(len(counts), 1)), "pair": np.full(k, 1 / max(k, 1))}
