"""The value that every form of data is read into: people, their pictures' numbers, and where the bytes are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.errors import ImageError, InputError
from mien.images import load
from mien.training.datasets.contract import CropContract, settled
from mien.training.datasets.words import Words
from mien.values import Pixels

Labels = NDArray[np.int32]
Rows = NDArray[np.int64]


class Source(Protocol):
    """Where a data set's pictures are. Can be pickled, and read from several threads at once."""

    @property
    def names(self) -> Words:
        """A name a picture, for messages and reviews."""
        ...

    def encoded(self, row: int) -> bytes:
        """The picture file's bytes. InputError where they cannot be read."""
        ...

    def taken(self, rows: Rows) -> Source:
        """The same for these pictures alone."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Pictures of people, a label each.

    people: the classes' names, each once. labels (n,) int32: the number in `people` of whom picture i shows;
    everybody has a picture. contract: what the crops keep to, None where nobody says. Raises InputError where
    these do not fit together, or nothing is there at all.
    """

    name: str
    people: tuple[str, ...]
    labels: Labels
    source: Source
    contract: CropContract | None = None

    def __post_init__(self) -> None:
        labels = np.array(self.labels)
        labels.flags.writeable = False
        n, k = len(self.source.names), len(self.people)
        if not n or labels.shape != (n,) or labels.dtype != np.int32:
            raise InputError(
                f"{self.name}: {n} pictures and {labels.shape} {labels.dtype} labels; an int32 each is wanted, "
                f"and one picture at least"
            )
        if not 0 <= int(labels.min()) <= int(labels.max()) < k:
            raise InputError(f"{self.name}: labels {labels.min()} to {labels.max()} where there are {k} people")
        if len(set(self.people)) != k:
            raise InputError(f"{self.name}: two people have one name")
        empty = np.flatnonzero(np.bincount(labels, minlength=k) == 0)
        if len(empty):
            raise InputError(f"{self.name}: {len(empty)} people without a picture: {self.people[empty[0]]!r} …")
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self.labels)

    @property
    def names(self) -> Sequence[str]:
        """A name a picture, as its source has it."""
        return self.source.names

    @property
    def counts(self) -> NDArray[np.int64]:
        """(people,) how many pictures each person has."""
        return np.bincount(self.labels, minlength=len(self.people))

    @property
    def digest(self) -> str:
        """SHA-256 over people, labels and the pictures' names, not their bytes: whether it is the same list."""
        digest = hashlib.sha256()
        people, names = Words.of(self.people), self.source.names
        for array in (people.text, people.ends, self.labels, names.text, names.ends):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def encoded(self, row: int) -> bytes:
        """The bytes of picture `row`'s file. InputError where they cannot be read."""
        return self.source.encoded(row)

    def subset(self, keep: ArrayLike) -> Self:
        """These pictures, by mask (n,) or by numbers, in that order; people left without one are left out.

        Who stays keeps the order, and is numbered anew.
        """
        chosen = np.asarray(keep)
        rows = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.int64)
        if (chosen.dtype == np.bool_ and len(chosen) != len(self)) or ((rows < 0) | (rows >= len(self))).any():
            raise InputError(f"{self.name}: a mask or numbers of its {len(self)} pictures are wanted")
        who, labels = np.unique(self.labels[rows], return_inverse=True)
        people = tuple(self.people[i] for i in who)
        return replace(self, people=people, labels=labels.astype(np.int32), source=self.source.taken(rows))

    def split_people(self, held: int | Iterable[str], seed: int = 0) -> tuple[Self, Self]:
        """The others, and the people held out: so many of them drawn by `seed`, or those of these names.

        InputError where a name is nobody's, or where one side would be empty.
        """
        who = self._drawn(held, seed) if isinstance(held, int) else self._numbers(held)
        if not 0 < len(who) < len(self.people):
            raise InputError(
                f"{self.name}: {len(who)} of {len(self.people)} people cannot be held out; 1 to "
                f"{len(self.people) - 1} can"
            )
        out = np.isin(self.labels, who)
        return self.subset(~out), self.subset(out)

    def of_people(self, names: Iterable[str]) -> Self:
        """The pictures of these people. InputError where a name is nobody's."""
        return self.subset(np.isin(self.labels, self._numbers(names)))

    def _drawn(self, count: int, seed: int) -> NDArray[np.int64]:
        order = np.random.default_rng(seed).permutation(len(self.people))
        return order[: max(count, 0)]

    def _numbers(self, names: Iterable[str]) -> NDArray[np.int64]:
        wanted = {names} if isinstance(names, str) else set(names)
        number = {person: i for i, person in enumerate(self.people)}
        strangers = sorted(wanted - set(number))
        if strangers:
            raise InputError(f"{self.name}: {len(strangers)} names are nobody's here: {strangers[0]!r} …")
        return np.array(sorted(number[person] for person in wanted), np.int64)


