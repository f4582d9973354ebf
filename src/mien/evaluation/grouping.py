"""Comparisons sorted by the groups of their two pictures, and how often they erred.

A cell is one group by itself or two different groups. Within a cell every pair of people counts once (for
genuine comparisons: every person), however many pictures they have there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.comparisons import Comparisons, Doubles, Mask
from mien.evaluation.resampling import Draws, without_pair_noise
from mien.evaluation.samples import Numbers, Samples
from mien.values import Floats

MOST = 30  # groups in a column: whoever names more has put names or dates there
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of labels, and the cells that its groups make.

    codes (n,): the number of each picture's group in `names`, −1 where it is not stated. cells (c,2): the two
    groups of each cell, groups by themselves first. where (groups + 1, groups + 1): the cell of two groups in
    either order; −1 in the last row and column, for pictures of no group.
    """

    title: str
    names: tuple[str, ...]
    codes: Numbers
    cells: Counts
    where: Counts

    @classmethod
    def of(cls, title: str, labels: Sequence[str]) -> Self:
        """The groups that one label a picture names, "" naming none; InputError for more than MOST."""
        names = tuple(sorted({label for label in labels if label}))
        n = len(names)
        if n > MOST:
            raise InputError(
                f"column {title!r} names {n} groups; there may be {MOST}: is it a column of groups?"
            )
        numbers = {name: number for number, name in enumerate(names)}
        codes = np.array([numbers.get(label, -1) for label in labels], np.int32)
        cells = np.array([*((i, i) for i in range(n)), *combinations(range(n), 2)], np.int64).reshape(-1, 2)
        where = np.full((n + 1, n + 1), -1, np.int64)
        where[cells[:, 0], cells[:, 1]] = where[cells[:, 1], cells[:, 0]] = np.arange(len(cells))
        return cls(title, names, codes, cells, where)

    def pictures(self, samples: Samples, compared: Mask) -> Doubles:
        """(people, groups) enrolled pictures in each group that each of the `compared` people (people,) has."""
        k, people = len(self.names), len(samples.people)
        stated = samples.enrolled & (self.codes >= 0) & compared[samples.subjects]
        places = samples.subjects[stated].astype(np.int64) * k + self.codes[stated]
        return np.bincount(places, minlength=people * k).reshape(people, k).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """What counts once: two people (or one: first = second) and the cell in which they were compared.

    (u,) each, by rising `keys`, so cells rise too. counts: their comparisons there.
    """

    keys: Counts
    cells: Counts
    first: Numbers
    second: Numbers
    counts: Counts

    @classmethod
    def of(cls, column: Column, c: Comparisons, part: slice) -> Self:
        """Those of a part of the comparisons."""
        cells = column.where[column.codes[c.left[part]], column.codes[c.right[part]]]
        low, high = (pick(c.first[part], c.second[part]) for pick in (np.minimum, np.maximum))
        people = max(c.people, 1)
        keys, counts = np.unique(((cells * people + low) * people + high)[cells >= 0], return_counts=True)
        first, second = ((keys // each % people).astype(np.int32) for each in (people, 1))
        return cls(keys, keys // people**2, first, second, counts)

    def drawn(self, parts: Doubles, cells: int, draws: Draws) -> Doubles:
        """(cells, draws) the sums of their parts (u,), draw by draw."""
        return draws.sums(
            self.first, self.second, parts, np.searchsorted(self.cells, np.arange(cells), "right")
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Error rates by cell: values (c,), drawn (c, draws), over so many units (c,). overall: of everybody."""

    units: Counts
    values: Doubles
    drawn: Doubles
    overall: float


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """All comparisons of one kind by cell (c,), against which errors are counted.

    counts: comparisons. units: those that have any; drawn (c, draws): the same, draw by draw. people: person
    · c + cell of those who took part. size: how many comparisons given units have.
    """

    column: Column
    comparisons: Comparisons
    draws: Draws
    counts: Counts
    units: Counts
    drawn: Doubles
    people: Counts
    size: Callable[[Units], Doubles]

    @classmethod
    def of(cls, column: Column, c: Comparisons, draws: Draws, samples: Samples) -> Self:
        """The tally of a list of comparisons, or of every pair of a set."""
        if c.sizes is None:
            return cls(column, c, draws, *_listed(column, c, draws))
        return cls(
            column, c, draws, *_every_pair(column, column.pictures(samples, c.sizes["person"] > 0), draws)
        )

    def rates(self, erred: slice) -> Rates:
        """The error rates, where this part of the comparisons erred."""
        errors, n = Units.of(self.column, self.comparisons, erred), len(self.units)
        parts, units = errors.counts / self.size(errors), np.maximum(self.units, 1)
        values = np.bincount(errors.cells, parts, n) / units
        squares = np.where(errors.first == errors.second, 0.0, parts**2)
        noise = np.bincount(errors.cells, squares, n) / units**2
        noise = np.maximum(noise - values**2 / units, 0)  # about their mean
        drawn = without_pair_noise(self._drawn(errors.drawn(parts, n, self.draws), values), values, noise)
        overall = float(self.comparisons.shares["person"][erred].sum())
        return Rates(self.units, values, drawn, overall)

    def _drawn(self, sums: Doubles, values: Doubles) -> Doubles:
        """(c, draws) rates. Draws that took nobody of a small group say nothing of it: the others stand in."""
        some, plain = self.drawn > 0, values[:, None]
        rates = np.divide(sums, self.drawn, out=np.repeat(plain, self.draws.count, axis=1), where=some)
        told = np.maximum(some.mean(axis=1, keepdims=True), 1 / self.draws.count)
        stretched: Doubles = plain + (rates - plain) / np.sqrt(told)
        return stretched


Parts = tuple[Counts, Counts, Doubles, Counts, Callable[[Units], Doubles]]  # of a tally, from `counts` on


def _listed(column: Column, c: Comparisons, draws: Draws) -> Parts:
    every, n = Units.of(column, c, slice(None)), len(column.cells)
    units, counts = (np.bincount(every.cells, each, n).astype(np.int64) for each in (None, every.counts))
    people = np.unique(
        np.concatenate([each * np.int64(n) + every.cells for each in (every.first, every.second)])
    )

    def size(some: Units) -> Doubles:
        return every.counts[np.searchsorted(every.keys, some.keys)].astype(np.float64)

    return counts, units, every.drawn(np.ones(len(every.keys)), n, draws), people, size


def _every_pair(column: Column, pictures: Doubles, draws: Draws) -> Parts:
    """No comparison need be there to be counted: pictures (people, groups) tell how many there are."""
    a, b = column.cells.T
    once = np.where(a == b, 0.5, 1.0)  # two pictures of one group are met in both orders
    totals, own = pictures.sum(axis=0), pictures.T @ pictures
    counts = (once * (totals[a] * totals[b] - own[a, b])).astype(np.int64)
    inside = pictures > 0
    units = _pairs(inside, column.cells, np.ones((len(inside), 1), np.float32))[:, 0].astype(np.int64)
    people = np.flatnonzero((inside[:, a] | inside[:, b]) & (units > 0))

    def size(some: Units) -> Doubles:
        (a, b), i, j = column.cells[some.cells].T, some.first, some.second
        sizes: Doubles = once[some.cells] * (pictures[i, a] * pictures[j, b] + pictures[i, b] * pictures[j, a])
        return sizes

    return counts, units, _pairs(inside, column.cells, draws.weights), people, size


def _pairs(inside: Mask, cells: Counts, weights: Floats) -> Doubles:
    """(c, draws) pairs of two people, one in each group of a cell, by weight.

    inside (people, groups): who is in which group. weights (people, draws): whole numbers.
    """
    sums = (inside.T.astype(np.float32) @ weights).astype(np.float64)
    pairs = np.empty((len(cells), weights.shape[1]))
    for cell, (a, b) in enumerate(cells):
        both = weights[inside[:, a] & inside[:, b]]
        total, squares = both.sum(axis=0, dtype=np.float64), np.einsum("ij,ij->j", both, both)
        # Two people who are in both groups are met twice in the product of sums, and each meets himself once.
        pairs[cell] = sums[a] * sums[b] - (total**2 + squares) / 2
    return pairs
