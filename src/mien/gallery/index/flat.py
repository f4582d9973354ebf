"""Every person compared with every probe: one matrix product a segment, and a running list of the best."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mien.bundle.runtime import Runtime
from mien.gallery.index.asked import checked_keys, checked_probes, checked_vectors
from mien.gallery.index.forms import Form
from mien.gallery.index.found import Found, Keys, best, joined
from mien.gallery.index.rows import Rows
from mien.gallery.index.shortlist import Shortlist
from mien.gallery.index.turns import Turns
from mien.values import Floats

TOGETHER = 256  # probes that meet a block of rows at once
# Rows of a block. Threads wait for each other after each, so few probes, which are soon done, meet many rows;
# the scores of many probes are to stay in the cache.
BLOCK, FEW, BLOCK_OF_FEW = 16_384, 8, 65_536
PAIRS = 8192  # of a row and a probe whose vectors are laid side by side at once


class Flat:
    """An index of vectors held as `form` says; exact over these, whatever the form's products round."""

    def __init__(self, form: Callable[[int, Runtime], Form], dimension: int, runtime: Runtime) -> None:
        self._form = form(dimension, runtime)
        self._dimension = dimension
        self._rows = Rows(self._form.columns)
        self._turns = Turns()
        self.name, self.exact = self._form.name, self._form.exact

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._rows.nbytes

    def put(self, keys: Keys, vectors: Floats) -> None:
        """See `mien.gallery.index.Index`."""
        keys, vectors = checked_keys(keys), checked_vectors(vectors, len(keys), self._dimension)
        for start in range(0, len(keys), BLOCK):
            part = slice(start, start + BLOCK)
            columns = self._form.encode(vectors[part])
            with self._turns.writing():
                self._rows.put(keys[part], columns)

    def remove(self, keys: Keys) -> None:
        """See `mien.gallery.index.Index`."""
        keys = checked_keys(keys)
        with self._turns.writing():
            self._rows.remove(keys)

    def search(self, probes: Floats, k: int) -> Found:
        """See `mien.gallery.index.Index`."""
        probes = checked_probes(probes, k, self._dimension)
        with self._turns.reading():
            starts = range(0, len(probes), TOGETHER)
            return joined([self._search(probes[start : start + TOGETHER], k) for start in starts], k)

    def _search(self, probes: Floats, k: int) -> Found:
        prepared = self._form.prepare(probes)
        shortlist = Shortlist(len(probes), k, prepared.units, partial(self._cosines, probes))
        most = BLOCK_OF_FEW if len(probes) <= FEW else BLOCK
        for first, segment in self._rows.filled(most):
            shortlist.look(*self._form.score(segment, prepared), first)
        rows, owners, cosines = shortlist.finish()
        return best(owners, self._rows.read("keys", rows)[:, 0], cosines, len(probes), k)

    def _cosines(self, probes: Floats, rows: Keys, owners: Keys) -> Floats:
        """Of pairs of a row and a probe, summed in one order, so that equal vectors have equal cosines."""
        cosines = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), PAIRS):
            part = slice(start, start + PAIRS)
            vectors = self._form.decode(partial(self._rows.read, rows=rows[part]))
            cosines[part] = np.einsum("ij,ij->i", vectors, probes[owners[part]])
        return np.clip(cosines, -1, 1, out=cosines)
