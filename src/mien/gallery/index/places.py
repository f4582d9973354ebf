"""Where each key's row is: a hash table in two arrays, asked and changed for many keys at once.

Open addressing with linear probing and Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4), never
more than half full. A million keys take 25 to 50 MB; a dict of Python's numbers takes 100.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.gallery.index.found import Keys

Rows = NDArray[np.int64]
FREE, GONE = -1, -2  # no row here; GONE: there was one, and keys behind it are still to be found
LEAST = 128
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / the golden ratio


class Places:
    """Keys → rows. Not safe to change while others ask."""

    def __init__(self) -> None:
        self._empty(LEAST)

    def _empty(self, size: int) -> None:
        self._keys = np.zeros(size, np.int64)
        self._rows = np.full(size, FREE, np.int32)
        self._used = 0  # spots that are not FREE

    @property
    def nbytes(self) -> int:
        """Memory of the table."""
        return self._keys.nbytes + self._rows.nbytes

    def find(self, keys: Keys) -> Rows:
        """The row of each key, −1 where it has none."""
        rows = np.full(len(keys), FREE, np.int64)
        spots = self._spots(keys)
        rows[spots >= 0] = self._rows[spots[spots >= 0]]
        return rows

    def set(self, keys: Keys, rows: Rows) -> None:
        """Give each key its row; the keys are distinct."""
        spots = self._spots(keys)
        known = spots >= 0
        self._rows[spots[known]] = rows[known]
        keys, rows = keys[~known], rows[~known]
        if 2 * (self._used + len(keys)) > len(self._rows):
            self._rebuild(len(keys))
        self._add(keys, rows)

    def drop(self, keys: Keys) -> None:
        """Forget keys that are there."""
        spots = self._spots(keys)
        self._rows[spots], self._keys[spots] = GONE, 0

    def _spots(self, keys: Keys) -> Rows:
        """Where in the table each key stands, −1 where it does not."""
        found = np.full(len(keys), FREE, np.int64)
        asked, spots = np.arange(len(keys)), self._hash(keys)
        while len(asked):
            here = self._rows[spots]
            hit = (here >= 0) & (self._keys[spots] == keys[asked])
            found[asked[hit]] = spots[hit]
            further = ~hit & (here != FREE)
            asked, spots = asked[further], self._next(spots[further])
        return found

    def _add(self, keys: Keys, rows: Rows) -> None:
        """Take in distinct keys that are not there."""
        left, spots = np.arange(len(keys)), self._hash(keys)
        while len(left):
            open_ = np.flatnonzero(self._rows[spots] < 0)
            at, new = spots[open_], left[open_]
            self._keys[at] = keys[new]  # of several keys at one spot the last stays
            won = self._keys[at] == keys[new]
            self._used += int((self._rows[at[won]] == FREE).sum())
            self._rows[at[won]] = rows[new[won]]
            rest = np.ones(len(left), np.bool_)
            rest[open_[won]] = False
            left, spots = left[rest], self._next(spots[rest])

    def _rebuild(self, more: int) -> None:
        keys, rows = self._keys, self._rows
        here = rows >= 0
        self._empty(max(LEAST, 1 << (4 * (int(here.sum()) + more) - 1).bit_length() - 1))
        self._add(keys[here], rows[here].astype(np.int64))

    def _hash(self, keys: Keys) -> Rows:
        shift = np.uint64(64 - (len(self._rows).bit_length() - 1))
        return ((keys.view(np.uint64) * GOLDEN) >> shift).astype(np.int64)

    def _next(self, spots: Rows) -> Rows:
        return (spots + 1) & (len(self._rows) - 1)
