"""Calibrations: which rates they state, on what, and how they hold on people they were not made on."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from simulated import World, comparisons_of, every_pair, passing, samples_of

from mien.bundle.calibration import decode_calibration, encode_calibration
from mien.errors import CalibrationError, InputError
from mien.evaluation import calibrate as calibrating
from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.calibrate import Row, calibrate, reliability, thresholds
from mien.evaluation.comparisons import WEIGHTINGS, Comparisons
from mien.evaluation.curves import Curve
from mien.evaluation.fused import against_fused
from mien.evaluation.metrics import Trial
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.resampling import Thinned
from mien.evaluation.samples import Samples
from mien.evaluation.spread import Spread, spread
from mien.evaluation.study import RATES, Weighting
from mien.evaluation.trials import all_pairs, listed_pairs

BUNDLE, ALIGNER = "b" * 64, "a" * 64
CROWD = samples_of([3, 2, 2, 1] * 20, seed=1, exact=False)


def strangers(people: int = 60, pictures: int = 3, seed: int = 1) -> Comparisons:
    """60 people with 3 pictures: 1,770 pairs of people, which show 1e-2, and 15,930 comparisons, which show
    1e-3.
    """
    return World(0.3, 0.5).all_pairs(np.random.default_rng(seed), people, pictures, draws=1).impostor


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_measured_is_what_the_comparisons_support_and_fitted_are_two_decades_more(weighting: Weighting) -> None:
    rows = thresholds(strangers(), weighting)
    measured = {"person": 2, "pair": 3}[weighting]
    assert [row.fmr for row in rows] == [1e-1, 1e-2, 1e-3, 1e-4, 1e-5][: measured + 2]
    assert [row.kind for row in rows] == ["measured"] * measured + ["extrapolated"] * 2


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_measured_row_is_the_curve_s_and_its_interval_carried_over(weighting: Weighting) -> None:
    impostor = strangers()
    curve = Curve.of(impostor, weighting)
    for row in thresholds(impostor, weighting, (1e-1, 1e-2)):
        assert row.similarity == curve.threshold(row.fmr)
        seen = spread(impostor, weighting, row.similarity)
        assert (row.spread.relative, row.spread.errors) == (seen.relative, seen.errors)
        low, high = Spread(row.fmr, seen.relative, seen.errors).interval()
        assert (row.low, row.high) == (curve.threshold(high), curve.threshold(low))


def test_a_fitted_row_s_interval_is_that_of_the_fit() -> None:
    measured, fitted = thresholds(strangers(), "person", (1e-2, 1e-3))
    assert fitted.kind == "extrapolated"
    assert fitted.low < fitted.similarity < fitted.high
    assert fitted.spread.relative > measured.spread.relative


def test_nothing_is_fitted_where_nothing_was_measured() -> None:
    assert thresholds(impostor_pairs(samples_of([1] * 7)), "pair") == []


def test_only_the_rates_that_were_asked_for() -> None:
    assert [row.fmr for row in thresholds(strangers(), "person", (1e-2, 3e-3))] == [1e-2, 3e-3]


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_of_comparisons_that_are_only_counted_the_spread_is_that_of_all(rate: float) -> None:
    whole, part = impostor_pairs(CROWD), impostor_pairs(CROWD, hold=300)
    assert part.rest is not None
    assert part.shares["person"].sum() < rate / 2
    one, other = (thresholds(each, "person", (rate,), Thinned.of(each, CROWD))[0] for each in (whole, part))
    assert one.similarity == pytest.approx(other.similarity, abs=2e-4)
    assert one.spread.relative == pytest.approx(other.spread.relative, rel=0.15)


def calibration_of(samples: Samples, weighting: Weighting = "person") -> tuple[Trial, calibrating.Calibration]:
    trial = all_pairs(samples, draws=10)
    return trial, calibrate(trial, BUNDLE, ALIGNER, "made people", weighting)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_calibration_is_in_order_and_says_what_it_rests_on(weighting: Weighting) -> None:
    trial, made = calibration_of(CROWD, weighting)
    assert (made.bundle, made.aligner, made.data, made.weighting) == (BUNDLE, ALIGNER, "made people", weighting)
    assert made.date == datetime.date.today().isoformat()
    assert (made.people, made.genuine_pairs) == (80, 20 * (3 + 1 + 1))
    assert made.impostor_pairs == trial.impostor.count
    fmrs = [row.fmr for row in made.thresholds]
    assert fmrs == [rate for rate in RATES if rate in fmrs]
    assert [row.similarity for row in made.thresholds] == sorted(row.similarity for row in made.thresholds)
    for row in made.thresholds:
        assert row.low <= row.similarity <= row.high
        assert row.fmr_low < row.fmr < row.fmr_high
    assert list(made.tar) == sorted(made.tar, reverse=True)


def test_a_calibration_comes_back_from_its_file() -> None:
    made = calibration_of(CROWD)[1]
    assert decode_calibration(encode_calibration(made)) == made


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_thresholds_have_six_digits_and_let_no_more_pass_than_they_say(weighting: Weighting) -> None:
    trial, made = calibration_of(CROWD, weighting)
    direct = every_pair(CROWD, same=False)
    for row, exact in zip(made.thresholds, thresholds(trial.impostor, weighting), strict=True):
        assert row.similarity == round(row.similarity, 6)
        assert 0 <= row.similarity - exact.similarity < 1e-6
        if row.kind == "measured":
            assert passing(direct, weighting, row.similarity) <= row.fmr + 1e-9


def test_the_prediction_interval_is_for_as_many_other_people() -> None:
    trial, made = calibration_of(CROWD)
    for row, exact in zip(made.thresholds, thresholds(trial.impostor, "person"), strict=True):
        assert (row.fmr_low, row.fmr_high) == pytest.approx(exact.spread.interval(others=1.0), rel=6e-3)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_tar_is_that_of_the_threshold_which_is_stated(weighting: Weighting) -> None:
    trial, made = calibration_of(CROWD, weighting)
    genuine = Curve.of(trial.enrolled, weighting)
    for row, tar in zip(made.thresholds, made.tar, strict=True):
        assert tar == pytest.approx(float(genuine.rate(row.similarity)), abs=1e-6)


def test_who_ties_with_the_threshold_before_rounding_is_refused_by_it_afterwards() -> None:
    trial = World(0.3, 0.5).all_pairs(np.random.default_rng(1), people=60, pictures=3, draws=10)
    level = Curve.of(trial.impostor, "person").threshold(1e-2)
    assert level is not None
    assert level != round(level, 6)
    each = np.arange(60)
    tied = replace(trial, genuine=comparisons_of([level] * 60, each, each, 60))
    made = calibrate(tied, BUNDLE, ALIGNER, "made people")
    assert (made.thresholds[1].fmr, made.thresholds[1].similarity > level) == (1e-2, True)
    assert made.tar[:3] == (1, 0, 0)


def test_the_method_is_told() -> None:
    by_person, by_pair = (calibration_of(CROWD, weighting)[1].method for weighting in WEIGHTINGS)
    assert "averaged per pair of people" in by_person
    assert "over all pairs of pictures" in by_pair
    assert "extrapolated by a generalised Pareto fit" in by_person


def test_where_nobody_is_named_every_pair_counts_alike() -> None:
    """300 genuine pairs, and as many of strangers: just what 1e-2 wants."""
    samples = samples_of((2,) * 301, exact=False, known=False)
    own = np.argsort(samples.subjects, kind="stable").astype(np.int32).reshape(301, 2)
    first, second = np.concatenate([own[:300], np.stack([own[:300, 0], own[1:, 0]], axis=1)]).T
    same = np.repeat([True, False], 300)
    pairs = PairList(samples.names, None, first, second, same, np.zeros(600, np.int32))
    made = calibrate(listed_pairs(samples, pairs), BUNDLE, ALIGNER, "pairs", "person")
    assert (made.weighting, made.genuine_pairs, made.impostor_pairs) == ("pair", 300, 300)
    assert [(row.fmr, row.kind) for row in made.thresholds[:2]] == [(1e-1, "measured"), (1e-2, "measured")]


@pytest.mark.parametrize("people", [2, 8])
def test_too_few_strangers_are_refused_and_it_is_said_how_many_are_wanted(people: int) -> None:
    trial = all_pairs(samples_of([1] * people), draws=10)
    with pytest.raises(CalibrationError, match=r"made: too few strangers.*FMR 1e-2 needs 300 .*worth"):
        calibrate(trial, BUNDLE, ALIGNER, "made")


@pytest.mark.parametrize(("bundle", "aligner"), [("", ALIGNER), (BUNDLE, ""), ("", "")])
def test_vectors_of_an_unknown_model_cannot_be_calibrated(bundle: str, aligner: str) -> None:
    with pytest.raises(CalibrationError, match="do not name the bundle and aligner"):
        calibrate(all_pairs(CROWD, draws=10), bundle, aligner, "made")


def row_of(fmr: float, similarity: float) -> Row:
    return Row(fmr, similarity, similarity, similarity, "measured", Spread(fmr, 0.1, 20))


def test_rows_whose_threshold_does_not_rise_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit may begin below the last threshold that was measured."""
    rows = [row_of(1e-1, 0.2), row_of(1e-2, 0.3), row_of(1e-3, 0.29), row_of(1e-4, 0.5)]
    monkeypatch.setattr(calibrating, "thresholds", lambda *_, **__: rows)
    made = calibrate(all_pairs(samples_of([2] * 40), draws=10), BUNDLE, ALIGNER, "made", "pair")
    assert [row.fmr for row in made.thresholds] == [1e-1, 1e-2]


