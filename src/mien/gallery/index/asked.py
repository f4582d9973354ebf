"""What is handed to an index, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.gallery.index.found import NOBODY, Keys
from mien.values import UNIT, Floats


def checked_keys(keys: NDArray[Any]) -> Keys:
    """Keys (n,) int64, or InputError; −1 is nobody's."""
    keys = np.asarray(keys)
    if keys.ndim != 1 or (keys.size and keys.dtype.kind not in "iu"):
        raise InputError(f"keys: (n,) whole numbers are wanted, {keys.shape} {keys.dtype} given")
    keys = np.ascontiguousarray(keys, np.int64)
    if (keys == NOBODY).any():
        raise InputError(f"keys: {NOBODY} stands for nobody")
    return keys


def checked_vectors(vectors: NDArray[Any], count: int, dimension: int) -> Floats:
    """Vectors (count, dimension) float32, not longer than one, or InputError; zeros are similar to nobody."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.shape != (count, dimension):
        raise InputError(f"vectors: shape {vectors.shape} given, {(count, dimension)} wanted")
    lengths = np.einsum("ij,ij->i", vectors, vectors)
    if not (lengths <= (1 + UNIT) ** 2).all():  # NaN is not, either
        raise InputError("vectors: finite numbers and a length of one are wanted")
    return vectors


def checked_probes(probes: NDArray[Any], k: int, dimension: int) -> Floats:
    """Probes (q, dimension) float32, and a k that makes sense, or InputError."""
    if type(k) is not int or k < 1:
        raise InputError(f"k={k!r}: a whole number from 1 on is wanted")
    return checked_vectors(probes, len(probes), dimension)
