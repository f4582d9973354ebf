"""People's vectors in memory, a row each, in segments: nothing is copied when the gallery grows.

Only the first segment begins small and doubles. Rows have no holes: the last ones move to where others were
removed, and what they leave is overwritten with zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mien.gallery.index.found import Keys
from mien.gallery.index.places import Places
from mien.gallery.index.places import Rows as Numbers

SEGMENT = 65_536  # rows
FIRST = 64
Segment = dict[str, NDArray[Any]]


class Rows:
    """Columns of arrays, a row a key. Not safe to change while others read.

    columns: name → dtype and width; each is stored as (rows, width). "keys" (rows,1) int64 comes with them.
    """

    def __init__(self, columns: Mapping[str, tuple[DTypeLike, int]]) -> None:
        self._columns = {"keys": (np.int64, 1), **columns}
        self._segments: list[Segment] = []
        self._places = Places()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory of all segments, rows not yet used included, and of the table of keys."""
        arrays = sum(array.nbytes for segment in self._segments for array in segment.values())
        return arrays + self._places.nbytes

    def filled(self, most: int) -> Iterator[tuple[int, Segment]]:
        """The rows in use as views of at most so many, each with the number of its first."""
        for start, segment in zip(range(0, self._count, SEGMENT), self._segments, strict=False):
            used = min(SEGMENT, self._count - start)
            for first in range(0, used, most):
                part = slice(first, min(first + most, used))
                yield start + first, {name: array[part] for name, array in segment.items()}

    def read(self, name: str, rows: Numbers) -> NDArray[Any]:
        """(m, width) of a column, in the order asked for."""
        dtype, width = self._columns[name]
        values = np.empty((len(rows), width), dtype)
        for segment, inside, which in self._parts(rows):
            values[which] = segment[name][inside]
        return values

    def put(self, keys: Keys, values: Mapping[str, NDArray[Any]]) -> None:
        """Write a row a key, (n, width) a column; of equal keys the last counts."""
        keys, take = last_of_each(keys)
        rows = self._places.find(keys)
        new = np.flatnonzero(rows < 0)
        rows[new] = np.arange(self._count, self._count + len(new))
        self._make_room(self._count + len(new))
        self._places.set(keys[new], rows[new])
        self._write("keys", rows, keys[:, None])
        for name, array in values.items():
            self._write(name, rows, array[take])
        self._count += len(new)

    def remove(self, keys: Keys) -> None:
        """Forget keys and overwrite their rows; those that are not there are passed over."""
        keys = np.unique(keys)
        rows = self._places.find(keys)
        keys, rows = keys[rows >= 0], rows[rows >= 0]
        left = self._count - len(rows)
        movers, holes = np.setdiff1d(np.arange(left, self._count), rows), rows[rows < left]
        self._places.drop(keys)
        self._places.set(self.read("keys", movers)[:, 0], holes)
        for name in self._columns:
            self._write(name, holes, self.read(name, movers))
        self._wipe(left)

    def _wipe(self, left: int) -> None:
        """Zeros from row `left` on; segments that are empty now are given back."""
        for first, segment in self.filled(SEGMENT):
            for array in segment.values():
                array[max(left - first, 0) :] = 0
        self._count = left
        del self._segments[-(-left // SEGMENT) :]

    def _make_room(self, rows: int) -> None:
        if not self._segments:
            self._segments.append(self._segment(_room(rows)))
        elif rows > len(self._segments[0]["keys"]) < SEGMENT:
            self._widen(rows)
        while rows > len(self._segments) * SEGMENT:
            self._segments.append(self._segment(SEGMENT))

    def _widen(self, rows: int) -> None:
        """The one segment, larger; what it held before is overwritten."""
        old, self._segments[0] = self._segments[0], self._segment(_room(rows))
        for name, array in old.items():
            self._segments[0][name][: len(array)] = array
            array[:] = 0

    def _segment(self, rows: int) -> Segment:
        return {name: np.zeros((rows, width), dtype) for name, (dtype, width) in self._columns.items()}

    def _write(self, name: str, rows: Numbers, values: NDArray[Any]) -> None:
        for segment, inside, which in self._parts(rows):
            segment[name][inside] = values[which]

    def _parts(self, rows: Numbers) -> Iterator[tuple[Segment, Numbers, Numbers]]:
        """Each segment that holds some of the rows: their places inside, and which of them they are."""
        owners = rows // SEGMENT
        for owner in np.unique(owners).tolist():
            which = np.flatnonzero(owners == owner)
            yield self._segments[owner], rows[which] - owner * SEGMENT, which


def _room(rows: int) -> int:
    """The first segment's length: a power of two from FIRST to SEGMENT."""
    return min(SEGMENT, max(FIRST, 1 << (rows - 1).bit_length()))


def last_of_each(keys: Keys) -> tuple[Keys, Any]:
    """Distinct keys and where each stands last; keys that rise are taken as they are."""
    if (keys[1:] > keys[:-1]).all():
        return keys, slice(None)
    distinct, from_end = np.unique(keys[::-1], return_index=True)
    return distinct, len(keys) - 1 - from_end