@pytest.mark.parametrize("similarity", [0.1234567, -0.1234567, 0.5, 1.0000001, -1.0])
def test_similarities_are_rounded_up_and_end_at_1(similarity: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row_of(1e-1, similarity), row_of(1e-2, similarity)]
    monkeypatch.setattr(calibrating, "thresholds", lambda *_, **__: rows)
    made = calibrate(all_pairs(samples_of([2] * 40), draws=10), BUNDLE, ALIGNER, "made", "pair")
    rounded = {0.1234567: 0.123457, -0.1234567: -0.123456, 1.0000001: 1.0}.get(similarity, similarity)
    assert [row.similarity for row in made.thresholds] == [rounded] * 2


def split_anew(
    samples: Samples, weighting: Weighting, rate: float, splits: int, part: float
) -> list[tuple[float, float, float]]:
    """Of every split the rate that the others showed, and the bounds stated: from the pictures anew."""
    rng, seen = np.random.default_rng(0), []
    people = np.unique(samples.subjects[samples.enrolled])
    for _ in range(splits):
        drawn = rng.permutation(people)
        cut = round(part * len(drawn))
        one, other = (samples.subset(np.isin(samples.subjects, each)) for each in (drawn[:cut], drawn[cut:]))
        row = thresholds(impostor_pairs(one), weighting, (rate,))[0]
        shown = float(Curve.of(impostor_pairs(other), weighting).rate(row.similarity))
        seen.append((shown, *row.spread.interval(cut / (len(drawn) - cut))))
    return seen


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("part", [0.5, 0.7])
def test_splits_are_calibrated_and_checked_as_studies_of_their_own(weighting: Weighting, part: float) -> None:
    samples = samples_of([3, 2, 2, 1] * 12, failed=[0, 9], seed=2, exact=False)
    [found] = reliability(impostor_pairs(samples), weighting, (0.05,), splits=12, part=part)
    seen = split_anew(samples, weighting, 0.05, 12, part)
    assert (found.fmr, found.splits, found.kind) == (0.05, 12, "measured")
    rates = [rate for rate, _, _ in seen]
    assert found.observed.value == pytest.approx(np.median(rates))
    assert (found.observed.low, found.observed.high) == pytest.approx(tuple(np.percentile(rates, [2.5, 97.5])))
    assert found.stated == pytest.approx((np.median([s[1] for s in seen]), np.median([s[2] for s in seen])))
    assert found.within == pytest.approx(np.mean([low <= rate <= high for rate, low, high in seen]))


