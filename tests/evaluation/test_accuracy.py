"""Accuracy over folds, worked out on paper, and the best threshold against a search over all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import samples_with

from mien.evaluation.accuracy import accuracy, best_threshold
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Samples


def study(
    scores: Sequence[float], same: Sequence[bool], folds: Sequence[int], failed: Sequence[int] = ()
) -> tuple[Samples, PairList]:
    """Pairs with these similarities: each of a picture of its own with the last, which all share."""
    k = len(scores)
    vectors = [*[(score, math.sqrt(1 - score**2)) for score in scores], (1, 0)]
    samples = samples_with(vectors, [0] * (k + 1), 1, failed=failed, known=False)
    shared = np.full(k, k, np.int32)
    fold = np.array(folds, np.int32)
    return samples, PairList(samples.names, None, np.arange(k, dtype=np.int32), shared, np.array(same), fold)


# Three folds of two genuine and two impostor pairs.
SCORES = (0.9, 0.5, 0.1, 0.0, 0.8, 0.3, 0.4, 0.2, 0.7, 0.6, 0.55, -0.5)
SAME = (True, True, False, False) * 3
FOLDS = (0,) * 4 + (1,) * 4 + (2,) * 4


def test_three_folds_on_paper() -> None:
    # g for genuine. Without fold 0: g0.8 g0.7 g0.6 0.55 0.4 g0.3 0.2 −0.5. To accept three is right 7
    # times of 8, so half-way from 0.6 to 0.55. In fold 0 that refuses the genuine 0.5.
    # Without fold 1: g0.9 g0.7 g0.6 0.55 g0.5 0.1 0 −0.5. To accept three or five is right 7 times; the higher
    # threshold is taken. In fold 1 that refuses the genuine 0.3.
    # Without fold 2: g0.9 g0.8 g0.5 0.4 g0.3 0.2 0.1 0. Again three or five, so half-way from 0.5 to 0.4. In
    # fold 2 that accepts the impostor 0.55.
    found = accuracy(*study(SCORES, SAME, FOLDS))
    assert found is not None
    assert found.thresholds == pytest.approx((0.575, 0.575, 0.45), abs=1e-6)
    assert found.folds == (0.75, 0.75, 0.75)
    assert (found.mean, found.deviation) == (0.75, 0)


def test_mean_and_deviation_are_those_of_the_folds() -> None:
    scores = (0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.1, 0.9)
    found = accuracy(*study(scores, (True, False) * 4, (0, 0, 1, 1, 2, 2, 3, 3)))
    assert found is not None
    assert found.folds == (1, 1, 1, 0)  # the last fold is upside down
    assert found.mean == 0.75
    assert found.deviation == pytest.approx(math.sqrt(3) / 4)  # of the folds there are, not of a sample of them


def test_a_pair_that_failed_is_refused() -> None:
    # In fold 0 one genuine and one impostor pair fail: the one is wrong, the other right.
    found = accuracy(*study(SCORES, SAME, FOLDS, failed=[0, 2]))
    assert found is not None
    assert found.thresholds == pytest.approx((0.575, 0.575, 0.45), abs=1e-6)
    assert found.folds == (0.5, 0.75, 0.75)  # wrong in fold 0 are 0.5 as before, and the one that failed


@pytest.mark.parametrize("folds", [(0,) * 12, (7,) * 12])
def test_of_one_fold_there_is_none(folds: Sequence[int]) -> None:
    assert accuracy(*study(SCORES, SAME, folds)) is None


@pytest.mark.parametrize("same", [True, False])
def test_of_one_kind_of_pairs_there_is_none(same: bool) -> None:
    assert accuracy(*study(SCORES, (same,) * 12, FOLDS)) is None


def test_folds_need_no_numbers_in_a_row() -> None:
    found = accuracy(*study(SCORES, SAME, [5 * fold + 2 for fold in FOLDS]))
    assert found is not None
    assert found.folds == (0.75, 0.75, 0.75)


@pytest.mark.parametrize(
    ("genuine", "impostor", "threshold"),
    [
        pytest.param([0.8, 0.6], [0.4, 0.2], 0.5, id="half-way"),
        pytest.param([0.8, 0.4], [0.4, 0.2], 0.6, id="equal-scores-together"),
        pytest.param([0.8, 0.4, 0.4], [0.4, 0.2], 0.3, id="equal-scores-worth-it"),
        pytest.param([0.8, 0.2], [0.4], 0.6, id="the-higher-of-two"),
        pytest.param([], [0.4, 0.2], 0.7, id="nobody-to-accept"),
        pytest.param([0.4, 0.2], [], -0.4, id="nobody-to-refuse"),
        pytest.param([0.2], [0.8], 0.9, id="upside-down"),
        pytest.param([-np.inf, 0.8], [0.4, -np.inf], 0.6, id="failed"),
        pytest.param([0.8, -np.inf], [], -0.1, id="failed-below"),
    ],
)
def test_best_thresholds_on_paper(genuine: list[float], impostor: list[float], threshold: float) -> None:
    same = np.repeat([True, False], [len(genuine), len(impostor)])
    assert best_threshold(np.array([*genuine, *impostor], np.float32), same) == pytest.approx(
        threshold, abs=1e-6
    )


eighths = st.integers(-8, 8).map(lambda number: number / 8)
scored = st.lists(st.tuples(st.one_of(eighths, st.just(-math.inf)), st.booleans()), min_size=1, max_size=20)


@given(scored)
def test_no_threshold_is_right_more_often(pairs: list[tuple[float, bool]]) -> None:
    """Failed pairs are refused by every threshold."""
    scores, same = np.array([score for score, _ in pairs], np.float32), np.array([each for _, each in pairs])
    best = best_threshold(scores, same)
    right = [int(((scores >= at) == same).sum()) for at in (*np.arange(-17, 18) / 16, 2.0)]
    assert int(((scores >= best) == same).sum()) == max(right)


def test_scores_next_to_each_other_are_told_apart() -> None:
    """Half-way between neighbours in float32 there is no float32."""
    above = np.float32(0.3)
    below = np.nextafter(above, np.float32(-1))
    for upper, lower in ((above, below), (np.nextafter(above, np.float32(1)), above)):
        scores, same = np.array([upper, lower], np.float32), np.array([True, False])
        assert ((scores >= best_threshold(scores, same)) == same).all()