def decode(dataset: Dataset, row: int) -> Pixels:
    """Picture `row` as (h,w,3) uint8 RGB. ImageError names the data set and the picture."""
    try:
        return load(dataset.encoded(row)).pixels
    except ImageError as error:
        why = str(error).removeprefix("bytes: ")
        raise ImageError(f"{dataset.name}: {dataset.names[row]}: {why}") from error


def merged(datasets: Sequence[Dataset], *, name: str = "merged", unite: bool = False) -> Dataset:
    """Several data sets as one, in their order.

    unite: people of one name are one person; else each set's people are others, named `SET/PERSON`. InputError
    where the sets' crops are of different contracts, or two sets have one name.
    """
    if not datasets:
        raise InputError("merged: at least one data set is wanted")
    if not unite and len({each.name for each in datasets}) < len(datasets):
        raise InputError("merged: two data sets have one name; rename one, or unite people of one name")
    known = [[person if unite else f"{each.name}/{person}" for person in each.people] for each in datasets]
    number = {person: i for i, person in enumerate(dict.fromkeys(chain.from_iterable(known)))}
    labels = [
        np.array([number[person] for person in people], np.int32)[each.labels]
        for people, each in zip(known, datasets, strict=True)
    ]
    source = Joined.of([each.source for each in datasets])
    return Dataset(name, tuple(number), np.concatenate(labels), source, _common_contract(datasets))


def _common_contract(datasets: Sequence[Dataset]) -> CropContract | None:
    """What all crops keep to; None where a set says nothing."""
    first, *others = datasets
    contract = first.contract
    for other in others:
        settled(f"{first.name} and {other.name}", first.contract, other.contract)
        contract = contract if other.contract == contract else None
    return contract


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Pictures of several sources: picture i is number rows[i] of parts[which[i]]."""

    parts: tuple[Source, ...]
    which: Labels
    rows: Rows
    names: Words

    @classmethod
    def of(cls, parts: Sequence[Source]) -> Self:
        """All pictures of the sources, one source after the other."""
        sizes = [len(part.names) for part in parts]
        which = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
        rows = np.concatenate([np.arange(size) for size in sizes])
        return cls(tuple(parts), which, rows, joined([part.names for part in parts]))

    def encoded(self, row: int) -> bytes:
        """The bytes, as the part reads them."""
        return self.parts[int(self.which[row])].encoded(int(self.rows[row]))

    def taken(self, rows: Rows) -> Joined:
        """These pictures, of the same parts."""
        return Joined(self.parts, self.which[rows], self.rows[rows], self.names.taken(rows))


def joined(parts: Sequence[Words]) -> Words:
    """The words of all parts, one part after the other."""
    before = np.cumsum([0, *(len(part.text) for part in parts[:-1])])
    ends = [part.ends + start for part, start in zip(parts, before, strict=True)]
    return Words(np.concatenate([part.text for part in parts]), np.concatenate(ends))
