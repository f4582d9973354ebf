"""Curves against a direct count, against scikit-learn, and against crossings worked out on paper."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from simulated import comparisons_of, every_pair, passing, samples_of
from sklearn.metrics import roc_auc_score, roc_curve

from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.comparisons import WEIGHTINGS, Comparisons, Rest, genuine_pairs
from mien.evaluation.curves import Curve, area, equal_error
from mien.evaluation.samples import Samples
from mien.evaluation.study import Weighting

SAMPLES = [
    samples_of([3, 1, 2, 5, 1, 4], seed=1),
    samples_of([3, 1, 2, 5, 1, 4], seed=2, exact=False),
    samples_of([9, 2, 2, 2, 1, 1, 1, 1], failed=[0, 5], seed=3, exact=False),
]
PRECISION = 1e-12


def curve(scores: Sequence[float], shares: Sequence[float] | None = None) -> Curve:
    """The curve of comparisons of people of their own, each with an equal or a given share."""
    each = np.arange(len(scores))
    made = comparisons_of(scores, each, each, len(scores))
    given = dict(made.shares) if shares is None else dict.fromkeys(WEIGHTINGS, np.array(shares))
    return Curve.of(
        Comparisons(made.scores, each, each, each, each, given, len(scores), len(scores)),  # type: ignore[arg-type]
        "pair",
    )


def test_rates_on_paper() -> None:
    # Ten comparisons; two share the score 0.5, and "at or above" takes both.
    shown = curve([0.9, 0.75, 0.5, 0.5, 0.25, 0, 0, 0, -0.5, -1])
    thresholds = [1, 0.9, 0.8, 0.75, 0.6, 0.5, 0.4, 0.25, 0, -0.5, -1]
    float32 = np.float32(thresholds)
    assert shown.rate(float32) == pytest.approx([0, 0.1, 0.1, 0.2, 0.2, 0.4, 0.4, 0.5, 0.8, 0.9, 1], abs=1e-12)


def test_shares_count_and_not_comparisons() -> None:
    shown = curve([0.75, 0.5, 0.25], [0.5, 0.125, 0.375])
    assert shown.rate([0.75, 0.5, 0.25]).tolist() == [0.5, 0.625, 1]


@pytest.mark.parametrize(
    ("rate", "threshold"),
    [(1, -1), (0.9, -0.5), (0.89, 0), (0.4, 0.5), (0.39, 0.75), (0.2, 0.75), (0.1, 1), (0.09, None), (0, None)],
)
def test_thresholds_on_paper(rate: float, threshold: float | None) -> None:
    # The two at 0.5 pass together or not at all: 0.39 is less than their 0.4, so the threshold is above them.
    shown = curve([1, 0.75, 0.5, 0.5, 0.25, 0, 0, 0, -0.5, -1])
    assert shown.threshold(rate) == threshold


def test_a_comparison_that_failed_passes_at_no_threshold() -> None:
    shown = curve([0.5, 0.25, -np.inf, -np.inf])
    assert shown.rate([0.25, -1, -np.finfo(np.float64).max]).tolist() == [0.5, 0.5, 0.5]


def test_nothing_compared() -> None:
    none = curve([])
    assert none.rate([0.5, -1]).tolist() == [0, 0]
    assert none.threshold(1) is None
    assert np.isnan(equal_error(none, none)).all()


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("same", [True, False], ids=["genuine", "impostor"])
def test_rates_are_a_direct_count(samples: Samples, weighting: Weighting, same: bool) -> None:
    comparisons = genuine_pairs(samples) if same else impostor_pairs(samples)
    shown = Curve.of(comparisons, weighting)
    direct = every_pair(samples, same=same)
    between = (shown.levels[1:] + shown.levels[:-1]) / 2
    for threshold in between[np.isfinite(between) & (np.diff(-shown.levels) > 1e-6)]:
        assert float(shown.rate(threshold)) == pytest.approx(
            passing(direct, weighting, threshold), abs=PRECISION
        )


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_rates_and_area_are_scikit_learn_s(samples: Samples, weighting: Weighting) -> None:
    genuine, impostor = genuine_pairs(samples).without_failed(), impostor_pairs(samples)
    same = np.repeat([True, False], [len(genuine), len(impostor)])
    scores = np.concatenate([genuine.scores, impostor.scores]).astype(np.float64)
    weights = np.concatenate([weight(genuine, weighting), weight(impostor, weighting)])
    fpr, tpr, thresholds = roc_curve(same, scores, sample_weight=weights, drop_intermediate=False)
    strangers, owners = Curve.of(impostor, weighting), Curve.of(genuine, weighting)
    assert strangers.rate(thresholds) == pytest.approx(fpr, abs=PRECISION)
    assert owners.rate(thresholds) == pytest.approx(tpr, abs=PRECISION)
    expected = roc_auc_score(same, scores, sample_weight=weights)
    assert area(strangers, owners) == pytest.approx(expected, abs=PRECISION)


def weight(comparisons: Comparisons, weighting: Weighting) -> NDArray[np.float64]:
    """What each comparison counts for, by a way of its own: one over how often its two people met."""
    both = [
        frozenset(pair) for pair in zip(comparisons.first.tolist(), comparisons.second.tolist(), strict=True)
    ]
    return np.array([1 / both.count(pair) if weighting == "person" else 1.0 for pair in both])


scores = st.lists(st.integers(-8, 8).map(lambda eighths: eighths / 8), min_size=1, max_size=30)


@given(scores, st.floats(0, 1))
def test_no_more_than_the_rate_pass_and_one_level_lower_more_would(
    given_scores: list[float], rate: float
) -> None:
    shown = curve(given_scores)
    threshold = shown.threshold(rate)
    if threshold is None:
        assert np.mean(np.array(given_scores) >= max(given_scores)) > rate
        return
    assert np.mean(np.array(given_scores) >= threshold) <= rate + 1e-9
    lower = [score for score in given_scores if score < threshold]
    assert not lower or np.mean(np.array(given_scores) >= max(lower)) > rate


@given(scores, st.floats(0, 1))
def test_the_threshold_of_a_rate_that_was_seen_is_where_it_was_seen(
    given_scores: list[float], at: float
) -> None:
    """Rates are sums of shares: rounding must not cost a comparison."""
    shown = curve(given_scores)
    level = float(np.quantile(given_scores, at, method="nearest"))
    assert shown.threshold(float(np.mean(np.array(given_scores) >= level))) == level


@given(scores, scores)
def test_area_is_mann_and_whitney_s_count(genuine: list[float], impostor: list[float]) -> None:
    wins = sum((g > i) + (g == i) / 2 for g, i in product(genuine, impostor))
    expected = wins / (len(genuine) * len(impostor))
    assert area(curve(impostor), curve(genuine)) == pytest.approx(expected, abs=PRECISION)


@given(scores, scores)
def test_the_equal_error_rate_is_where_the_rates_are_nearest(
    genuine: list[float], impostor: list[float]
) -> None:
    rate, threshold = equal_error(curve(impostor), curve(genuine))
    points = {
        level: (np.mean(np.array(impostor) >= level), np.mean(np.array(genuine) < level))
        for level in {*genuine, *impostor}
    }
    fmr, fnmr = points[threshold]
    assert abs(fmr - fnmr) == pytest.approx(min(abs(a - b) for a, b in points.values()))
    assert rate == pytest.approx((fmr + fnmr) / 2)


@pytest.mark.parametrize(
    ("genuine", "impostor", "rate", "threshold"),
    [
        # One of four on either side is wrong at 0.5.
        pytest.param([0.9, 0.8, 0.7, 0.2], [0.5, 0.1, 0, -0.1], 0.25, 0.5, id="exactly"),
        # FMR and FNMR are 1/2 and 0 at 0.2, 0 and 1/3 at 0.5: nearest are the latter two.
        pytest.param([0.9, 0.5, 0.2], [0.2, 0.1], 1 / 6, 0.5, id="jumped-past"),
        # Of the two genuine and two impostors at 0.5, either all four are wrong or none.
        pytest.param([0.9, 0.5, 0.5, 0.5], [0.5, 0.1, 0, -0.1], 0.125, 0.5, id="tied"),
        # At 0.25: 1/2 and 0. At 0.5: 0 and 1/2. Equally near, and half-way in both.
        pytest.param([0.75, 0.25], [0.25, 0], 0.25, 0.25, id="tie-of-points"),
        pytest.param([0.9, 0.8], [0.2, 0.1], 0, 0.8, id="nobody-wrong"),
        pytest.param([0.1, 0.2], [0.8, 0.9], 1, 0.8, id="everybody-wrong"),
        pytest.param([0.5, 0.5], [0.5, 0.5], 0.5, 0.5, id="all-alike"),
    ],
)
def test_equal_error_rates_on_paper(
    genuine: list[float], impostor: list[float], rate: float, threshold: float
) -> None:
    found = equal_error(curve(impostor), curve(genuine))
    assert found == pytest.approx((rate, threshold), abs=1e-7)


def test_failed_comparisons_are_no_point_of_the_curve() -> None:
    assert equal_error(curve([0.1, 0]), curve([0.9, -np.inf]))[1] == pytest.approx(0.1, abs=1e-7)


@pytest.mark.parametrize(
    ("genuine", "impostor", "expected"),
    [
        ([0.5, 0.25], [0, -0.5], 1.0),
        ([0, -0.5], [0.5, 0.25], 0.0),
        ([0.5], [0.5], 0.5),
        ([0.75, 0.5], [0.5, 0.25], 0.875),  # of four meetings three are won and one is tied
        ([0.5, -np.inf], [0.25, 0], 0.5),  # who could not be enrolled loses every meeting
    ],
)
def test_areas_on_paper(genuine: list[float], impostor: list[float], expected: float) -> None:
    assert area(curve(impostor), curve(genuine)) == pytest.approx(expected, abs=PRECISION)


def counted(held: Sequence[float], edges: Sequence[float], shares: Sequence[float]) -> Curve:
    """A curve of which the best, a tenth each, are held, and the rest counted between rising edges."""
    made = np.array(held, np.float32)
    each = np.arange(len(held), dtype=np.int32)
    part, bins = np.full(len(held), 0.1), np.array(shares)
    rest = Rest(np.array(edges), {"person": bins, "pair": bins})
    return Curve.of(
        Comparisons(made, each, each, each, each, {"person": part, "pair": part}, 10, 10, rest), "pair"
    )


def test_below_what_is_held_the_curve_is_exact_at_edges_and_straight_between() -> None:
    shown = counted([0.75, 0.5], edges=[-1, -0.5, 0, 0.25], shares=[0.1, 0.5, 0.2])
    assert shown.rate([0.8, 0.75, 0.6, 0.5, 0.3, 0.25]) == pytest.approx([0, 0.1, 0.1, 0.2, 0.2, 0.2])
    assert shown.rate([0.125, 0, -0.25, -0.5, -0.75, -1]) == pytest.approx([0.3, 0.4, 0.65, 0.9, 0.95, 1])


@pytest.mark.parametrize(
    ("rate", "threshold"),
    [
        (0.05, None),
        (0.1, 0.75),
        (0.19, 0.75),
        (0.2, 0.25),
        (0.39, 0.25),
        (0.4, 0),
        (0.89, 0),
        (0.9, -0.5),
        (1, -1),
    ],
)
def test_thresholds_below_what_is_held_are_edges(rate: float, threshold: float | None) -> None:
    shown = counted([0.75, 0.5], edges=[-1, -0.5, 0, 0.25], shares=[0.1, 0.5, 0.2])
    assert shown.threshold(rate) == threshold
    if threshold is not None:
        assert float(shown.rate(threshold)) <= rate + 1e-9


def test_with_nothing_held_everything_is_counted() -> None:
    shown = counted([], edges=[-1, 0, 1], shares=[0.75, 0.25])
    assert shown.rate([1, 0.5, 0, -1]).tolist() == [0, 0.125, 0.25, 1]
    assert shown.threshold(0.3) == 0


def test_area_and_equal_error_of_what_is_counted() -> None:
    # Half of the impostors lie evenly in −1..0, half in 0..1: a genuine 0.5 outscores three quarters.
    even = counted([], edges=[-1, 0, 1], shares=[0.5, 0.5])
    assert area(even, curve([0.5])) == pytest.approx(0.75)
    assert area(even, curve([0.5, -0.5])) == pytest.approx(0.5)
    assert equal_error(even, curve([0.5, 0.5])) == pytest.approx((0.125, 0.5))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_small_part_held_gives_the_same_thresholds_as_all(weighting: Weighting) -> None:
    samples = samples_of([3, 1, 2, 5, 1, 4] * 4, seed=6)
    whole, part = (Curve.of(impostor_pairs(samples, hold=hold), weighting) for hold in (10**6, 400))
    lowest = float(part.levels[-1])
    for rate in np.geomspace(1e-3, 1, 60):
        threshold = whole.threshold(rate)
        if threshold is not None and threshold > lowest:
            assert part.threshold(rate) == threshold
