"""Verification worked out on paper, refused where the comparisons cannot show it, and its draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from simulated import World, comparisons_of, every_pair, passing, samples_of, samples_with

from mien.errors import InputError
from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.comparisons import WEIGHTINGS, Comparisons, genuine_pairs
from mien.evaluation.intervals import wilson
from mien.evaluation.metrics import (
    NO_GENUINE,
    NO_IMPOSTOR,
    Measured,
    Trial,
    complement,
    trials,
    unsupported,
    verification,
)
from mien.evaluation.spread import spread
from mien.evaluation.study import RATES, Figure, Weighting
from mien.evaluation.trials import all_pairs

DRAWS = 100


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.why
    return figure.value


def paper(failed: Sequence[int] = ()) -> Trial:
    """Five people 11.25° from each other, with two pictures each, 7.5° apart.

    Of the four comparisons of two neighbours one is of 3.75°, two are of 11.25°, one is of 18.75°; everybody
    else's are of 15° at least.
    """
    turned = np.radians(11.25 * np.arange(5).repeat(2) + np.tile([0, 7.5], 5))
    vectors = np.stack([np.cos(turned), np.sin(turned)], axis=1)
    return all_pairs(samples_with(vectors, np.arange(5).repeat(2), 5, failed=failed), DRAWS)


def degrees(count: float) -> float:
    return math.cos(math.radians(count))


def test_a_study_on_paper() -> None:
    # FMR is 4/40 from 3.75° on, 12/40 from 11.25° on; FNMR is 1 below 7.5°, 0 from there on.
    trial = paper()
    measured = Measured.of(trial, "pair", (0.1,))
    assert (trial.genuine.count, trial.impostor.count) == (5, 40)
    point = measured.point(0.1)
    assert value(point.threshold) == pytest.approx(degrees(3.75))
    assert (value(point.fnmr), value(point.tar), value(point.gfrr)) == (1, 0, 1)
    # An impostor at 3.75° outscores all five genuine; the other 36 outscore none: 36/40.
    assert value(measured.area) == pytest.approx(36 / 40)
    # At 7.5° FMR is 0.1 and FNMR 0; above, FNMR is 1.
    assert value(measured.equal_error) == pytest.approx(0.05)


def test_at_a_higher_rate_everybody_passes_on_paper() -> None:
    # 12 of 40 are 11.25° apart or less, and all five genuine are.
    measured = Measured.of(paper(), "pair", (0.3,))
    assert value(measured.point(0.3).threshold) == pytest.approx(degrees(11.25), abs=1e-6)
    assert value(measured.point(0.3).tar) == 1


def test_a_picture_that_failed_is_refused_and_its_strangers_are_left_out() -> None:
    # The last person has one picture left, and 2 comparisons with each of the others. By pair of people,
    # 3.75° is reached by (3/4 + 1/2)/10, 11.25° by (3·3/4 + 2/2)/10 = 0.325, 15° by another 0.1.
    measured = Measured.of(paper(failed=[9]), "person", (0.4,))
    point = measured.point(0.4)
    assert measured.trial.impostor.count == 4 * 6 + 2 * 4
    assert value(point.threshold) == pytest.approx(degrees(11.25), abs=1e-6)
    assert (value(point.fnmr), value(point.gfrr)) == (0, pytest.approx(1 / 5))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("failed", [(), (0, 7, 20)], ids=["all-enrolled", "some-not"])
def test_points_are_a_direct_count(weighting: Weighting, failed: Sequence[int]) -> None:
    samples = samples_of([3, 1, 2, 5, 1, 4, 6, 2, 2], failed=failed, exact=False, seed=3)
    trial = all_pairs(samples, DRAWS)
    strangers, own = every_pair(samples, same=False), every_pair(samples, same=True)
    enrolled = every_pair(samples.subset(samples.enrolled), same=True)
    measured = Measured.of(trial, weighting, (0.5, 0.2, 0.12))
    for rate in (0.5, 0.2, 0.12):
        point = measured.point(rate)
        threshold = value(point.threshold) - 1e-7  # the direct way computes in float64
        assert passing(strangers, weighting, threshold) <= rate + 1e-9
        assert value(point.tar) == pytest.approx(passing(enrolled, weighting, threshold), abs=1e-12)
        assert value(point.fnmr) == pytest.approx(1 - value(point.tar), abs=1e-12)
        assert value(point.gfrr) == pytest.approx(1 - passing(own, weighting, threshold), abs=1e-12)


def test_trials_by_hand() -> None:
    # Five people with 3, 2, 1, 5 and 1 pictures: 10 pairs of people; 66 of pictures, 14 of them of one person.
    strangers = impostor_pairs(samples_of([3, 2, 1, 5, 1]))
    assert trials(strangers, "pair") == 52
    assert trials(strangers, "person") == 10
    # Four people make 6 pairs, too few for their pictures to count.
    assert trials(impostor_pairs(samples_of([3, 2, 1, 5])), "pair") == 6


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_trials_of_a_set_are_those_of_its_list(weighting: Weighting) -> None:
    strangers = impostor_pairs(samples_of([3, 2, 1, 5, 4], failed=[1]))
    assert trials(replace(strangers, sizes=None), weighting) == trials(strangers, weighting) > 0


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_no_comparisons_are_worth_nothing(weighting: Weighting) -> None:
    assert trials(impostor_pairs(samples_of([4])), weighting) == 0
    assert trials(comparisons_of([], [], [], 0), weighting) == 0


def one_each(people: int) -> Comparisons:
    return impostor_pairs(samples_of([1] * people))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_rule_of_three_at_its_limit(weighting: Weighting) -> None:
    """No match among n pairs bounds the rate by 3/n at 95 %: 25 people make the 300 pairs that 1e-2 wants."""
    assert unsupported(1e-2, one_each(25), weighting) == ""
    assert unsupported(math.nextafter(1e-2, 0), one_each(25), weighting) != ""
    assert unsupported(1e-2, one_each(24), weighting) != ""


@pytest.mark.parametrize("rate", RATES)
def test_a_list_of_just_so_many_pairs_supports_the_rate_and_one_less_does_not(rate: float) -> None:
    enough = round(3 / rate)
    nobody, ten = np.empty(0), {"person": np.ones(10), "pair": np.ones(10)}
    for count, supported in ((enough, True), (enough - 1, False)):
        pairs = replace(comparisons_of(nobody, nobody, nobody, 10), count=count, sizes=ten)
        assert (unsupported(rate, pairs, "pair") == "") is supported


def test_the_refusal_says_what_was_wanted_and_what_there_is() -> None:
    assert unsupported(1e-2, one_each(24), "pair") == (
        "FMR 1e-2 needs 300 independent impostor comparisons (rule of three); these are worth 276"
    )


def test_the_refusal_does_not_round_up_to_what_was_wanted() -> None:
    # Six pairs of people, where 3/6.4 of a rate wants 6.4.
    why = unsupported(3 / 6.4, impostor_pairs(samples_of([3, 2, 1, 5])), "person")
    needed, worth = (int(word) for word in why.replace(",", "").split() if word.isdigit())
    assert worth < needed


def test_pictures_of_few_people_are_worth_less_than_their_number() -> None:
    few = impostor_pairs(samples_of([12, 12, 1, 1, 1]))
    assert few.count >= 190
    assert unsupported(3 / 190, few, "pair") == ""
    assert "these are worth" in unsupported(3 / 190, few, "person")


def test_a_rate_that_is_refused_states_nothing() -> None:
    point = Measured.of(paper(), "pair", RATES).point(1e-2)
    for figure in (point.threshold, point.fnmr, point.tar, point.gfrr):
        assert (figure.value, figure.low, figure.high) == (None, None, None)
        assert figure.why.startswith("FMR 1e-2 needs 300 independent")


def test_where_too_many_impostors_share_the_top_score_no_threshold_lets_so_few_pass() -> None:
    vectors = np.tile([1, 0], (40, 1))
    trial = all_pairs(samples_with(vectors, np.arange(20).repeat(2), 20), DRAWS)
    point = Measured.of(trial, "pair", (0.1,)).point(0.1)
    assert point.threshold == Figure(why="more than 1e-1 of the impostors share the top score")
    assert point.tar == point.threshold


def test_without_genuine_comparisons_only_thresholds_are_stated() -> None:
    trial = all_pairs(samples_of([1] * 30), DRAWS)
    found = verification(trial, "person", (0.1,))
    assert found.points[0].threshold.value is not None
    refused = (found.points[0].fnmr, found.points[0].tar, found.points[0].gfrr, found.eer, found.auc)
    assert {figure.why for figure in refused} == {NO_GENUINE}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_draws_without_anybody_who_has_two_pictures_say_nothing(weighting: Weighting) -> None:
    """Of forty people three have two pictures: one draw in twenty has none of them."""
    trial = all_pairs(samples_of([2] * 3 + [1] * 37, exact=False), DRAWS)
    assert (trial.drawn[0].weights[:3].sum(axis=0) == 0).any()
    found = verification(trial, weighting, (0.1, 0.01))
    for figure in (*(point.fnmr for point in found.points), found.eer, found.auc):
        assert figure.low is not None
        assert figure.high is not None
        assert 0 <= figure.low <= value(figure) <= figure.high <= 1


def test_without_impostor_comparisons_nothing_is_stated() -> None:
    samples = samples_of([4])
    measured = Measured.of(
        Trial(samples, genuine_pairs(samples), impostor_pairs(samples), DRAWS), "pair", (0.1,)
    )
    assert "worth 0" in measured.point(0.1).threshold.why
    assert measured.area.why == measured.equal_error.why == NO_IMPOSTOR


def test_impostors_that_were_not_enrolled_cannot_be_measured() -> None:
    samples = samples_of([2, 2])
    strangers = impostor_pairs(samples)
    failed = replace(strangers, scores=np.array([*strangers.scores[:-1], -np.inf], np.float32))
    with pytest.raises(InputError, match="not enrolled"):
        Trial(samples, genuine_pairs(samples), failed)


def trial_of(draws: int = DRAWS) -> Trial:
    return World(alike=0.3, own=0.5).all_pairs(np.random.default_rng(1), people=60, pictures=3, draws=draws)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_verification_is_in_order(weighting: Weighting) -> None:
    found = verification(trial_of(), weighting)
    assert (found.weighting, tuple(point.fmr for point in found.points)) == (weighting, RATES)
    stated = [point for point in found.points if point.threshold.value is not None]
    assert len(stated) == {"person": 2, "pair": 3}[weighting]  # 1,770 pairs of people, 15,930 of pictures
    figures = [figure for point in stated for figure in (point.threshold, point.fnmr, point.tar, point.gfrr)]
    for figure in (*figures, found.eer, found.auc):
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= value(figure) <= figure.high
    thresholds = [value(point.threshold) for point in stated]
    assert thresholds == sorted(thresholds)


def test_the_shown_curve_falls_from_end_to_end() -> None:
    measured = Measured.of(trial_of(), "person")
    thresholds, fmrs, fnmrs = np.array(measured.shown()).T
    assert len(thresholds) <= 200
    assert (np.diff(thresholds) < 0).all()
    assert (np.diff(fmrs) >= 0).all()
    assert (np.diff(fnmrs) <= 0).all()
    assert (fmrs[0], fnmrs[-1]) == pytest.approx((0, 0), abs=1e-12)
    assert fmrs == pytest.approx(measured.impostor.rate(thresholds))
    assert fnmrs == pytest.approx(1 - measured.genuine.rate(thresholds))


def test_genuine_and_impostor_comparisons_are_drawn_by_the_same_people() -> None:
    genuine, impostor = trial_of().drawn
    assert genuine is impostor
    assert genuine.weights.shape == (60, DRAWS)


def test_people_without_a_picture_are_never_drawn() -> None:
    samples = samples_of([2, 0, 3, 1])
    assert not all_pairs(samples, DRAWS).drawn[0].weights[1].any()


def test_where_nobody_is_named_pairs_are_drawn_on_either_side_by_themselves() -> None:
    genuine, impostor = World(0, 0).pairs(np.random.default_rng(0), 50, DRAWS).drawn
    assert genuine.weights.shape == impostor.weights.shape == (50, DRAWS)
    assert not np.array_equal(genuine.weights, impostor.weights)


def test_a_threshold_s_interval_is_that_of_its_rate_carried_over() -> None:
    """Woodruff 1952: the curve's thresholds for the ends of the rate's interval."""
    trial = trial_of()
    measured = Measured.of(trial, "person", (0.1,))
    threshold = measured.point(0.1).threshold
    low, high = spread(trial.impostor, "person", value(threshold)).interval()
    assert low < 0.1 < high
    assert (threshold.low, threshold.high) == (
        measured.impostor.threshold(high),
        measured.impostor.threshold(low),
    )


def test_a_threshold_that_so_few_reach_is_uncertain_up_to_the_top_score() -> None:
    each = np.arange(40)
    impostor = comparisons_of(np.linspace(0.4, 0, 40), each, each, 40)
    trial = Trial(samples_with([(1, 0)], [0], 1, known=False), impostor, impostor, DRAWS)
    threshold = Measured.of(trial, "pair", (0.1,)).bounds(float(impostor.scores[0]))
    assert threshold.high == threshold.value == pytest.approx(0.4)


def test_of_independent_people_a_rate_s_interval_is_nearly_wilson_s() -> None:
    """Everybody has one genuine comparison; the threshold is as good as known, so FNMR is binomial."""
    world = World(alike=0, own=0, apart=3)
    trial = world.all_pairs(np.random.default_rng(5), people=300, pictures=2, draws=400)
    fnmr = Measured.of(trial, "person", (0.01,)).point(0.01).fnmr
    low, high = wilson(value(fnmr), 300)
    assert (fnmr.low, fnmr.high) == pytest.approx((low, high), abs=0.012)


def test_equal_errors_and_areas_of_draws_lie_about_those_of_the_study() -> None:
    measured = Measured.of(trial_of(draws=400), "person")
    assert measured.equal_errors.mean() == pytest.approx(value(measured.equal_error), abs=0.01)
    assert measured.areas.mean() == pytest.approx(value(measured.area), abs=0.003)


def test_people_who_all_fail_alike_are_no_proof_of_a_rate() -> None:
    """Each of twelve has three comparisons, of which one fails: no draw moves that, yet twelve are not many."""
    samples = samples_of([3] * 12)
    genuine = comparisons_of([0.9] * 24 + [-0.9] * 12, *[np.arange(36) % 12] * 2, 12)
    strangers = impostor_pairs(samples)
    fnmr = Measured.of(Trial(samples, genuine, strangers, DRAWS), "person", (0.1,)).misses(0.1, 0.5)[0]
    assert value(fnmr) == pytest.approx(1 / 3)
    assert fnmr.low is not None
    assert fnmr.high is not None
    low, high = wilson(1 / 3, 12)
    assert fnmr.low <= low + 1e-9
    assert fnmr.high >= high - 1e-9


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_trial_of_which_most_is_only_counted_states_nearly_the_same(weighting: Weighting) -> None:
    samples = samples_of([4, 3, 2, 1, 1] * 25, seed=2, exact=False)
    whole = Measured.of(all_pairs(samples, DRAWS), weighting, (0.1, 0.01))
    part = Trial(samples, genuine_pairs(samples), impostor_pairs(samples, hold=1500), DRAWS)
    cut = Measured.of(part, weighting, (0.1, 0.01))
    assert part.impostor.rest is not None
    for rate in (0.1, 0.01):
        one, other = whole.point(rate), cut.point(rate)
        assert value(one.threshold) == pytest.approx(value(other.threshold), abs=2e-4)
        assert value(one.tar) == pytest.approx(value(other.tar), abs=2e-3)
        assert one.threshold.low == pytest.approx(other.threshold.low, abs=0.02)
        assert one.threshold.high == pytest.approx(other.threshold.high, abs=0.02)
    assert value(whole.area) == pytest.approx(value(cut.area), abs=1e-4)
    assert value(whole.equal_error) == pytest.approx(value(cut.equal_error), abs=2e-3)


def test_listed_pairs_are_measured_by_the_pair_where_nobody_is_named() -> None:
    trial = World(0.2, 0.5).pairs(np.random.default_rng(1), 1000, DRAWS)
    by_pair, by_person = (verification(trial, weighting, (0.1, 0.01)) for weighting in ("pair", "person"))
    assert by_pair.points[1].threshold.value == by_person.points[1].threshold.value
    assert value(by_pair.points[1].tar) == pytest.approx(World(0.2, 0.5).tar(0.01), abs=0.06)


def test_one_minus_a_rate() -> None:
    assert complement(Figure(value=0.25, low=0.125, high=0.5)) == Figure(value=0.75, low=0.5, high=0.875)
    refused = Figure(why="too few")
    assert complement(refused) is refused
