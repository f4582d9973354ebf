"""Golden numbers: the first outputs of a graph for a built-in pattern, kept in its card.

They are recomputed through the whole session, so a wrong colour order, mean, scale, weight or kernel shows.
"""

from __future__ import annotations

import numpy as np

from mien.bundle.bundle import Bundle
from mien.bundle.card import Golden
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.errors import BundleError
from mien.values import Pixels

COUNT = 8


def pattern(size: tuple[int, int]) -> Pixels:
    """The built-in picture of the given (height, width): three different ramps and a grid, (h,w,3) uint8."""
    y, x = np.mgrid[: size[0], : size[1]]
    red, green, blue = 3 * x + y, 255 - 2 * x + 5 * y, 7 * (x // 4) + 11 * (y // 4)
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def measure(bundle: Bundle, file: str, size: tuple[int, int], output: int = 0) -> Golden:
    """The golden numbers of one of a bundle's graphs, as this machine computes them."""
    first = _first_numbers(bundle, file, size, output, COUNT)
    return Golden(file=file, size=size, output=output, values=tuple(float(f"{v:.6g}") for v in first))


def verify(bundle: Bundle) -> float:
    """Recompute every golden number; the largest deviation, relative to 1 + |value|.

    Raises BundleError where one is beyond its tolerance, or where the card has none.
    """
    if not bundle.card.golden:
        raise BundleError(f"{bundle.folder}: the card holds no golden numbers, so nothing proves this model")
    return max(_deviation(bundle, golden) for golden in bundle.card.golden)


def _deviation(bundle: Bundle, golden: Golden) -> float:
    have = np.array(_first_numbers(bundle, golden.file, golden.size, golden.output, len(golden.values)))
    want = np.array(golden.values)
    if have.shape != want.shape:
        raise BundleError(
            f"{bundle.folder / golden.file}: {len(have)} numbers came out, {len(want)} are promised"
        )
    deviation = float((np.abs(have - want) / (1 + np.abs(want))).max())
    if not deviation <= golden.tolerance:
        raise BundleError(
            f"{bundle.folder / golden.file}: output {golden.output} is {deviation:.2g} off its golden "
            f"numbers (at most {golden.tolerance:g}); this is not the model its card describes"
        )
    return deviation


def _first_numbers(bundle: Bundle, file: str, size: tuple[int, int], output: int, count: int) -> list[float]:
    outputs = Session(bundle, file, Runtime(threads=1))(pattern(size)[None])
    if output >= len(outputs):
        raise BundleError(f"{bundle.folder / file}: no output {output}, the graph has {len(outputs)}")
    return [float(value) for value in outputs[output].ravel()[:count]]
