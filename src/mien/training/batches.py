"""Which pictures meet in each step: a function of seed, epoch and step, so any run can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A batch: its epoch, its pictures (n,), and for each the number (n,) that it has alone in this epoch.

    The number is what augmentation draws from; where pictures repeat, it is not the picture's own.
    """

    epoch: int
    rows: Rows
    numbers: Rows

    def part(self, part: int, parts: int) -> Chosen:
        """One of so many equal parts, in order."""
        size = len(self.rows) // parts
        here = slice(part * size, (part + 1) * size)
        return Chosen(self.epoch, self.rows[here], self.numbers[here])


@dataclass(frozen=True, eq=False)
class Batches:
    """The global batches of an epoch; each process takes its part of them, whatever their number.

    labels (n,): whose each picture is. size: pictures a batch; what does not fill one waits for the next epoch.
    per_person: so many pictures each of size / per_person people drawn anew for every batch (Hermans et al.
    2017); 0: pictures in a random order, each once. Raises InputError where the data cannot fill a batch.
    """

    labels: NDArray[np.int32]
    size: int
    per_person: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        n, people = len(self.labels), len(np.unique(self.labels))
        if n < self.size:
            raise InputError(
                f"a batch of {self.size} faces is larger than the data, {n} pictures: lower batch.size"
            )
        if self.per_person and people < self.size // self.per_person:
            raise InputError(
                f"a batch of {self.size // self.per_person} people × {self.per_person} pictures wants "
                f"more than the data's {people} people: lower batch.size or raise batch.per_person"
            )
        if self.per_person and int(np.bincount(self.labels).max()) < 2:
            raise InputError(
                "nobody has two pictures, so a loss that compares faces can learn nothing from them"
            )

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return len(self.labels) // self.size

    def since(self, start: int = 0) -> Iterator[Chosen]:
        """Without end, from step `start` of the training: what the global batch of each step is made of."""
        for epoch in count(start // self.steps):
            first = start % self.steps if epoch == start // self.steps else 0
            yield from self._of_people(epoch, first) if self.per_person else self._in_order(epoch, first)

    def _in_order(self, epoch: int, first: int) -> Iterator[Chosen]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.labels))
        for step in range(first, self.steps):
            rows = order[step * self.size : (step + 1) * self.size]
            yield Chosen(epoch, rows, rows)

    def _of_people(self, epoch: int, first: int) -> Iterator[Chosen]:
        """No picture twice as far as a person has enough; people with one picture only where there are no
        others.
        """
        starts, order = self._by_person
        counts = np.diff(starts)
        wanted, several = self.size // self.per_person, np.flatnonzero(counts >= 2)
        among = several if len(several) >= wanted else np.flatnonzero(counts)
        for step in range(first, self.steps):
            rng = np.random.default_rng([self.seed, epoch, step])
            who = rng.choice(among, wanted, replace=False)
            picked = [_picks(rng, int(counts[each]), self.per_person) + starts[each] for each in who]
            yield Chosen(epoch, order[np.concatenate(picked)], step * self.size + np.arange(self.size))

    @cached_property
    def _by_person(self) -> tuple[Rows, Rows]:
        """Where each person's pictures begin in the order of people, and that order."""
        ends = np.cumsum(np.bincount(self.labels))
        return np.concatenate([[0], ends]), np.argsort(self.labels, kind="stable")


def _picks(rng: np.random.Generator, have: int, wanted: int) -> Rows:
    """So many numbers below `have`, each as often as any other give or take one."""
    rounds = [rng.permutation(have) for _ in range(-(-wanted // have))]
    return np.concatenate(rounds)[:wanted]
