"""The bootstrap over people, against studies made anew from the pictures of the people drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from simulated import World, comparisons_of, samples_of

from mien.evaluation import resampling
from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.comparisons import WEIGHTINGS, Comparisons, genuine_pairs, listed
from mien.evaluation.curves import Curve
from mien.evaluation.resampling import Draws, Thinned, drawn_rates, drawn_totals, without_pair_noise
from mien.evaluation.samples import Samples
from mien.evaluation.study import Weighting

COUNTS = (3, 1, 2, 5, 1, 4)
THRESHOLDS = np.arange(64, -65, -8) / 64 - 1 / 128
FLOAT32 = 1e-6  # what sums in float32 may be off


def draws_of(weights: Sequence[Sequence[int]]) -> Draws:
    """A draw from each row, which says how often it took each person."""
    return Draws(np.array(weights, np.float32).T)


def plain_rates(c: Comparisons, weighting: Weighting, draws: Draws) -> NDArray[np.float64]:
    """(thresholds, draws) of every comparison, as drawn and no more."""
    ends = np.searchsorted(-c.scores, -THRESHOLDS, side="right")
    sums = draws.sums(c.first, c.second, c.shares[weighting], ends).cumsum(axis=0)
    rates: NDArray[np.float64] = sums / drawn_totals(c, Thinned.of(c), weighting, draws)
    return rates


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("kind", ["genuine", "impostor", "a list"])
def test_everybody_drawn_once_is_the_study_itself(weighting: Weighting, kind: str) -> None:
    comparisons = compared(samples_of(COUNTS, failed=[3]), kind)
    once = Draws(np.ones((len(COUNTS), 3), np.float32))
    rates = Curve.of(comparisons, weighting).rate(THRESHOLDS)
    drawn = drawn_rates(comparisons, Thinned.of(comparisons), weighting, THRESHOLDS, once)
    assert drawn == pytest.approx(np.tile(rates, (3, 1)).T, abs=FLOAT32)
    assert plain_rates(comparisons, weighting, once) == pytest.approx(np.tile(rates, (3, 1)).T, abs=FLOAT32)


def compared(samples: Samples, kind: str) -> Comparisons:
    strangers = impostor_pairs(samples)
    if kind == "genuine":
        return genuine_pairs(samples).without_failed()
    return strangers if kind == "impostor" else listed(samples, strangers.left, strangers.right)


DRAWN = [(2, 1, 1, 1, 1, 0), (0, 0, 3, 2, 0, 1), (0, 0, 6, 0, 0, 0), (1, 1, 1, 1, 1, 1), (0, 2, 0, 2, 0, 2)]


@pytest.mark.parametrize("weights", DRAWN[:2] + DRAWN[3:])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("kind", ["impostor", "a list"])
def test_a_draw_is_the_study_of_the_people_drawn(
    weights: Sequence[int], weighting: Weighting, kind: str
) -> None:
    """With his pictures, a person drawn twice comes twice: as two people who never meet each other."""
    samples = samples_of(COUNTS, failed=[3])
    drawn = plain_rates(compared(samples, kind), weighting, draws_of([weights]))[:, 0]
    assert drawn == pytest.approx(direct(samples, weights, weighting), abs=FLOAT32)


def direct(samples: Samples, weights: Sequence[int], weighting: Weighting) -> NDArray[np.float64]:
    people = [person for person, times in enumerate(weights) for _ in range(times)]
    passed, total = np.zeros(len(THRESHOLDS)), 0.0
    for i, one in enumerate(people):
        for other in people[:i]:
            scores = between(samples, one, other)
            if one != other and scores.size:
                each = 1 / scores.size if weighting == "person" else 1.0
                total += each * scores.size
                passed += [each * (scores >= threshold).sum() for threshold in THRESHOLDS]
    return passed / total


def between(samples: Samples, one: int, other: int) -> NDArray[np.float64]:
    """All scores of pictures of two people."""
    vectors = samples.vectors.astype(np.float64)
    a, b = (vectors[(samples.subjects == each) & samples.enrolled] for each in (one, other))
    return a @ b.T


@pytest.mark.parametrize("weights", [DRAWN[0], DRAWN[1], DRAWN[2], DRAWN[4]])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_draw_of_genuine_comparisons_repeats_those_of_the_people_drawn(
    weights: Sequence[int], weighting: Weighting
) -> None:
    genuine = genuine_pairs(samples_of(COUNTS))
    passed, total = np.zeros(len(THRESHOLDS)), 0.0
    for person, times in enumerate(weights):
        scores = genuine.scores[genuine.first == person]
        each = times / max(len(scores), 1) if weighting == "person" else times
        total += each * len(scores)
        passed += [each * (scores >= threshold).sum() for threshold in THRESHOLDS]
    drawn = plain_rates(genuine, weighting, draws_of([weights]))[:, 0]
    assert drawn == pytest.approx(passed / total, abs=FLOAT32)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_draw_of_one_person_only_passes_nobody(weighting: Weighting) -> None:
    strangers = impostor_pairs(samples_of(COUNTS))
    assert plain_rates(strangers, weighting, draws_of([DRAWN[2]])).tolist() == [[0]] * len(THRESHOLDS)


def test_sums_are_between_one_end_and_the_next() -> None:
    comparisons = comparisons_of([4, 3, 2, 1], [0, 0, 0, 1], [1, 1, 2, 2], 3)
    draws = draws_of([(1, 2, 3), (0, 1, 1)])
    # Of 0 with 1 the first draw makes 2 of each, of 0 with 2 it makes 3, of 1 with 2 it makes 6.
    assert draws.times(comparisons.first, comparisons.second).T.tolist() == [[2, 2, 3, 6], [0, 0, 0, 1]]
    sums = draws.sums(comparisons.first, comparisons.second, np.array([1.0, 2, 3, 4]), np.array([1, 1, 3, 4]))
    assert sums.T.tolist() == [[2, 0, 2 * 2 + 3 * 3, 6 * 4], [0, 0, 0, 4]]


def test_sums_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    strangers, draws = impostor_pairs(samples_of(COUNTS)), Draws.of(np.ones(6, np.bool_), 40)
    whole = plain_rates(strangers, "person", draws)
    monkeypatch.setattr(resampling, "BLOCK", 100)
    assert plain_rates(strangers, "person", draws) == pytest.approx(whole, abs=FLOAT32)


def test_draws_take_as_many_people_as_there_are_among_those_present() -> None:
    present = np.array([True, False, True, True, False])
    draws = Draws.of(present, 200, seed=5)
    assert draws.count == 200
    assert draws.weights.sum(axis=0).tolist() == [3] * 200
    assert not draws.weights[~present].any()
    # How often a person is drawn is binomial: 3 times a chance of 1/3.
    assert draws.weights[present].mean(axis=1) == pytest.approx([1, 1, 1], abs=0.2)
    assert draws.weights[present].var(axis=1) == pytest.approx([2 / 3] * 3, abs=0.2)


def test_draws_are_the_same_for_the_same_seed() -> None:
    one, same, other = (Draws.of(np.ones(9, np.bool_), 20, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.weights, same.weights)
    assert not np.array_equal(one.weights, other.weights)


def test_draws_among_nobody() -> None:
    assert not Draws.of(np.zeros(3, np.bool_), 10).weights.any()
    assert Draws.of(np.zeros(0, np.bool_), 10).weights.shape == (0, 10)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_without_partners_there_is_no_pair_noise_to_take_out(weighting: Weighting) -> None:
    """Genuine comparisons, and pairs of which nobody says whose they are, are drawn as they stand."""
    genuine = genuine_pairs(samples_of(COUNTS))
    unknown = samples_of((2,) * 20, known=False)
    pairs = listed(unknown, *np.arange(40, dtype=np.int32).reshape(2, 20))
    for comparisons in (genuine, pairs):
        draws = Draws.of(np.ones(comparisons.people, np.bool_), 50)
        drawn = drawn_rates(comparisons, Thinned.of(comparisons), weighting, THRESHOLDS, draws)
        raw = np.clip(plain_rates(comparisons, weighting, draws), 0, 1)
        assert drawn == pytest.approx(raw, abs=1e-5)


def test_pair_noise_is_taken_out_of_the_variance_twice() -> None:
    rng = np.random.default_rng(0)
    plain = np.array([0.5, 0.2])
    rates = plain[:, None] + rng.normal(0, 0.01, (2, 1000)).clip(-0.05, 0.05)
    noise = np.array([2e-5, 3e-5])  # of a variance of about 1e-4
    left = without_pair_noise(rates, plain, noise)
    assert left.var(axis=1) == pytest.approx(rates.var(axis=1) - 2 * noise, rel=1e-9)
    assert np.corrcoef(left[0], rates[0])[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(("part", "left"), [(0.0, 1.0), (0.3, 0.4), (0.4, 0.4), (0.6, 0.6), (2.0, 1.0)])
def test_once_it_stays_in(part: float, left: float) -> None:
    """Noise that is this part of the variance leaves so much of it: itself at least, what there is at most."""
    rates = 0.5 + np.random.default_rng(0).normal(0, 0.01, (1, 1000))
    brought = without_pair_noise(rates, np.array([0.5]), part * rates.var(axis=1))
    assert brought.var() == pytest.approx(left * rates.var())


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("pictures", [1, 3])
def test_of_people_all_alike_the_pairs_noise_is_all_there_is(weighting: Weighting, pictures: int) -> None:
    """So draws spread as independent comparisons would, or a little more."""
    world, rng, thresholds = World(alike=0, own=0), np.random.default_rng(3), np.array([0.13, 0.0])
    spreads = []
    for _ in range(40):
        trial = world.all_pairs(rng, people=60, pictures=pictures, draws=100)
        drawn = drawn_rates(trial.impostor, Thinned.of(trial.impostor), weighting, thresholds, trial.drawn[1])
        spreads.append(drawn.var(axis=1))
    rates = np.array([1 - world.impostor.cdf(threshold) for threshold in thresholds])
    truth = rates * (1 - rates) / (60 * 59 / 2 * pictures**2)
    ratio = np.mean(spreads, axis=0) / truth
    assert ((ratio > 0.9) & (ratio < 1.4)).all(), ratio


def test_draws_that_all_agree_stay_as_they_are() -> None:
    same = np.full((1, 5), 0.25)
    assert without_pair_noise(same, np.array([0.25]), np.array([0.0])).tolist() == same.tolist()


def test_the_spread_of_a_rate_over_draws_is_that_over_studies() -> None:
    """The draws of one study move as much as studies of new people do."""
    world, rng = World(alike=0.5, own=0.5), np.random.default_rng(2)
    thresholds = np.array([world.threshold(rate) for rate in (0.01, 0.1)])
    studies, spreads = [], []
    for _ in range(60):
        trial = world.all_pairs(rng, people=60, pictures=2, draws=100)
        studies.append(Curve.of(trial.impostor, "person").rate(thresholds))
        drawn = drawn_rates(trial.impostor, Thinned.of(trial.impostor), "person", thresholds, trial.drawn[1])
        spreads.append(drawn.var(axis=1))
    assert np.mean(spreads, axis=0) == pytest.approx(np.var(studies, axis=0), rel=0.4)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets of a few thousand pairs are thinned as larger ones are."""
    monkeypatch.setattr(resampling, "EXACT", 200)
    monkeypatch.setattr(resampling, "THINNED", 2000)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("hold", [10**6, 1000, 150], ids=["all-held", "counted-below", "fewer-than-exact"])
