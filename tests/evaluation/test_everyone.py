"""Everybody searched for among everybody else, held against galleries enrolled one by one."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from simulated import samples_of, samples_with

from mien.evaluation import everyone as of_everyone
from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.everyone import SIZES, Everyone, alone_searches
from mien.evaluation.samples import Samples
from mien.evaluation.spread import Spread, spread

CROWD = samples_of([3, 2, 2, 1] * 20, seed=1, exact=False)


def passed(everyone: Everyone, threshold: float) -> int:
    return int(np.count_nonzero(everyone.impostor.scores >= threshold))


def in_all_galleries(samples: Samples, size: int, threshold: float) -> float:
    """FPIR: a mean over each person left out, each of their pictures, each gallery and choice of templates."""
    rows = [np.flatnonzero(samples.subjects == person) for person in range(len(samples.people))]
    scores = samples.vectors.astype(np.float64) @ samples.vectors.T.astype(np.float64)
    scores[~samples.enrolled] = scores[:, ~samples.enrolled] = -2
    met = []
    for person, pictures in enumerate(rows):
        others = [row for number, row in enumerate(rows) if number != person]
        galleries = [np.array(g) for chosen in combinations(others, size) for g in product(*chosen)]
        weights = [
            1 / math.prod(len(row) for row in chosen)
            for chosen in combinations(others, size)
            for _ in product(*chosen)
        ]
        hits = [
            sum(w * (scores[x, g].max() >= threshold) for w, g in zip(weights, galleries, strict=True))
            / sum(weights)
            for x in pictures
        ]
        met.append(np.mean(hits))
    return float(np.mean(met))


@pytest.mark.parametrize("failed", [(), (2, 5)])
def test_the_rate_is_that_of_all_galleries_of_everybody_else(failed: tuple[int, ...]) -> None:
    samples = samples_of([3, 2, 1, 2, 1], failed=failed, seed=3)
    everyone = Everyone.of(samples, impostor_pairs(samples))
    for threshold in (0.0, 0.25, 0.5):
        exact = in_all_galleries(samples, 4, threshold)
        assert everyone.fpir(passed(everyone, threshold), 4) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_in_between_it_is_near_where_few_match(size: int) -> None:
    samples = samples_of([2, 2, 1, 1, 2, 1, 1, 2, 1], seed=6)
    everyone = Everyone.of(samples, impostor_pairs(samples))
    for threshold in (0.35, 0.45):
        exact = in_all_galleries(samples, size, threshold)
        assert 0 < exact < 0.4
        assert everyone.fpir(passed(everyone, threshold), size) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("size", [1, 5, 30, 79])
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_the_threshold_is_the_lowest_that_keeps_the_rate(size: int, rate: float) -> None:
    everyone = Everyone.of(CROWD, impostor_pairs(CROWD))
    level = everyone.threshold(rate, size)
    assert level is not None
    below = everyone.impostor.scores[everyone.impostor.scores < np.float32(level)][0]
    assert everyone.fpir(passed(everyone, level), size) <= rate + 1e-9
    assert everyone.fpir(passed(everyone, float(below)), size) > rate


def test_thresholds_outside_what_is_held_are_not_stated() -> None:
    whole, part = (Everyone.of(CROWD, impostor_pairs(CROWD, **more)) for more in ({}, {"hold": 100}))
    assert part.threshold(0.05, 79) == whole.threshold(0.05, 79)
    assert part.threshold(0.5, 2) is None  # below
    assert whole.threshold(1e-9, 79) is None  # above all


def test_rows_are_of_every_size_up_to_all_but_one_and_of_rates_that_so_many_can_show() -> None:
    rows = alone_searches(CROWD, impostor_pairs(CROWD))
    assert [(row.people, row.fpir, row.templates) for row in rows] == [(10, 0.1, 1), (30, 0.1, 1), (79, 0.1, 1)]
    similarities = [row.similarity for row in rows]
    assert similarities == sorted(similarities)
    for row in rows:
        assert row.low < row.similarity < row.high
        assert row.fpir_low is not None
        assert row.fpir_high is not None
        assert row.fpir_low < row.fpir < row.fpir_high


def test_a_row_has_six_digits_rounded_up_and_its_interval_is_that_of_the_comparisons() -> None:
    impostor = impostor_pairs(CROWD)
    everyone = Everyone.of(CROWD, impostor)
    row = alone_searches(CROWD, impostor)[1]
    level = everyone.threshold(0.1, 30)
    assert level is not None
    assert row.similarity == math.ceil(level * 1e6) / 1e6
    seen = spread(impostor, "person", level)
    low, high = Spread(0.1, seen.relative, seen.errors).interval()
    assert (row.high, row.low) == pytest.approx(
        (everyone.threshold(low, 30), everyone.threshold(high, 30)), abs=1e-6
    )
    wide = Spread(0.1, seen.relative * math.sqrt(1 + 80 / (4 * 30)), seen.errors).interval()
    assert (row.fpir_low, row.fpir_high) == pytest.approx(wide, rel=6e-3)


@pytest.mark.parametrize(
    ("stranger", "level", "missed"),
    [
        ((0, -1, 0, 0), 0.5, 0.0),
        ((0, -1, 0, 0), 0.7, 0.5),  # Ann is missed,
        ((0, -1, 0, 0), 0.9, 1.0),  # and Bob, too
        ((1, 0, 0, 0), 0.5, 0.5),  # who looks like Ann is found in her place
    ],
)
def test_known_people_are_missed_below_the_threshold_and_behind_others(
    stranger: tuple[int, ...], level: float, missed: float
) -> None:
    """Ann's two pictures score 0.6 with each other, Bob's 0.8; whichever of them is enrolled."""
    vectors = [(1, 0, 0, 0), (0.6, 0.8, 0, 0), (0, 0, 1, 0), (0, 0, 0.8, 0.6), (0, 0, 0, -1), stranger]
    samples = samples_with(vectors, [0, 0, 1, 1, 2, 3], 4)
    assert of_everyone._fnirs(samples, 4, [level]) == pytest.approx([missed])


def test_where_nobody_has_a_second_picture_nobody_can_be_found() -> None:
    samples = samples_of([1] * 80, exact=False)
    assert alone_searches(samples, impostor_pairs(samples)) == []


def test_people_too_few_for_a_rate_leave_nothing() -> None:
    samples = samples_of([2] * 5)
    assert alone_searches(samples, impostor_pairs(samples)) == []
    assert min(SIZES) == 10
