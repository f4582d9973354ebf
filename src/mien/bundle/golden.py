"""Golden numbers: the first outputs of a graph for a built-in pattern, kept in its card.

They are recomputed through the whole session, so a wrong colour order, mean, scale, weight or kernel shows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from mien.bundle.bundle import Bundle
from mien.bundle.card import AnyCard, Golden
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.errors import BundleError
from mien.values import Floats, Pixels

COUNT = 8  # numbers kept of each output
MOST_OUTPUTS = 16
SIDE = 64  # of the pattern, where the graph takes any size


def pattern(size: tuple[int, int]) -> Pixels:
    """The built-in picture of the given (height, width): three different ramps and a grid, (h,w,3) uint8."""
    y, x = np.mgrid[: size[0], : size[1]]
    red, green, blue = 3 * x + y, 255 - 2 * x + 5 * y, 7 * (x // 4) + 11 * (y // 4)
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def measure(bundle: Bundle) -> tuple[Golden, ...]:
    """The golden numbers of every output of every graph of a bundle, as this machine computes them."""
    return tuple(golden for file in bundle.card.files for golden in _measure_file(bundle, file.name))


def write_proved(folder: Path, card: AnyCard, files: Mapping[str, bytes]) -> Bundle:
    """Write a new bundle with the golden numbers of this machine in its card, whole or not at all."""
    with tempfile.TemporaryDirectory() as scratch:
        golden = measure(Bundle.write(Path(scratch) / "unproved", card, files))
    return Bundle.write(folder, replace(card, golden=golden), files, check=verify)


def _measure_file(bundle: Bundle, file: str) -> list[Golden]:
    session = Session(bundle, file, Runtime(threads=1))
    step = bundle.card.input.stride
    height, width = (side or -(-SIDE // step) * step for side in session.sides)
    outputs = session(pattern((height, width))[None])
    kept = [(number, _first(output)) for number, output in enumerate(outputs[:MOST_OUTPUTS]) if output.size]
    try:
        return [Golden(file=file, size=(height, width), output=n, values=values) for n, values in kept]
    except ValueError as error:
        raise BundleError(f"{bundle.folder / file}: this graph cannot prove itself ({error})") from error


def _first(output: Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in output.ravel()[:COUNT])


def verify(bundle: Bundle) -> float:
    """Recompute every golden number; the largest deviation, relative to 1 + |value|.

    Raises BundleError where one is beyond its tolerance, or where the card has none.
    """
    if not bundle.card.golden:
        raise BundleError(f"{bundle.folder}: the card holds no golden numbers, so nothing proves this model")
    return max(_deviations(bundle))


def _deviations(bundle: Bundle) -> Iterator[float]:
    rows = sorted(bundle.card.golden, key=attrgetter("file", "size"))
    for file, of_file in groupby(rows, attrgetter("file")):
        session = Session(bundle, file, Runtime(threads=1))
        for size, of_size in groupby(of_file, attrgetter("size")):
            outputs = session(pattern(size)[None])
            yield from (_deviation(bundle.folder / file, golden, outputs) for golden in of_size)


def _deviation(file: Path, golden: Golden, outputs: Sequence[Floats]) -> float:
    if golden.output >= len(outputs):
        raise BundleError(f"{file}: no output {golden.output}, the graph has {len(outputs)}")
    want = np.array(golden.values)
    have = outputs[golden.output].ravel()[: len(want)].astype(np.float64)
    if have.shape != want.shape:
        raise BundleError(f"{file}: {len(have)} numbers came out, {len(want)} are promised")
    deviation = float((np.abs(have - want) / (1 + np.abs(want))).max())
    if not deviation <= golden.tolerance:
        raise BundleError(
            f"{file}: output {golden.output} is {deviation:.2g} off its golden "
            f"numbers (at most {golden.tolerance:g}); this is not the model its card describes"
        )
    return deviation
