"""Accuracy over folds, as LFW's protocol has it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.comparisons import pair_scores
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Samples
from mien.evaluation.study import Accuracy
from mien.values import Floats

Marks = NDArray[np.bool_]


def accuracy(samples: Samples, pairs: PairList) -> Accuracy | None:
    """The share of right decisions in each fold, by the threshold that is best on the others.

    A pair with a picture that was not enrolled is refused: right for two people, wrong for one. None where
    there is one fold only, or one kind of pairs.
    """
    folds = np.unique(pairs.fold)
    if len(folds) < 2 or pairs.same.all() or not pairs.same.any():
        return None
    scores = pair_scores(samples, pairs.first, pairs.second)
    thresholds = [best_threshold(scores[pairs.fold != fold], pairs.same[pairs.fold != fold]) for fold in folds]
    right = [
        float(((scores[pairs.fold == fold] >= threshold) == pairs.same[pairs.fold == fold]).mean())
        for fold, threshold in zip(folds, thresholds, strict=True)
    ]
    return Accuracy(
        folds=tuple(right),
        thresholds=tuple(thresholds),
        mean=float(np.mean(right)),
        deviation=float(np.std(right)),
    )


def best_threshold(scores: Floats, same: Marks) -> float:
    """The threshold with the most right decisions, half-way to the next score below; of several the highest."""
    order = np.argsort(-scores, kind="stable")
    scores, same = scores[order], same[order]
    # Right decisions where everything up to a place is accepted, and the rest refused.
    right = (~same).sum() + np.concatenate([[0], np.cumsum(np.where(same, 1, -1))])
    ends = np.concatenate([[True], scores[:-1] != scores[1:], [True]])  # equal scores are accepted together
    ends &= np.arange(len(ends)) <= np.isfinite(scores).sum()  # what failed can't be accepted
    best = int(np.where(ends, right, -1).argmax())
    above = scores[best - 1] if best else np.nextafter(max(scores[0], 1), np.float32(2))
    below = max(scores[best], np.float32(-1)) if best < len(scores) else np.float32(-1)
    middle = np.float32((float(above) + float(below)) / 2)
    return float(middle if middle > below else above)  # neighbours have nothing between them
