"""Groups that grow: new pictures join them, their numbers stay, and so do the names that people gave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from mien.bundle.calibration import Calibration
from mien.errors import InputError, UnknownPersonError
from mien.gallery.clustering.cluster import NONE, cluster, grouping_fmr
from mien.gallery.clustering.found import FoundFaces
from mien.gallery.clustering.linkage import Labels

NOBODY = 0  # the number of poor faces that are like no group


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Faces, the group each is in, and what the groups are called.

    numbers (n,) int: from 1 on, NOBODY for a poor face that is like no group; a lone face is a group too.
    names: number → what people call it; a named group stays together and apart from every other name. seen:
    digests of the pictures that were looked at, those without a face as well. next: the number of the next new
    group; none is ever given twice. fmr: the rate asked for, None for `grouping_fmr`.
    """

    faces: FoundFaces
    numbers: Labels
    names: Mapping[int, str] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    next: int = 1
    fmr: float | None = None

    def __post_init__(self) -> None:
        numbers = np.array(self.numbers, np.int64)
        if numbers.shape != (len(self.faces),):
            raise InputError(f"{len(self.faces)} faces want as many group numbers, not {numbers.shape}")
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < self.next:
            raise InputError(f"groups: numbers from 0 to {self.next - 1} are wanted")
        if not set(self.names) <= set(numbers[numbers != NOBODY].tolist()):
            raise InputError("groups: a name is given to a group that is not there")
        numbers.flags.writeable = False
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "names", dict(self.names))

    @classmethod
    def none(cls, bundle: str, aligner: str, dimension: int, fmr: float | None = None) -> Self:
        """No group yet."""
        return cls(FoundFaces.none(bundle, aligner, dimension), np.empty(0, np.int64), fmr=fmr)

    def add(self, new: Sequence[FoundFaces], calibration: Calibration, seen: Iterable[str] = ()) -> Self:
        """These with more faces, every group thought over anew: the same groups as all faces at once give.

        seen: digests of pictures looked at, besides those of the faces. Raises OriginError where another model
        made the new faces, and what `cluster` raises.
        """
        faces = self.faces.joined(new)
        before = np.concatenate([self.numbers, np.full(len(faces) - len(self.numbers), NOBODY)])
        known = np.where(np.isin(before, list(self.names)), before, -1)
        labels = cluster(faces.embeddings, calibration, good=faces.good, fmr=self.fmr, known=known)
        numbers, following = renumbered(before, labels, self.names, self.next)
        digests = self.seen | set(faces.sha256) | set(seen)
        return replace(self, faces=faces, numbers=numbers, seen=digests, next=following)

    def named(self, number: int, name: str) -> Self:
        """Group `number` called `name`; an empty name takes it away. Groups of one name become one.

        Raises UnknownPersonError where there is no such group.
        """
        self._require(number)
        names = {each: word for each, word in self.names.items() if each != number}
        if not name:
            return replace(self, names=names)
        same = next((each for each, word in names.items() if word == name), number)
        keep, gone = min(same, number), max(same, number)
        names = {each: word for each, word in names.items() if each != gone} | {keep: name}
        return replace(self, numbers=np.where(self.numbers == gone, keep, self.numbers), names=names)

    def removed(self, number: int) -> Self:
        """Without the faces of group `number`; their pictures stay known, so they do not come back."""
        self._require(number)
        left = self.numbers != number
        names = {each: word for each, word in self.names.items() if each != number}
        return replace(self, faces=self.faces[left], numbers=self.numbers[left], names=names)

    def members(self) -> dict[int, list[int]]:
        """Number → the rows of its faces, the largest group first. Faces of NOBODY are left out."""
        rows = np.flatnonzero(self.numbers != NOBODY)
        rows = rows[np.argsort(self.numbers[rows], kind="stable")]
        numbers, counts = np.unique(self.numbers[rows], return_counts=True)
        parts = np.split(rows, np.cumsum(counts)[:-1])
        order = np.lexsort((numbers, -counts))
        return {int(numbers[i]): parts[i].tolist() for i in order}

    def left_over(self) -> list[int]:
        """The rows of poor faces that are like no group."""
        rows: list[int] = np.flatnonzero(self.numbers == NOBODY).tolist()
        return rows

    def rate(self, calibration: Calibration) -> float:
        """The false-match rate at which these faces are grouped."""
        return self.fmr if self.fmr is not None else grouping_fmr(int(self.faces.good.sum()), calibration)

    def _require(self, number: int) -> None:
        if number == NOBODY or number not in self.numbers:
            raise UnknownPersonError(f"there is no group {number}; `mien cluster` lists those there are")


def renumbered(before: Labels, labels: Labels, names: Iterable[int], following: int) -> tuple[Labels, int]:
    """The new groups under the numbers of the old, and the number after the last that is used.

    before (n,): old numbers, NOBODY for new faces; labels (n,): as of `cluster`. A new group has the number of
    the old one with which it shares most faces, those with a name first; each number goes to one group only.
    """
    known = (before != NOBODY) & (labels != NONE)
    shared, counts = np.unique(np.stack([before[known], labels[known]]), axis=1, return_counts=True)
    named = np.isin(shared[0], list(names))
    numbers: dict[int, int] = {}
    taken: set[int] = set()
    for i in np.lexsort((shared[1], shared[0], -counts, ~named)):
        number, label = int(shared[0, i]), int(shared[1, i])
        if label not in numbers and number not in taken:
            numbers[label] = number
            taken.add(number)
    for label in range(int(labels.max(initial=NONE)) + 1):
        if label not in numbers:
            numbers[label], following = following, following + 1
    lookup = np.array([numbers[label] for label in range(len(numbers))] + [NOBODY], np.int64)
    return lookup[labels], following
