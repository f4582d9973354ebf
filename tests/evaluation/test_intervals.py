"""Intervals against published tables, and against the definitions they invert."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.evaluation.intervals import Z, percentiles, rate_figure, student, wilson

rates = st.floats(0, 1)


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3 (the score method, uncorrected).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
    ],
)
def test_wilson_s_interval_as_published(errors: int, trials: int, low: float, high: float) -> None:
    assert wilson(errors / trials, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_s_ends_are_rates_that_the_seen_one_just_contradicts(errors: int, trials: int) -> None:
    """Wilson 1927: the ends p solve (p̂ − p)² = z² p(1 − p)/n."""
    rate = min(errors / trials, 1.0)
    for end in wilson(rate, trials):
        if 0 < end < 1:
            assert (rate - end) ** 2 == pytest.approx(Z**2 * end * (1 - end) / trials, rel=1e-6, abs=1e-12)


@given(rates, st.floats(1e-3, 1e9))
def test_wilson_s_interval_holds_the_rate_and_stays_a_rate(rate: float, trials: float) -> None:
    low, high = wilson(rate, trials)
    assert 0 <= low <= rate <= high <= 1


def test_nothing_tried_nothing_known() -> None:
    assert wilson(0.3, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("degrees", "point"),
    [(4, 2.776), (5, 2.571), (6, 2.447), (8, 2.306), (10, 2.228), (20, 2.086), (30, 2.042), (120, 1.980)],
)
def test_student_s_table(degrees: float, point: float) -> None:
    """97.5 % points as every table has them; the expansion is 2 % short at 4 degrees, 1 % at 5, 0.2 % at 10."""
    allowed = {4: 0.02, 5: 0.01, 6: 0.006, 8: 0.003, 10: 0.002}.get(int(degrees), 0.001)
    assert student(degrees) == pytest.approx(point, rel=allowed)


def test_student_s_ends() -> None:
    assert student(0) == student(3.9) == student(4)
    assert student(math.inf) == Z == pytest.approx(1.959964, abs=1e-6)


@given(st.floats(4, 1e6), st.floats(4, 1e6))
def test_more_degrees_never_widen(one: float, other: float) -> None:
    few, many = sorted((one, other))
    assert student(few) >= student(many) >= Z


def test_a_rate_s_interval_by_hand() -> None:
    # 0.2 with variance 0.0016: worth 0.16/0.0016 = 100 trials (Kish) with 20 errors, so t(20) = 2.086 stands
    # for z = 1.960: 100·(1.95996/2.08596)² = 88.28 trials. Wilson on those: centre (0.2 + 3.8415/176.56) /
    # (1 + 3.8415/88.28) = 0.21251, half-width 1.95996/1.04352·√(0.16/88.28 + (1.95996/176.56)²) = 0.08266.
    figure = rate_figure(0.2, 0.0016, most=10)
    assert (figure.value, figure.why) == (0.2, "")
    assert (figure.low, figure.high) == pytest.approx((0.1299, 0.2952), abs=2e-4)


def test_errors_are_the_rarer_of_the_two() -> None:
    rare, common = rate_figure(0.03, 1e-4, 50), rate_figure(0.97, 1e-4, 50)
    assert rare.low is not None
    assert rare.high is not None
    assert (common.low, common.high) == pytest.approx((1 - rare.high, 1 - rare.low))


@pytest.mark.parametrize(("rate", "variance"), [(0.0, 0.0), (0.0, 1e-4), (1.0, 0.0)])
def test_without_an_error_the_people_are_the_trials(rate: float, variance: float) -> None:
    figure = rate_figure(rate, variance, most=10)
    assert (figure.low, figure.high) == wilson(rate, 10)


def test_without_any_variance_the_people_are_the_trials() -> None:
    figure = rate_figure(0.5, 0.0, most=40)
    assert (figure.low, figure.high) == wilson(0.5, 40 * (Z / student(20)) ** 2)


@given(rates, st.floats(0, 0.25), st.integers(1, 10_000))
def test_a_rate_s_interval_holds_it(rate: float, variance: float, most: int) -> None:
    figure = rate_figure(rate, variance, most)
    assert figure.low is not None
    assert figure.high is not None
    assert 0 <= figure.low <= rate <= figure.high <= 1


def test_percentiles_are_the_central_95_percent_of_what_was_drawn() -> None:
    drawn = np.arange(1001) / 1000  # its 2.5th percentile is the 25th of a thousand steps
    figure = percentiles(0.5, drawn)
    assert (figure.low, figure.high) == pytest.approx((0.025, 0.975))


def test_percentiles_leave_out_draws_that_showed_nothing() -> None:
    drawn = np.concatenate([np.arange(1001) / 1000, np.full(50, np.nan)])
    assert percentiles(0.5, drawn).high == pytest.approx(0.975)


@pytest.mark.parametrize(("value", "low", "high"), [(-1, -1, 0.975), (2, 0.025, 2)])
def test_percentiles_hold_the_value(value: float, low: float, high: float) -> None:
    figure = percentiles(value, np.arange(1001) / 1000)
    assert (figure.low, figure.high) == pytest.approx((low, high))
