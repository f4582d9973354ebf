"""How good groups of faces are: B-cubed and pairwise precision, recall and F, with intervals over people.

B-cubed (Bagga and Baldwin 1998; Amigó et al. 2009) asks of each face which part of its group is its own person
(precision) and which part of its person is in its group (recall), and averages over faces; pairwise asks the
same of pairs of faces. F is the harmonic mean of the two averages. Only how many faces of each person are in
each group matters, so everything is worked out from those counts, never from pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.bundle.card import Part
from mien.errors import InputError
from mien.evaluation.intervals import Z
from mien.evaluation.resampling import DRAWS, Draws, variance_of
from mien.evaluation.study import Figure

Doubles = NDArray[np.float64]
Numbers = NDArray[np.int64]
NO_PAIRS = "there is no pair of faces to ask it of"


class Agreement(Part, frozen=True, kw_only=True):
    """How far groups and people agree: precision, recall and F."""

    precision: Figure
    recall: Figure
    f: Figure


class Clustering(Part, frozen=True, kw_only=True):
    """What groups of so many faces of so many people are worth."""

    faces: int
    people: int
    groups: int
    bcubed: Agreement
    pairwise: Agreement


def measure_clustering(labels: ArrayLike, subjects: ArrayLike, *, draws: int = DRAWS) -> Clustering:
    """Groups held against people. labels (n,) int: each face's group, one below 0 is alone; subjects (n,) int.

    Intervals are the value ± 1.96 standard errors of a bootstrap over people: who is drawn twice is still one
    person, and no stranger to the double. InputError unless both have a number for each face, one at least.
    """
    cells = Cells.of(labels, subjects)
    drawn = cells.draws(draws)
    return Clustering(
        faces=int(cells.count.sum()),
        people=cells.people,
        groups=cells.groups,
        bcubed=_agreement(cells.bcubed(np.ones((cells.people, 1))), cells.bcubed(drawn)),
        pairwise=_agreement(cells.pairwise(np.ones((cells.people, 1))), cells.pairwise(drawn)),
    )


def bcubed_difference(
    first: ArrayLike, second: ArrayLike, subjects: ArrayLike, *, draws: int = DRAWS
) -> Figure:
    """B-cubed F of the first groups less that of the second, with the interval of the paired difference."""
    ours, theirs = Cells.of(first, subjects), Cells.of(second, subjects)
    every, drawn = np.ones((ours.people, 1)), ours.draws(draws)
    value = ours.bcubed(every)[2] - theirs.bcubed(every)[2]
    return _figure(float(value[0]), ours.bcubed(drawn)[2] - theirs.bcubed(drawn)[2], -1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The faces of one person in one group. person, group, count (k,): a row for each that is not empty."""

    person: Numbers
    group: Numbers
    count: Numbers

    @classmethod
    def of(cls, labels: ArrayLike, subjects: ArrayLike) -> Self:
        """Counted from each face's group and person."""
        groups, people = np.array(labels), np.array(subjects)
        if groups.shape != people.shape or groups.ndim != 1 or not len(groups):
            raise InputError(
                f"a group and a person for each face are wanted; {groups.shape} and {people.shape} given"
            )
        alone = groups < 0
        groups[alone] = groups.max() + 1 + np.arange(alone.sum())
        numbered = [np.unique(each, return_inverse=True)[1] for each in (people, groups)]
        (person, group), count = np.unique(numbered, axis=1, return_counts=True)
        return cls(person, group, count)

    @property
    def people(self) -> int:
        """How many there are."""
        return int(self.person.max()) + 1

    @property
    def groups(self) -> int:
        """How many there are, lone faces counted."""
        return int(self.group.max()) + 1

    def draws(self, count: int) -> Doubles:
        """(people, count) how often each draw took each person."""
        return Draws.of(np.ones(self.people, np.bool_), count).weights.astype(np.float64)

    def bcubed(self, weights: Doubles) -> Doubles:
        """(3, draws) precision, recall, F each person counting as often as `weights` (people, draws) say."""
        own, times = self.count[:, None], weights[self.person]
        faces = times * own
        company = own + (self._by_group(faces)[self.group] - faces)
        every = np.bincount(self.person, self.count)[self.person][:, None]
        total = faces.sum(axis=0)
        return _with_f((faces * own / company).sum(axis=0), total, (faces * own / every).sum(axis=0), total)

    def pairwise(self, weights: Doubles) -> Doubles:
        """(3, draws) as `bcubed`, of pairs; NaN where there is none."""
        times = weights[self.person]
        faces = times * self.count[:, None]
        right = (times * _pairs(self.count)[:, None]).sum(axis=0)
        wrong = ((self._by_group(faces) ** 2).sum(axis=0) - (faces**2).sum(axis=0)) / 2
        genuine = _pairs(np.bincount(self.person, self.count)) @ weights
        return _with_f(right, right + wrong, right, genuine)

    def _by_group(self, faces: Doubles) -> Doubles:
        sums = np.zeros((self.groups, faces.shape[1]))
        np.add.at(sums, self.group, faces)
        return sums


def _pairs(count: NDArray[np.generic]) -> Doubles:
    pairs: Doubles = np.asarray(count, np.float64) * (np.asarray(count, np.float64) - 1) / 2
    return pairs


def _with_f(right: Doubles, grouped: Doubles, found: Doubles, genuine: Doubles) -> Doubles:
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = right / grouped, found / genuine
        both = np.where(precision + recall > 0, 2 * precision * recall / (precision + recall), 0.0)
    both[np.isnan(precision + recall)] = np.nan
    return np.stack([precision, recall, both])


def _agreement(values: Doubles, drawn: Doubles) -> Agreement:
    precision, recall, f = (_figure(float(v[0]), d, 0.0) for v, d in zip(values, drawn, strict=True))
    return Agreement(precision=precision, recall=recall, f=f)


def _figure(value: float, drawn: Doubles, least: float) -> Figure:
    if np.isnan(value):
        return Figure(why=NO_PAIRS)
    reach = Z * float(np.sqrt(variance_of(drawn[None])[0]))
    return Figure(value=value, low=max(value - reach, least), high=min(value + reach, 1.0))
