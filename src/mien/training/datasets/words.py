"""Millions of short texts in two arrays, which workers share; of a tuple, each would come to make a copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.errors import InputError

HOW = "surrogateescape"  # names of files may hold bytes that are no text


@dataclass(frozen=True, slots=True, eq=False)
class Words(Sequence[str]):
    """A sequence of texts. text (b,) uint8: UTF-8, one after the other; ends (n,) int64: where each ends."""

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]

    def __post_init__(self) -> None:
        """InputError where the ends do not rise from 0 to the text's own."""
        edges = np.concatenate([[0], self.ends])
        if (np.diff(edges) < 0).any() or edges[-1] != len(self.text):
            raise InputError(f"words: {len(self.ends)} rising ends up to {len(self.text)} are wanted")

    @classmethod
    def of(cls, words: Iterable[str]) -> Self:
        """The same texts, packed."""
        encoded = [word.encode("utf-8", HOW) for word in words]
        ends = np.fromiter(accumulate(map(len, encoded)), np.int64, len(encoded))
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        row = range(len(self))[index]  # IndexError for what is none, as of every sequence
        start = self.ends[row - 1] if row else 0
        return self.text[start : self.ends[row]].tobytes().decode("utf-8", HOW)

    def taken(self, rows: ArrayLike) -> Self:
        """The texts of these rows, in their order."""
        chosen = np.asarray(rows, np.int64)
        starts = np.concatenate([[0], self.ends[:-1]])[chosen] if len(chosen) else np.empty(0, np.int64)
        lengths = self.ends[chosen] - starts
        ends = np.cumsum(lengths)
        # Each letter's place: its word's start, and how far into the word it is.
        into = np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)
        return type(self)(self.text[np.repeat(starts, lengths) + into], ends)
