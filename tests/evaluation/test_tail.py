"""The fit of the tail, on scores drawn from the distribution that it fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from simulated import World, comparisons_of, samples_of

from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.comparisons import Comparisons
from mien.evaluation.curves import Curve
from mien.evaluation.tail import EXCESSES, SHAPE, SHAPE_SPREAD, Tail

COUNT = 2000
SCALE = 0.05


def pareto(shape: float, seed: int, count: int = COUNT) -> Comparisons:
    """Scores that follow a generalised Pareto distribution from 0 on, each of people of their own.

    Beyond any threshold u it has the same shape, and the scale SCALE + shape · u.
    """
    passing = np.random.default_rng(seed).uniform(size=count)
    each = np.arange(count)
    return comparisons_of(SCALE / shape * (passing**-shape - 1), each, each, count)


def fitted(comparisons: Comparisons) -> Tail:
    tail = Tail.fit(comparisons, "pair")
    assert tail is not None
    return tail


@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.05])
def test_the_shape_and_scale_of_a_known_tail_are_found(shape: float) -> None:
    """On average over 30 samples; the prior of the shape draws it a little way towards −0.1."""
    tails = [fitted(pareto(shape, seed)) for seed in range(30)]
    found = np.mean([tail.shapes[0] for tail in tails])
    assert min(shape, SHAPE) - 0.03 < found < max(shape, SHAPE) + 0.03
    assert abs(found - shape) < 0.1
    scales = [tail.scales[0] / (SCALE + shape * tail.start) for tail in tails]
    assert np.mean(scales) == pytest.approx(1, abs=0.12)


def test_beyond_what_was_seen_the_rate_lies_within_what_is_stated() -> None:
    """For shapes as they are expected, drawn from the prior: the least rate counted on is 3/2000 = 1.5e-3."""
    within: Counter[float] = Counter()
    for seed in range(60):
        shape = np.random.default_rng(1000 + seed).normal(SHAPE, SHAPE_SPREAD)
        tail = fitted(pareto(shape, seed))
        for rate in (1e-3, 1e-4):
            low, high = tail.spread(rate).interval()
            beyond = max(1 + shape * tail.threshold(rate) / SCALE, 0.0) ** (-1 / shape)
            within[rate] += low <= beyond <= high
    assert min(within.values()) >= 53, within  # 95 % of 60 are 57; fewer than 53 has a chance of one in 80


def test_it_stands_on_the_best_comparisons() -> None:
    strangers = pareto(-0.1, 0)
    tail = fitted(strangers)
    above = strangers.scores > tail.start
    assert above.sum() == EXCESSES - 1  # the threshold is the last of the 150 best
    assert tail.start == Curve.of(strangers, "pair").threshold(EXCESSES / COUNT)
    assert tail.rates[0] == pytest.approx(above.mean())


@pytest.mark.parametrize("rate", [5e-2, 1e-2, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.05])
def test_threshold_and_rate_are_inverse(rate: float, shape: float) -> None:
    tail = fitted(pareto(shape, 1))
    assert tail.rate(tail.threshold(rate))[0] == pytest.approx(rate, rel=1e-9)


def test_thresholds_rise_as_rates_fall() -> None:
    tail = fitted(pareto(-0.1, 2))
    thresholds = [tail.threshold(rate) for rate in np.geomspace(1e-2, 1e-7, 30)]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] >= tail.start


def test_it_meets_the_curve_where_it_starts() -> None:
    strangers = pareto(-0.1, 3)
    tail = fitted(strangers)
    assert tail.threshold(float(tail.rates[0])) == pytest.approx(tail.start)
    within = strangers.scores[20:100:20]
    seen = Curve.of(strangers, "pair").rate(within)
    assert [tail.rate(float(each))[0] for each in within] == pytest.approx(seen.tolist(), rel=0.25)


def test_beyond_the_end_of_a_tail_that_ends_nobody_passes() -> None:
    tail = fitted(pareto(-0.3, 4))
    end = tail.start - tail.scales[0] / tail.shapes[0]
    assert tail.rate(end - 1e-6)[0] > 0
    assert tail.rate(end + 0.1)[0] == 0


def test_every_draw_has_a_fit_of_its_own() -> None:
    tail = fitted(pareto(-0.1, 5))
    assert len(tail.rates) == len(tail.shapes) == len(tail.scales) == 401
    # The share above the start moves as that of 149 of 2000 independent trials does.
    rates = tail.rates[1:]
    assert rates.mean() == pytest.approx(tail.rates[0], rel=0.02)
    assert rates.std() / rates.mean() == pytest.approx(1 / np.sqrt(149), rel=0.15)
    assert 0.02 < tail.shapes[1:].std() < 0.12


def test_the_less_was_seen_the_wider_the_spread() -> None:
    tail = fitted(pareto(-0.1, 6))
    spreads = [tail.spread(rate).relative for rate in (1e-2, 1e-3, 1e-4, 1e-5)]
    assert spreads == sorted(spreads)
    assert spreads[0] > 0.05


@pytest.mark.parametrize("count", [1, 20, 190])
def test_too_few_comparisons_have_no_tail(count: int) -> None:
    assert Tail.fit(pareto(-0.1, 7, count), "pair") is None


def test_twenty_above_the_threshold_are_enough() -> None:
    # Of 210 a tenth are 21: the threshold is the last of them, and 20 lie above it.
    assert Tail.fit(pareto(-0.1, 7, 210), "pair") is not None
    assert Tail.fit(pareto(-0.1, 7, 200), "pair") is None


def test_where_too_many_tie_at_the_top_there_is_none() -> None:
    each = np.arange(1000)
    assert Tail.fit(comparisons_of([0.5] * 900 + [0.1] * 100, each, each, 1000), "pair") is None


def test_a_tail_may_start_at_0() -> None:
    each = np.arange(1500)  # of which the best tenth is 0.149, 0.148, … 0.001, 0
    tail = Tail.fit(comparisons_of((149 - each) / 1000, each, each, 1500), "pair")
    assert tail is not None
    assert tail.start == 0


def test_people_who_are_alike_to_many_make_it_less_sure() -> None:
    rng = np.random.default_rng(0)
    spreads = []
    for alike in (0.0, 0.6):
        tail = Tail.fit(World(alike, 0.5).all_pairs(rng, 100, 2, 1).impostor, "person")
        assert tail is not None
        spreads.append(tail.rates[1:].std() / tail.rates[0])
    assert spreads[1] > 1.5 * spreads[0]


@pytest.mark.parametrize("counts", [[1] * 200, [3, 2, 1, 1] * 40], ids=["one-picture-each", "some"])
def test_a_tail_fits_where_most_comparisons_are_only_counted(counts: Sequence[int]) -> None:
    samples = samples_of(counts, exact=False)
    whole, part = impostor_pairs(samples), impostor_pairs(samples, hold=3000)
    assert part.rest is not None
    one, other = (Tail.fit(each, "person") for each in (whole, part))
    assert one is not None
    assert other is not None
    assert other.threshold(1e-5) == pytest.approx(one.threshold(1e-5))
    assert other.spread(1e-5).relative == pytest.approx(one.spread(1e-5).relative, rel=1e-3)
