"""Samples → a trial: all pairs of a set, or the pairs of a list."""

from __future__ import annotations

import numpy as np

from mien.errors import InputError
from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.comparisons import genuine_pairs, listed
from mien.evaluation.metrics import Trial
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.resampling import DRAWS
from mien.evaluation.samples import Samples


def all_pairs(samples: Samples, draws: int = DRAWS) -> Trial:
    """Every picture compared with every other. InputError where no two people were enrolled."""
    if len(np.unique(samples.subjects[samples.enrolled])) < 2:
        raise InputError("no two people with a usable face: there is nothing to compare")
    return Trial(samples, genuine_pairs(samples), impostor_pairs(samples), draws)


def listed_pairs(samples: Samples, pairs: PairList, draws: int = DRAWS) -> Trial:
    """The pairs of a list whose pictures are the samples, in their order.

    InputError where none of its pictures show a usable face.
    """
    genuine = listed(samples, pairs.first[pairs.same], pairs.second[pairs.same])
    impostor = listed(samples, pairs.first[~pairs.same], pairs.second[~pairs.same]).without_failed()
    if not samples.enrolled.any():
        raise InputError("not one of the pictures shows a usable face: is it the right detector and folder?")
    return Trial(samples, genuine, impostor, draws)
