"""The gallery's index in memory: one vector a person, and who is nearest to a probe.

Kinds (measured in docs/performance.md):

    exact         float32; one matrix product over everybody
    int8          float32, and eight bits beside it that find candidates: the same result, several times as fast
    float16       half the memory; exact over the rounded vectors
    int8-compact  a quarter of the memory; exact over the rounded vectors
    hnsw          a graph of neighbours over eight bits (Malkov and Yashunin 2018): approximate
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Protocol

from mien.bundle.runtime import Runtime
from mien.errors import InputError
from mien.gallery.index import forms
from mien.gallery.index.flat import Flat
from mien.gallery.index.found import NOBODY, Found, Keys
from mien.values import Floats

__all__ = ["AUTO", "INDEXES", "NOBODY", "Found", "Index", "choose", "open_index"]

AUTO = "auto"
INT8_PAYS = 1_000  # people from which eight bits pay for their memory (docs/performance.md)


class Index(Protocol):
    """Vectors of people by number. Safe for several searchers and a writer at once.

    exact: whether the k best are those of float32 cosines, nobody missed.
    """

    name: str
    exact: bool

    def __len__(self) -> int: ...

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        ...

    def put(self, keys: Keys, vectors: Floats) -> None:
        """Add people, or replace those whose key is there: keys (n,) int64, not −1, vectors (n,d) float32.

        Vectors have length one, or are zeros, which are similar to nobody. Of equal keys the last counts.
        Raises InputError where these do not fit.
        """
        ...

    def remove(self, keys: Keys) -> None:
        """Forget people and overwrite their vectors; unknown keys are passed over."""
        ...

    def search(self, probes: Floats, k: int) -> Found:
        """The k best people for each of the probes (q,d) float32 unit."""
        ...


def open_index(kind: str, dimension: int, *, people: int = 0, runtime: Runtime | None = None) -> Index:
    """An empty index of that kind ("auto": what `choose` says of `people`) for vectors of that dimension.

    Raises InputError where the kind is unknown, MissingExtraError where its library is not installed.
    """
    if type(dimension) is not int or dimension < 1:
        raise InputError(f"dimension={dimension!r}: a whole number from 1 on is wanted")
    kind = choose(people, dimension) if kind == AUTO else kind
    if kind not in INDEXES:
        raise InputError(f"index {kind!r} is unknown; known: {', '.join([AUTO, *INDEXES])}")
    return INDEXES[kind](dimension, runtime or Runtime())


def choose(people: int, dimension: int) -> str:
    """The kind that pays for so many people of that dimension: exact ones only; others are for the asking."""
    return "int8" if people >= INT8_PAYS else "exact"


def _hnsw(dimension: int, runtime: Runtime) -> Index:
    index: Index = import_module("mien.gallery.index.hnsw").Hnsw(dimension, runtime)
    return index


INDEXES: dict[str, Callable[[int, Runtime], Index]] = {
    "exact": partial(Flat, forms.Exact),
    "int8": partial(Flat, forms.Int8),
    "float16": partial(Flat, forms.Float16),
    "int8-compact": partial(Flat, forms.Int8Compact),
    "hnsw": _hnsw,
}
