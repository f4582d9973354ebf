"""Faces found in pictures, a row each: what groups are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError, OriginError
from mien.gallery.clustering.neighbours import Mask
from mien.values import Embeddings, Reading

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FoundFaces:
    """Row i of everything is one face.

    good (n,) bool: faces to rely on. pictures: the name of the picture each is from; sha256: of that picture's
    bytes; places (n,) int: which of its picture's faces it is, from 0. thumbs: a small JPEG of each.
    """

    embeddings: Embeddings
    good: Mask
    pictures: tuple[str, ...]
    sha256: tuple[str, ...]
    places: Counts
    thumbs: tuple[bytes, ...]

    def __post_init__(self) -> None:
        n = len(self.embeddings)
        lengths = (self.good, self.pictures, self.sha256, self.places, self.thumbs)
        if any(len(each) != n for each in lengths):
            raise InputError(f"{n} faces want as many marks, pictures, digests, places and thumbnails")
        for name, kind in (("good", np.bool_), ("places", np.int64)):
            array = np.array(getattr(self, name), kind)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def none(cls, bundle: str, aligner: str, dimension: int) -> Self:
        """No face yet, of the model that is named."""
        nothing = Embeddings(np.empty((0, dimension), np.float32), np.empty(0, np.float32), bundle, aligner)
        return cls(nothing, np.empty(0, np.bool_), (), (), np.empty(0, np.int64), ())

    @classmethod
    def of(cls, name: str, reading: Reading, thumbs: Sequence[bytes]) -> Self:
        """Those of one picture, called `name`; good are those whose quality has no reason against it."""
        good = np.array([not reasons for reasons in reading.quality.reasons], np.bool_)
        n = len(reading)
        return cls(reading.embeddings, good, (name,) * n, (reading.sha256,) * n, np.arange(n), tuple(thumbs))

    def joined(self, others: Sequence[Self]) -> Self:
        """These and all the others. OriginError where another model or aligner made some of them."""
        parts = [self, *others]
        for each in others:
            self._require_origin(each.embeddings)
        vectors, norms = (
            np.concatenate([getattr(each.embeddings, name) for each in parts]) for name in ("vectors", "norms")
        )
        return type(self)(
            Embeddings(vectors, norms, self.embeddings.bundle, self.embeddings.aligner),
            np.concatenate([each.good for each in parts]),
            tuple(name for each in parts for name in each.pictures),
            tuple(digest for each in parts for digest in each.sha256),
            np.concatenate([each.places for each in parts]),
            tuple(thumb for each in parts for thumb in each.thumbs),
        )

    def _require_origin(self, new: Embeddings) -> None:
        mine = self.embeddings
        for what in ("bundle", "aligner"):
            ours, theirs = getattr(mine, what), getattr(new, what)
            if ours != theirs:
                raise OriginError(
                    f"these groups are of another {what} ({ours[:12]}…) than the new faces ({theirs[:12]}…); "
                    f"use the --bundle and --detector they were made with, or begin anew in another folder"
                )
        if mine.vectors.shape[1] != new.vectors.shape[1]:
            raise OriginError(
                f"vectors of {mine.vectors.shape[1]} numbers are wanted, not {new.vectors.shape[1]}"
            )

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, index: Any) -> Self:
        """Faces by mask, slice or list of numbers."""
        chosen = np.arange(len(self))[index]
        pictures, digests, thumbs = (
            tuple(column[i] for i in chosen) for column in (self.pictures, self.sha256, self.thumbs)
        )
        return type(self)(
            self.embeddings[chosen], self.good[chosen], pictures, digests, self.places[chosen], thumbs
        )

    def name(self, number: int) -> str:
        """The picture of a face, and which of its faces where that is not the first."""
        place = int(self.places[number])
        return f"{self.pictures[number]} ({place + 1})" if place else self.pictures[number]
