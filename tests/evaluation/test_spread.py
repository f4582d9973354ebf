"""The spread of a rate against the variance of a U-statistic as textbooks have it, and against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from simulated import World, comparisons_of

from mien.evaluation.comparisons import WEIGHTINGS, Comparisons
from mien.evaluation.intervals import student
from mien.evaluation.spread import Spread, spread
from mien.evaluation.study import Weighting


def variance(found: Spread) -> float:
    return (found.rate * found.relative) ** 2


def everybody(passing: Sequence[tuple[int, int]], people: int) -> Comparisons:
    """One comparison of every two people, of which these score 1 and the others 0."""
    pairs = list(combinations(range(people), 2))
    scores = [1.0 if pair in passing else 0.0 for pair in pairs]
    return comparisons_of(scores, *np.array(pairs).T, people, sizes=np.ones(people))


def test_four_people_by_hand() -> None:
    # A passes with everybody, nobody else does: of 6 pairs 3. Everybody stands in half of the pairs, so is
    # expected to bring 1/4; A brings 3/6, the others 1/6. What people move: (1/16 + 3/144) · 4/3 = 1/9, which
    # has the pairs' own noise in it twice. That is 3 · (1/6)² · (1 − 1/2) = 1/24. So 1/9 − 1/24 = 5/72.
    found = spread(everybody([(0, 1), (0, 2), (0, 3)], 4), "person", 1.0)
    assert found.rate == pytest.approx(1 / 2)
    assert variance(found) == pytest.approx(5 / 72)
    assert found.errors == pytest.approx(0.25 / (5 / 72))


def test_the_noise_of_the_pairs_is_the_least() -> None:
    # A–B and C–D pass: everybody brings the same, so people move nothing, and the pairs' noise is left:
    # 2 · (1/6)² · (1 − 1/3).
    found = spread(everybody([(0, 1), (2, 3)], 4), "person", 1.0)
    assert variance(found) == pytest.approx(2 / 36 * 2 / 3)


def test_people_whose_pairs_are_their_own_are_independent_trials() -> None:
    each = np.arange(40)
    pairs = comparisons_of([1.0] * 6 + [0.0] * 34, each, each, 40)
    found = spread(pairs, "pair", 1.0)
    assert found.rate == pytest.approx(6 / 40)
    assert variance(found) == pytest.approx(6 / 40 * 34 / 40 / 39)


@pytest.mark.parametrize("threshold", [2.0, 1.0000001])
def test_where_nobody_passes_nothing_is_known(threshold: float) -> None:
    found = spread(everybody([(0, 1)], 4), "person", threshold)
    assert (found.rate, found.relative, found.errors) == (0, 0, 0)
    assert found.interval() == (0, 0)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_where_everybody_passes_nothing_moves(weighting: Weighting) -> None:
    found = spread(everybody([], 5), weighting, 0.0)
    assert (found.rate, found.relative) == pytest.approx((1, 0), abs=1e-7)


def drawn(world: World, people: int, pictures: int, seed: int) -> Comparisons:
    return world.all_pairs(np.random.default_rng(seed), people, pictures, draws=1).impostor


def kernel(comparisons: Comparisons, threshold: float) -> NDArray[np.float64]:
    """(people, people) 1 where the only comparison of two people passes."""
    table = np.zeros((comparisons.people, comparisons.people))
    passed = comparisons.scores >= threshold
    table[comparisons.first[passed], comparisons.second[passed]] = 1
    return table + table.T


@pytest.mark.parametrize("rate", [0.03, 0.1, 0.5])
def test_a_balanced_design_has_the_textbook_s_variance(rate: float) -> None:
    """Var U = 2 (2 (n − 2) ζ1 + ζ2) / (n (n − 1)) (Hoeffding 1948), with unbiased estimates of ζ1 and ζ2."""
    world, n = World(alike=0.7, own=0.0), 120
    strangers, threshold = drawn(world, n, 1, seed=1), world.threshold(rate)
    h = kernel(strangers, threshold)
    partners = h.sum(axis=1)
    u = partners.sum() / (n * (n - 1))
    sharing_one = (partners * (partners - 1)).sum() / (n * (n - 1) * (n - 2))
    sharing_none = ((h.sum() / 2) ** 2 - (partners * (partners - 1)).sum() - h.sum() / 2) / (
        n * (n - 1) * (n - 2) * (n - 3) / 4
    )
    zeta1, zeta2 = sharing_one - sharing_none, u - sharing_none
    textbook = 2 * (2 * (n - 2) * zeta1 + zeta2) / (n * (n - 1))
    found = spread(strangers, "person", threshold)
    assert found.rate == pytest.approx(u)
    assert variance(found) == pytest.approx(textbook, rel=0.03)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("rate", [0.03, 0.2])
def test_leaving_out_each_person_in_turn_says_the_same(weighting: Weighting, rate: float) -> None:
    world = World(alike=0.7, own=0.0)
    strangers, threshold = unbalanced(world, people=80), world.threshold(rate)
    jackknife = left_out(strangers, weighting, threshold)
    assert variance(spread(strangers, weighting, threshold)) == pytest.approx(jackknife, rel=0.12)


def unbalanced(world: World, people: int) -> Comparisons:
    """All pairs of people with one to four pictures."""
    rng = np.random.default_rng(4)
    pictures = rng.integers(1, 5, people)
    subjects = np.repeat(np.arange(people), pictures)
    first, second = (subjects[each] for each in np.triu_indices(len(subjects), 1))
    apart = first != second
    brought = rng.normal(0, world.alike, people)
    scores = world.noise * (brought[first] + brought[second] + rng.normal(size=len(first)))
    sizes = pictures.astype(np.float64)
    return comparisons_of(scores[apart], first[apart], second[apart], people, sizes=sizes)


def left_out(strangers: Comparisons, weighting: Weighting, threshold: float) -> float:
    """The jackknife's variance (Tukey 1958), people left out one by one."""
    shares, passed = strangers.shares[weighting], strangers.scores >= threshold
    rates = []
    for person in range(strangers.people):
        kept = (strangers.first != person) & (strangers.second != person)
        rates.append(shares[kept & passed].sum() / shares[kept].sum())
    n = strangers.people
    return float((n - 1) / n * np.sum((np.array(rates) - np.mean(rates)) ** 2))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_list_of_all_pairs_has_the_spread_of_the_set(weighting: Weighting) -> None:
    world = World(alike=0.7, own=0.0)
    whole = unbalanced(world, people=30)
    listed = comparisons_of(whole.scores, whole.first, whole.second, 30)
    one, other = (spread(each, weighting, world.threshold(0.1)) for each in (whole, listed))
    assert (one.rate, one.relative, one.errors) == pytest.approx((other.rate, other.relative, other.errors))


