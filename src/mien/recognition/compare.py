"""Vectors → similarities, and two faces → a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mien.bundle.calibration import DEFAULT_FMR, Calibration
from mien.errors import InputError
from mien.values import Comparison, Embeddings, Floats, Reading

UNCALIBRATED = (
    "no calibration was measured for this bundle with this detector, so no threshold stands for an error "
    "rate; `mien calibrate FOLDER --write`, on people like yours, makes one"
)


def similarities(a: Embeddings, b: Embeddings) -> Floats:
    """(n,m) cosine similarities, −1..1, of every vector of `a` with every one of `b`.

    Raises InputError where two models, or two aligners, made them.
    """
    a.require_same_origin(b)
    return np.clip(a.vectors @ b.vectors.T, -1, 1)  # type: ignore[no-any-return]


def compare(
    a: Reading, b: Reading, calibration: Calibration | None = None, fmr: float = DEFAULT_FMR
) -> Comparison:
    """Whether two readings of one face each show one person, at the false-match rate `fmr`.

    Without a calibration of their bundle and aligner the verdict is "uncalibrated". A "same" with a face
    of low quality becomes "review": strangers pass a threshold more often on such faces than it says.
    Raises InputError for readings of several faces or of two models, CalibrationError where the
    calibration does not reach `fmr`.
    """
    if not (len(a) == len(b) == 1):
        raise InputError(f"one face on each side is wanted, {len(a)} and {len(b)} given: use Reading.choose")
    if not 0 < fmr < 1:
        raise InputError(f"fmr={fmr}: a rate between 0 and 1 is wanted, like 1e-3")
    similarity = float(similarities(a.embeddings, b.embeddings)[0, 0])
    origin = (a.embeddings.bundle, a.embeddings.aligner)
    doubts = "; ".join(f"{each.source}: {', '.join(each.quality.reasons[0])}" for each in (a, b) if _weak(each))
    if calibration is None or (calibration.bundle, calibration.aligner) != origin:
        notes = [UNCALIBRATED, f"low quality: {doubts}"] if doubts else [UNCALIBRATED]
        return Comparison(similarity, "uncalibrated", fmr, None, ". ".join(notes))
    answer = calibration.compare(similarity, fmr, note=f"low quality: {doubts}" if doubts else "")
    return replace(answer, verdict="review") if doubts and answer.verdict == "same" else answer


def _weak(reading: Reading) -> bool:
    return bool(reading.quality.reasons[0])
