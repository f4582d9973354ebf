"""How vectors are held and scored by the flat indexes: float32, float16, int8.

Each form says what a row's columns are, how probes meet a segment of rows in one matrix product, and how far
its scores may lie from the cosines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mien.bundle.engines import open_product
from mien.bundle.engines.product_graphs import MIDDLE
from mien.bundle.runtime import Runtime
from mien.gallery.index.rows import Segment
from mien.values import UNIT, Floats

# Twice a sum of d products of unit vectors may be off by d times this (Higham, Accuracy and Stability, 3.1).
ROUNDING = float(np.finfo(np.float32).eps)
ROW_LEVELS, PROBE_LEVELS = 127, 64  # with 64, uint8 × int8 fits the 16 bits of processors without VNNI
TINY = 1e-30
Columns = Mapping[str, tuple[DTypeLike, int]]
Reader = Callable[[str], NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """Probes (d,q) as a form's product takes them. A cosine is score × unit, give or take.

    units (q,); lengths (q,) of the probes; losses (q,): length of what rounding took from each.
    """

    columns: NDArray[Any]
    units: Floats
    lengths: Floats
    losses: Floats


class Form(Protocol):
    """Safe to call from several threads at once."""

    name: str
    exact: bool
    columns: Columns

    def encode(self, vectors: Floats) -> Segment:
        """(n,d) unit vectors as columns."""
        ...

    def prepare(self, probes: Floats) -> Probes:
        """(q,d) unit vectors for `score`."""
        ...

    def score(self, segment: Segment, probes: Probes) -> tuple[Floats, Floats]:
        """(n,q) scores, and for each probe (q,) how far a cosine may lie from its score × unit."""
        ...

    def decode(self, read: Reader) -> Floats:
        """(n,d) float32 vectors that cosines are taken from; read: a column of the rows in question."""
        ...


class Exact:
    """float32 as given."""

    name, exact = "exact", True

    def __init__(self, dimension: int, runtime: Runtime) -> None:
        self.columns: Columns = {"vectors": (np.float32, dimension)}
        self._rounding = dimension * ROUNDING

    def encode(self, vectors: Floats) -> Segment:
        """See `Form`."""
        return {"vectors": vectors}

    def prepare(self, probes: Floats) -> Probes:
        """See `Form`."""
        return _plain(probes)

    def score(self, segment: Segment, probes: Probes) -> tuple[Floats, Floats]:
        """See `Form`."""
        return segment["vectors"] @ probes.columns, self._rounding * probes.lengths

    def decode(self, read: Reader) -> Floats:
        """See `Form`."""
        return read("vectors")


class Float16:
    """Each number rounded to float16: half the memory; exact over the rounded vectors."""

    name, exact = "float16", False

    def __init__(self, dimension: int, runtime: Runtime) -> None:
        self.columns: Columns = {"vectors": (np.float16, dimension)}
        self._rounding = dimension * ROUNDING
        self._product = open_product("float16", runtime)

    def encode(self, vectors: Floats) -> Segment:
        """See `Form`."""
        return {"vectors": vectors.astype(np.float16)}

    def prepare(self, probes: Floats) -> Probes:
        """See `Form`."""
        return _plain(probes)

    def score(self, segment: Segment, probes: Probes) -> tuple[Floats, Floats]:
        """See `Form`."""
        scores = self._product(rows=segment["vectors"], probes=probes.columns)
        return scores, self._rounding * probes.lengths

    def decode(self, read: Reader) -> Floats:
        """See `Form`."""
        return read("vectors").astype(np.float32)


class Int8:
    """Eight bits a number and a scale a row find who may be among the best; the float32 vectors decide.

    The length of what rounding took from each row is kept. So it is known how far a product of rounded vectors
    can be from the cosine (Cauchy-Schwarz), and nobody is missed: the result is that of `Exact`.
    """

    name, exact = "int8", True

    def __init__(self, dimension: int, runtime: Runtime) -> None:
        self.columns: Columns = {
            "codes": (np.uint8, dimension),
            "scales": (np.float32, 1),
            "losses": (np.float32, 1),
            "vectors": (np.float32, dimension),
        }
        self._rounding = dimension * ROUNDING
        self._product = open_product("int8", runtime)

    def encode(self, vectors: Floats) -> Segment:
        """See `Form`."""
        codes, scales, losses = rounded(vectors, ROW_LEVELS)
        codes += MIDDLE
        return {"codes": codes.astype(np.uint8), "scales": scales, "losses": losses, "vectors": vectors}

    def prepare(self, probes: Floats) -> Probes:
        """See `Form`."""
        codes, scales, losses = rounded(probes, PROBE_LEVELS)
        columns = np.ascontiguousarray(codes.T.astype(np.int8))
        return Probes(columns, scales[:, 0], np.linalg.norm(probes, axis=1), losses[:, 0])

    def score(self, segment: Segment, probes: Probes) -> tuple[Floats, Floats]:
        """See `Form`."""
        scores = self._product(rows=segment["codes"], probes=probes.columns, scales=segment["scales"])
        return scores, self._slack(segment["losses"].max(), probes)

    def _slack(self, loss: np.float32, probes: Probes) -> Floats:
        """g·p − ĝ·p̂ = (g − ĝ)·p + ĝ·(p − p̂), and ĝ is at most 1 + UNIT + loss long."""
        slack = loss * probes.lengths + (1 + UNIT + loss) * probes.losses + self._rounding
        return slack.astype(np.float32)

    def decode(self, read: Reader) -> Floats:
        """See `Form`."""
        return read("vectors")


class Int8Compact(Int8):
    """The eight bits alone, a quarter of the memory; the result is exact over the rounded vectors."""

    name, exact = "int8-compact", False

    def __init__(self, dimension: int, runtime: Runtime) -> None:
        super().__init__(dimension, runtime)
        self.columns = {name: column for name, column in self.columns.items() if name != "vectors"}

    def encode(self, vectors: Floats) -> Segment:
        """See `Form`."""
        columns = super().encode(vectors)
        del columns["vectors"]
        return columns

    def _slack(self, loss: np.float32, probes: Probes) -> Floats:
        slack = (1 + UNIT + loss) * probes.losses + self._rounding
        return slack.astype(np.float32)

    def decode(self, read: Reader) -> Floats:
        """See `Form`."""
        vectors: Floats = read("codes").astype(np.float32)
        vectors -= MIDDLE
        vectors *= read("scales")
        return vectors


def _plain(probes: Floats) -> Probes:
    lengths = np.linalg.norm(probes, axis=1)
    return Probes(np.ascontiguousarray(probes.T), np.ones_like(lengths), lengths, np.zeros_like(lengths))


def rounded(vectors: Floats, levels: int) -> tuple[Floats, Floats, Floats]:
    """Whole numbers −levels … levels (n,d), each row's scale (n,1), and the length of what it lost (n,1)."""
    scales = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), TINY) / np.float32(levels)
    codes = np.rint(vectors / scales)
    lost = np.linalg.norm(vectors - codes * scales, axis=1, keepdims=True)
    return codes, scales, lost
