"""Faces of unknown people → groups, at a false-match rate that a calibration turns into a similarity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.bundle.calibration import DEFAULT_FMR, Calibration
from mien.errors import CalibrationError, InputError
from mien.gallery.clustering.linkage import Labels, group_vectors, link
from mien.gallery.clustering.neighbours import neighbours
from mien.values import Embeddings, Floats

FEW = 10  # so many faces are grouped at the rate of a single comparison
WIDER = 30.0  # times the rate: so far down pairs are looked at, since groups can be alike where few faces are
ROWS = 4096  # poor faces that look for a group at a time
NONE = -1  # the label of a poor face that is like no group


def cluster(
    embeddings: Embeddings,
    calibration: Calibration,
    *,
    good: ArrayLike | None = None,
    fmr: float | None = None,
    known: ArrayLike | None = None,
) -> Labels:
    """(n,) int: which group each face is in, 0 the largest; NONE for a poor face that is like no group.

    good (n,) bool: faces to rely on, all by default. The others bring no groups together: each joins the group
    that it is most like, afterwards, where it is alike enough. fmr: `grouping_fmr` by default. known (n,) int:
    faces of one number ≥ 0 stay together, of two apart, good or not; −1 says nothing. Raises CalibrationError
    where the calibration is another model's or does not reach the rate, InputError where an array has another
    length.
    """
    require_own(embeddings, calibration)
    told = _column("known", NONE if known is None else known, len(embeddings)).astype(np.int64)
    reliable = _column("good", True if good is None else good, len(embeddings)).astype(np.bool_) | (told >= 0)
    rate = grouping_fmr(int(reliable.sum()), calibration) if fmr is None else fmr
    level = calibration.threshold(rate)
    floor = calibration.threshold(min(WIDER * rate, calibration.thresholds[0].fmr))
    labels = np.full(len(embeddings), NONE, np.int64)
    vectors = embeddings.vectors[reliable]
    linked = link(vectors, neighbours(vectors, floor), level, told[reliable])
    labels[reliable] = np.unique(linked, return_inverse=True)[1]
    labels[~reliable] = _attached(embeddings.vectors[~reliable], vectors, labels[reliable], level)
    return by_size(labels)


def grouping_fmr(faces: int, calibration: Calibration) -> float:
    """The false-match rate at which so many faces are grouped: DEFAULT_FMR · √(FEW / faces), as far as it goes.

    Were the rate the same for any number, the strangers that each face meets by chance would grow with it; were
    it divided by the number, they would not grow, at the price of ever more pairs of one person lost. The
    root stands in the middle between the two.
    """
    wanted = DEFAULT_FMR * math.sqrt(FEW / max(faces, FEW))
    return min(max(wanted, calibration.thresholds[-1].fmr), calibration.thresholds[0].fmr)


def require_own(embeddings: Embeddings, calibration: Calibration) -> None:
    """CalibrationError unless the calibration was measured on vectors like these."""
    for what in ("bundle", "aligner"):
        mine, theirs = getattr(embeddings, what), getattr(calibration, what)
        if mine != theirs:
            raise CalibrationError(
                f"the thresholds are of another {what} ({theirs[:12]}…) than the vectors ({mine[:12]}…)"
            )


def by_size(labels: Labels) -> Labels:
    """The same groups, numbered 0, 1, … from the largest to the smallest, equal ones by their first face."""
    inside = labels != NONE
    _, first, where, sizes = np.unique(
        labels[inside], return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -sizes))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    sorted_labels = np.full(len(labels), NONE, np.int64)
    sorted_labels[inside] = rank[where]
    return sorted_labels


def _attached(poor: Floats, vectors: Floats, groups: Labels, level: float) -> Labels:
    """For each poor face the group it is most like, NONE where that is below `level`."""
    found = np.full(len(poor), NONE, np.int64)
    if not len(groups):
        return found
    held = group_vectors(vectors, groups, int(groups.max()) + 1).astype(np.float32)
    rows = max(min(ROWS, (1 << 23) // len(held)), 1)
    for start in range(0, len(poor), rows):
        alike = poor[start : start + rows] @ held.T
        best = alike.argmax(axis=1)
        found[start : start + rows] = np.where(alike.max(axis=1) >= level, best, NONE)
    return found


def _column(name: str, values: ArrayLike, count: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape not in ((), (count,)):
        raise InputError(f"{name}: one value a face is wanted, {count} of them; shape {array.shape} given")
    return np.broadcast_to(array, (count,))