def test_thinned_the_best_stay_and_the_rest_is_stood_for(hold: int) -> None:
    samples = samples_of([3, 1, 2, 5, 1, 4] * 8, seed=1)
    strangers = impostor_pairs(samples, hold=hold)
    thinned = Thinned.of(strangers, samples)
    top = min(200, len(strangers))
    assert np.array_equal(thinned.scores[:top], strangers.scores[:top])
    assert (np.diff(thinned.scores) <= 0).all()
    assert len(thinned.scores) <= 2200
    whole = impostor_pairs(samples)
    for weighting in WEIGHTINGS:
        assert np.array_equal(thinned.shares[weighting][:top], strangers.shares[weighting][:top])
        assert thinned.shares[weighting].sum() == pytest.approx(1)
        shown = [thinned.shares[weighting][thinned.scores >= each].sum() for each in THRESHOLDS]
        assert shown == pytest.approx(Curve.of(whole, weighting).rate(THRESHOLDS), abs=0.03)


@pytest.mark.usefixtures("few")
def test_few_comparisons_are_not_thinned() -> None:
    strangers = impostor_pairs(samples_of(COUNTS))
    assert Thinned.of(strangers).scores is strangers.scores


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_totals_of_a_set_and_of_its_list_are_the_same(weighting: Weighting) -> None:
    samples = samples_of(COUNTS, failed=[2])
    strangers = impostor_pairs(samples)
    draws = draws_of(DRAWN)
    known = drawn_totals(strangers, Thinned.of(strangers), weighting, draws)
    summed = drawn_totals(replace(strangers, sizes=None), Thinned.of(strangers), weighting, draws)
    assert known == pytest.approx(summed, abs=FLOAT32)
