"""A whole study of people whom nobody photographed, and each of its parts by hand."""

from __future__ import annotations

import datetime
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import pytest
from simulated import Pair, every_pair, samples_of, samples_with

from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.comparisons import genuine_pairs
from mien.evaluation.intervals import wilson
from mien.evaluation.kept import Kept, encode_study
from mien.evaluation.measure import BARS, HARDEST, OFTEN, About, failures, hardest, histogram, measure
from mien.evaluation.metrics import Trial, verification
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Samples
from mien.evaluation.study import Identification, Missed, Study, System
from mien.evaluation.trials import all_pairs, listed_pairs

SYSTEM = System(name="made", bundle="b" * 64, aligner="a" * 64)
ABOUT = About("folder", "made people", SYSTEM, command="mien evaluate", face="only", notes=("one", "two"))
COUNTS = [3, 2, 2, 1] * 10
MISSED = (Missed(picture="a", why="no face found"), Missed(picture="b", why="damaged"))


def crowd() -> Samples:
    samples = samples_of(COUNTS, failed=[4, 11], seed=1, exact=False)
    ages = tuple("old" if subject % 2 else "young" for subject in samples.subjects.tolist())
    return replace(
        samples, missed=MISSED, several=3, bundle=SYSTEM.bundle, aligner=SYSTEM.aligner, groups={"age": ages}
    )


@pytest.fixture(scope="module")
def study() -> Study:
    about = replace(ABOUT, embedded=50, cached=30, embed_seconds=1.239)
    return measure(all_pairs(crowd(), draws=100), about)


def test_a_study_says_what_was_measured_and_how(study: Study) -> None:
    assert (study.protocol, study.data, study.system) == ("folder", "made people", SYSTEM)
    assert (study.command, study.face, study.notes) == ("mien evaluate", "only", ("one", "two"))
    assert (study.date, study.version) == (datetime.date.today().isoformat(), version("mien"))
    assert (study.speed.embedded, study.speed.cached, study.speed.embed_seconds) == (50, 30, 1.24)
    assert study.speed.measure_seconds > 0
    assert study.speed.peak_mb > 0


def test_a_study_counts(study: Study) -> None:
    samples = crowd()
    assert (study.pictures, study.people, study.several_faces) == (80, 40, 3)
    assert study.genuine_pairs == 10 * (3 + 1 + 1)
    assert study.impostor_pairs == len(every_pair(samples, same=False))
    assert study.missed == MISSED
    assert study.failure_to_enrol.value == 2 / 80


def test_a_study_of_known_people_averages_in_both_ways_and_has_every_part(study: Study) -> None:
    assert [table.weighting for table in study.verification] == ["person", "pair"]
    trial = all_pairs(crowd(), draws=100)
    assert study.verification[0] == verification(trial, "person")
    assert {(each.column, each.fmr) for each in study.groups} == {("age", 1e-2)}
    assert study.reliability == ()  # half of 40 people make 190 pairs of people, and 1e-2 wants 300
    assert study.accuracy is None
    assert study.identification is None


def listed(samples: Samples) -> PairList:
    """Every genuine pair and as many of strangers, dealt to two folds."""
    genuine, impostor = genuine_pairs(samples), impostor_pairs(samples)
    k = len(genuine)
    return PairList(
        samples.names,
        None,
        np.concatenate([genuine.left, impostor.left[:k]]),
        np.concatenate([genuine.right, impostor.right[:k]]),
        np.repeat([True, False], k),
        np.arange(2 * k, dtype=np.int32) % 2,
    )


def test_a_list_has_an_accuracy_and_no_reliability() -> None:
    samples = crowd()
    pairs = listed(samples)
    found = measure(listed_pairs(samples, pairs, draws=20), ABOUT, pairs=pairs)
    assert found.accuracy is not None
    assert len(found.accuracy.folds) == 2
    assert found.reliability == ()
    assert found.people == 40
    assert (found.genuine_pairs, found.impostor_pairs) == (50, 50)


def test_where_nobody_is_named_there_are_no_people() -> None:
    samples = replace(crowd(), known=False, groups={})
    pairs = listed(samples)
    found = measure(listed_pairs(samples, pairs, draws=20), ABOUT, pairs=pairs)
    assert found.people == 0
    assert [table.weighting for table in found.verification] == ["pair"]
    assert {pair.people for pair in (*found.hard_genuine, *found.hard_impostor)} == {("", "")}


def test_an_identification_is_taken_along() -> None:
    given = Identification(splits=1, gallery=2, mated=3, unmated=4, fusion="max", ranks=(), fnirs=())
    found = measure(all_pairs(samples_of([2] * 8), draws=10), ABOUT, identification=given)
    assert found.identification is given


def test_a_study_that_is_kept_comes_back_as_it_was(study: Study, tmp_path: Path) -> None:
    assert msgspec.json.decode(encode_study(study), type=Study) == study
    Kept(study, crowd()).save(tmp_path)
    assert Kept.load(tmp_path).study == study


def test_every_number_of_a_study_is_finite(study: Study) -> None:
    assert_finite(msgspec.to_builtins(study))


