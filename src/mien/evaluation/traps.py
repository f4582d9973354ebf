"""What it costs to feed a model wrongly: the same pictures, one setting of the card changed at a time.

Colours in the wrong order, the wrong reference points and a forgotten mirror are the commonest reasons why a
model scores below its paper, and nothing crashes. A change that does better than the card says that the card
is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np

from mien.bundle.bundle import Bundle, require_task
from mien.bundle.card import EmbedCard, Reference
from mien.bundle.importers.dlib import REFERENCE
from mien.bundle.importers.onnx import ARCFACE, ARCFACE_SIDE
from mien.errors import CardError
from mien.evaluation.diff import tar_difference
from mien.evaluation.metrics import Measured, Trial, unsupported
from mien.evaluation.study import Trap, Weighting

RATES_TRIED = (1e-3, 1e-2, 1e-1)
SWAPPED = {"RGB": "BGR", "BGR": "RGB"}
DLIB, DLIB_SIDE = REFERENCE.points, 150
SAME_POINTS = 0.02  # of the crop's side: nearer than this, points are the same


def variations(bundle: Bundle) -> Iterator[tuple[str, Bundle]]:
    """The bundle with one setting changed, and what was changed in words. BundleError where it is no
    embedder.
    """
    require_task(bundle, EmbedCard, "an embedder")
    card = bundle.card
    if not isinstance(card, EmbedCard):
        raise CardError(f"{bundle.folder}: an embedder is wanted")
    for make in (_colours, _mirror, _points):
        for words, changed in make(card):
            yield words, replace(bundle, card=changed, shipped=None)


def trap(change: str, stated: Trial, changed: Trial, weighting: Weighting = "person") -> Trap:
    """What a change did to the TAR at FMR 1e-3, or at the smallest larger rate that the comparisons support."""
    weighting = weighting if stated.samples.known else "pair"
    supported = (rate for rate in RATES_TRIED if not unsupported(rate, stated.impostor, weighting))
    rate = next(supported, RATES_TRIED[-1])
    row = tar_difference(Measured.of(stated, weighting), Measured.of(changed, weighting), rate)
    return Trap(
        change=change,
        fmr=rate,
        weighting=weighting,
        stated=row.first.value,
        tar=row.second.value,
        difference=row.difference,
    )


def _colours(card: EmbedCard) -> Iterator[tuple[str, EmbedCard]]:
    channels = card.input.channels
    if channels in SWAPPED:
        other = SWAPPED[channels]
        changed = msgspec.structs.replace(card.input, channels=other)
        yield f"colours as {other} instead of {channels}", msgspec.structs.replace(card, input=changed)


def _mirror(card: EmbedCard) -> Iterator[tuple[str, EmbedCard]]:
    words = "without the mirrored crop" if card.mirror else "averaged with the mirrored crop"
    yield words, msgspec.structs.replace(card, mirror=not card.mirror)


def _points(card: EmbedCard) -> Iterator[tuple[str, EmbedCard]]:
    height, width = card.input.size or (1, 1)
    for name, points, side in (("ArcFace's", ARCFACE, ARCFACE_SIDE), ("dlib's", DLIB, DLIB_SIDE)):
        scaled = tuple((x * width / side, y * height / side) for x, y in points)
        if np.abs(np.subtract(scaled, card.reference.points)).max() > SAME_POINTS * width:
            yield f"{name} reference points", msgspec.structs.replace(card, reference=Reference(points=scaled))