def test_what_was_fitted_in_one_split_is_called_extrapolated() -> None:
    found = reliability(strangers(people=80), "person", (1e-2, 1e-3, 1e-4), splits=5, part=0.4)
    assert [each.fmr for each in found] == [1e-2, 1e-3, 1e-4]
    assert [each.kind for each in found] == ["measured", "extrapolated", "extrapolated"]
    assert {each.splits for each in found} == {5}


def test_rates_that_no_split_supports_are_left_out() -> None:
    assert reliability(impostor_pairs(samples_of([1] * 12)), "person", (1e-2, 1e-3), splits=3) == []


@pytest.mark.parametrize("people", [2, 3])
def test_of_so_few_people_nothing_can_be_split(people: int) -> None:
    assert reliability(impostor_pairs(samples_of([2] * people)), "person", (0.1,), splits=3) == []


def test_without_rates_or_splits_there_is_nothing_to_say() -> None:
    assert reliability(strangers(), "person", ()) == []
    assert reliability(strangers(), "person", (0.01,), splits=0) == []


def test_the_seed_chooses_the_splits() -> None:
    impostor = strangers()
    one, same, other = (reliability(impostor, "person", (0.01,), splits=4, seed=seed) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(("weighting", "rates"), [("person", (1e-2, 1e-3)), ("pair", (1e-2,))])
def test_stated_intervals_hold_on_the_other_half(weighting: Weighting, rates: Sequence[float]) -> None:
    """The full-size proof is in tests/long: here people come from a world in which all are of one kind."""
    found = reliability(strangers(people=120, seed=3), weighting, rates, splits=60)
    assert [each.fmr for each in found] == list(rates)
    assert min(each.within for each in found) >= 0.85


def test_thresholds_rise_as_rates_fall() -> None:
    rows = thresholds(strangers(), "person", np.geomspace(0.3, 1e-3, 20).tolist())
    assert all(a.similarity <= b.similarity for a, b in pairwise(rows))


def test_where_all_strangers_tie_the_threshold_is_just_above_them() -> None:
    each = np.arange(1000)
    rows = thresholds(comparisons_of([0.5] * 1000, each, each, 1000), "pair", (0.1,))
    assert rows[0].similarity == math.nextafter(0.5, 2)


@pytest.mark.parametrize("part", [0.0, 1.0, -0.5, float("nan")])
def test_a_part_that_leaves_nobody_on_one_side_is_refused(part: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        reliability(strangers(), "person", (1e-2,), part=part)


SEVERAL = samples_of([4] * 60 + [1] * 60, seed=4, exact=False)


def test_what_fusing_does_is_measured_on_the_same_people_with_one_template_and_with_several() -> None:
    trial, made = calibration_of(SEVERAL)
    assert [(each.templates, each.people) for each in made.fused] == [(2, 60), (3, 60)]
    for each, against in zip(made.fused, against_fused(trial.samples), strict=True):
        rows = thresholds(against.fused, "person", [row.fmr for row in each.thresholds])
        assert [row.fmr for row in each.thresholds] == [1e-1, 1e-2, 1e-3]  # 60 people's 5,370 pairs show 1e-3
        assert {row.kind for row in each.thresholds} == {"measured"}
        alone = Curve.of(against.alone, "person")
        for row, level, exact in zip(each.thresholds, each.alone, rows, strict=True):
            assert 0 <= row.similarity - exact.similarity < 1e-6
            assert level == pytest.approx(alone.threshold(row.fmr), abs=1e-6)
            assert row.fmr_low < row.fmr < row.fmr_high


def test_strangers_reach_people_of_several_templates_more_easily() -> None:
    """A mean has less noise, and is longer along what all people have in common: in this world, nothing."""
    common = np.concatenate([np.ones((len(SEVERAL), 1)), SEVERAL.vectors], axis=1) / np.sqrt(2)
    made = calibration_of(replace(SEVERAL, vectors=common))[1]
    gains = [each.thresholds[1].similarity - each.alone[1] for each in made.fused]
    assert 0 < gains[0] < gains[1]


def test_searches_are_of_one_template_up_to_everybody_and_of_several_up_to_half() -> None:
    made = calibration_of(SEVERAL)[1]
    assert [(row.people, row.templates, row.fpir) for row in made.searches] == [
        (10, 1, 0.1),
        (30, 1, 0.1),
        (100, 1, 0.1),
        (119, 1, 0.1),
        (10, 3, 0.1),
        (30, 3, 0.1),
        (60, 3, 0.1),
    ]
    assert all(row.fpir_low is not None for row in made.searches if row.templates == 1)


def test_of_a_list_of_pairs_all_pairs_of_its_pictures_are_searched() -> None:
    """Its own pairs are a few chosen ones, and say nothing of searches."""
    trial = all_pairs(SEVERAL, draws=10)
    few = np.arange(len(trial.impostor)) % 3 == 0
    c = trial.impostor
    part = comparisons_of(c.scores[few], c.first[few], c.second[few], c.people)
    assert calibrating.searches(replace(trial, impostor=part)) == calibrating.searches(trial)


def test_where_nobody_is_named_nothing_is_searched_or_fused() -> None:
    samples = samples_of([2] * 400, exact=False, known=False)
    numbers = np.arange(800, dtype=np.int32)
    same = numbers % 2 == 0
    pairs = PairList(samples.names, None, numbers, np.roll(numbers, 1), same, np.zeros(800, np.int32))
    made = calibrate(listed_pairs(samples, pairs), BUNDLE, ALIGNER, "pairs", "person")
    assert (made.searches, made.fused) == ((), ())