def assert_finite(value: object) -> None:
    if isinstance(value, float):
        assert np.isfinite(value)
    elif isinstance(value, dict):
        assert_finite(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            assert_finite(each)


def test_failures_to_enrol_are_clustered_by_person() -> None:
    # Four people with two pictures; both of one person's failed. The rate is 1/4; the person moves it by
    # (2 − 1/2)/8, the others by −(1/2)/8 each: a variance of (9/4 + 3/4)/64 = 3/64, so 4 trials with one error.
    samples = samples_of([2] * 4)
    failed = np.flatnonzero(samples.subjects == 2).tolist()
    figure = failures(samples_with(samples.vectors, samples.subjects, 4, failed=failed))
    assert figure.value == 1 / 4
    low, high = wilson(1 / 4, 4)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < low < high < figure.high  # wider, as one error is little to know a variance from


def test_without_failures_the_people_are_the_trials() -> None:
    figure = failures(samples_of([5, 5, 5]))
    assert (figure.value, figure.low, figure.high) == (0, *wilson(0, 3))


def test_where_everything_failed_everything_failed() -> None:
    samples = samples_of([2, 2], failed=range(4))
    figure = failures(samples)
    assert (figure.value, figure.low, figure.high) == (1, *wilson(1, 2))


def test_failures_of_no_pictures() -> None:
    assert failures(samples_of([])).value == 0


@pytest.mark.parametrize("hold", [10**6, 200], ids=["all-held", "counted-below"])
def test_a_histogram_counts_every_comparison_once(hold: int) -> None:
    samples = crowd()
    shown = histogram(Trial(samples, genuine_pairs(samples), impostor_pairs(samples, hold=hold), draws=2))
    assert len(shown.edges) == BARS + 1
    assert np.diff(shown.edges) == pytest.approx([shown.edges[1] - shown.edges[0]] * BARS)
    for shares in (shown.genuine, shown.impostor):
        assert len(shares) == BARS
        assert min(shares) >= 0
        assert sum(shares) == pytest.approx(1, abs=1e-12)


def test_a_histogram_is_numpy_s() -> None:
    samples = crowd()
    trial = all_pairs(samples, draws=2)
    shown = histogram(trial)
    for shares, comparisons in ((shown.genuine, trial.enrolled), (shown.impostor, trial.impostor)):
        counts = np.histogram(comparisons.scores.astype(np.float64), shown.edges)[0]
        assert shares == pytest.approx(tuple(counts / counts.sum()), abs=1e-12)


@pytest.mark.parametrize("hold", [10**6, 200], ids=["all-held", "counted-below"])
def test_a_histogram_spans_what_was_seen(hold: int) -> None:
    samples = crowd()
    trial = Trial(samples, genuine_pairs(samples), impostor_pairs(samples, hold=hold), draws=2)
    scores = [pair.score for same in (True, False) for pair in every_pair(samples, same=same)]
    seen = [score for score in scores if np.isfinite(score)]
    shown = histogram(trial)
    assert (shown.edges[0], shown.edges[-1]) == pytest.approx((min(seen), max(seen)), abs=2e-4)


def test_a_histogram_of_strangers_only() -> None:
    shown = histogram(all_pairs(samples_of([1] * 6), draws=2))
    assert sum(shown.genuine) == 0
    assert sum(shown.impostor) == pytest.approx(1)


def test_a_histogram_of_one_score_only() -> None:
    shown = histogram(all_pairs(samples_with([(1, 0)] * 4, [0, 0, 1, 1], 2), draws=2))
    assert sum(shown.impostor) == pytest.approx(1)
    assert sum(shown.genuine) == pytest.approx(1)


@pytest.mark.parametrize("same", [True, False], ids=["genuine", "impostor"])
def test_the_hardest_pairs_are_the_likest_strangers_and_the_least_like_of_one_person(same: bool) -> None:
    samples = crowd()
    comparisons = genuine_pairs(samples).without_failed() if same else impostor_pairs(samples)
    found = hardest(samples, comparisons, best=not same)
    worst = worst_by_hand(samples, same)
    assert [{pair.first, pair.second} for pair in found] == [
        {samples.names[each.left], samples.names[each.right]} for each in worst
    ]
    assert [pair.similarity for pair in found] == pytest.approx([pair.score for pair in worst], abs=1e-6)
    for pair in found:  # a picture's name begins with its person's
        assert tuple(name.split("/")[0] for name in (pair.first, pair.second)) == pair.people


def worst_by_hand(samples: Samples, same: bool) -> list[Pair]:
    """The first twelve, passing over those with a picture that stands twice among them."""
    pairs = [pair for pair in every_pair(samples, same=same) if np.isfinite(pair.score)]
    chosen: list[Pair] = []
    for pair in sorted(pairs, key=lambda pair: pair.score if same else -pair.score):
        before = [number for each in chosen for number in (each.left, each.right)]
        if len(chosen) < HARDEST and max(before.count(pair.left), before.count(pair.right)) < OFTEN:
            chosen.append(pair)
    return chosen


def test_one_bad_picture_does_not_fill_the_page() -> None:
    # Strangers are at right angles, but for one who is between them all.
    vectors = [*np.eye(20), np.full(20, 20**-0.5)]
    samples = samples_with(vectors, np.arange(21), 21)
    found = hardest(samples, impostor_pairs(samples), best=True)
    assert len(found) == HARDEST
    assert [pair.similarity > 0.1 for pair in found] == [True] * OFTEN + [False] * (HARDEST - OFTEN)


def test_of_fewer_pairs_all_are_shown() -> None:
    samples = samples_of([2, 1])
    assert len(hardest(samples, genuine_pairs(samples), best=False)) == 1
    assert len(hardest(samples, impostor_pairs(samples), best=True)) == 2
    assert hardest(samples_of([1, 1]), genuine_pairs(samples_of([1, 1])), best=False) == ()