@pytest.mark.parametrize("rate", [0.01, 0.1])
@pytest.mark.parametrize("pictures", [1, 3])
def test_on_average_it_is_the_variance_over_studies(pictures: int, rate: float) -> None:
    found = spreads(World(alike=0.4, own=0.0), pictures, rate)
    truth = np.var([each.rate for each in found])
    assert np.mean([variance(each) for each in found]) == pytest.approx(truth, rel=0.2)


@pytest.mark.parametrize("rate", [0.01, 0.1])
@pytest.mark.parametrize("pictures", [1, 3])
def test_of_people_all_alike_it_is_little_more_than_that_of_independent_comparisons(
    pictures: int, rate: float
) -> None:
    """A little more, since it is held above the noise of the pairs, which is all there is."""
    found = spreads(World(alike=0.0, own=0.0), pictures, rate)
    truth = rate * (1 - rate) / (60 * 59 / 2 * pictures**2)
    assert 0.95 * truth < np.mean([variance(each) for each in found]) < 1.35 * truth


def spreads(world: World, pictures: int, rate: float) -> list[Spread]:
    """Of 150 studies of 60 people, at the threshold that the world has for a rate."""
    return [spread(drawn(world, 60, pictures, seed), "person", world.threshold(rate)) for seed in range(150)]


@pytest.mark.parametrize("others", [0.0, 1.0, 1 / 9])
def test_an_interval_is_one_of_the_logarithm(others: float) -> None:
    found = Spread(rate=0.01, relative=0.2, errors=25)
    factor = np.exp(student(25) * 0.2 * np.sqrt(1 + others))
    assert found.interval(others) == pytest.approx((0.01 / factor, 0.01 * factor))


def test_an_interval_by_hand() -> None:
    # t(25) = 2.060, so the factor of one more study like this is exp(2.060 · 0.2 · √2) = 1.791.
    low, high = Spread(rate=0.01, relative=0.2, errors=25).interval(1.0)
    assert (low, high) == pytest.approx((0.005584, 0.01791), rel=1e-3)


def test_an_interval_ends_at_1() -> None:
    assert Spread(rate=0.8, relative=0.5, errors=4).interval()[1] == 1


def test_a_rate_without_spread_is_its_own_interval() -> None:
    assert Spread(rate=0.1, relative=0.0, errors=0.0).interval() == (0.1, 0.1)
