"""Comparisons: a dozen pictures worked out on paper, and parts of a set against that part compared anew.

On paper: A has the vectors e1, e1, a; B has e2, a and a picture that was not enrolled; C has e1; D has e2 three
times, a and e1. a = (0.6, 0.8), so e1·e2 = 0, e1·a = 0.6, e2·a = 0.8, and anything with itself is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from simulated import comparisons_of, every_pair, samples_of, samples_with

from mien.errors import InputError
from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.comparisons import (
    FAILED,
    WEIGHTINGS,
    Comparisons,
    genuine_pairs,
    listed,
    pair_scores,
    pairs_of,
    present,
)
from mien.evaluation.curves import Curve
from mien.evaluation.samples import Samples

E1, E2, A = (1, 0), (0, 1), (0.6, 0.8)
PAPER = samples_with(
    [E1, E1, A, E2, A, E1, E1, E2, E2, E2, A, E1], [0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 3, 3], 4, failed=[5]
)
THRESHOLDS = (1, 0.8, 0.6, 0)
# Of A×B 6 comparisons, A×C 3, A×D 15, B×C 2, B×D 10, C×D 5: how many reach 1, 0.8, 0.6, 0.
IMPOSTORS = {
    6: (1, 2, 4, 6),
    3: (2, 2, 3, 3),
    15: (3, 6, 9, 15),
    2: (0, 0, 1, 2),
    10: (4, 8, 9, 10),
    5: (1, 1, 2, 5),
}
# Of A 3, D 10, and B 1 that was enrolled, and 2 more with the picture that was not.
GENUINE = {3: (1, 1, 3, 3), 10: (3, 6, 7, 10), 1: (0, 1, 1, 1)}


def shares_at(counts: dict[int, tuple[int, ...]], place: int) -> dict[str, Fraction]:
    """The share at a threshold where people count alike, and where comparisons do."""
    by_person = sum(Fraction(reached[place], of) for of, reached in counts.items()) / len(counts)
    return {
        "person": Fraction(by_person),
        "pair": Fraction(sum(c[place] for c in counts.values()), sum(counts)),
    }


def rate_of(comparisons: Comparisons, weighting: str, threshold: float) -> float:
    return float(comparisons.shares[weighting][comparisons.scores >= np.float32(threshold)].sum())


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_dozen_pictures_on_paper(place: int, weighting: str) -> None:
    threshold = THRESHOLDS[place]
    for comparisons, counts in (
        (impostor_pairs(PAPER), IMPOSTORS),
        (genuine_pairs(PAPER).without_failed(), GENUINE),
    ):
        assert comparisons.count == sum(counts)
        rate = rate_of(comparisons, weighting, threshold)
        assert rate == pytest.approx(float(shares_at(counts, place)[weighting]), abs=1e-12)


def test_a_picture_that_was_not_enrolled_fails_its_comparisons_and_keeps_its_weight() -> None:
    genuine = genuine_pairs(PAPER)
    assert genuine.count == 16
    assert np.isneginf(genuine.scores).tolist() == [False] * 14 + [True] * 2
    assert set(genuine.first[-2:]) == {1}
    # One of B's three pairs reaches 0.8; so do 1 of A's 3 and 6 of D's 10.
    assert rate_of(genuine, "person", 0.8) == pytest.approx((1 / 3 + 1 / 3 + 6 / 10) / 3)
    assert rate_of(genuine, "pair", 0.8) == pytest.approx(8 / 16)


def test_without_failures_the_rest_counts_anew() -> None:
    genuine = genuine_pairs(PAPER).without_failed()
    assert (len(genuine), genuine.count) == (14, 14)
    assert genuine.shares["person"].sum() == pytest.approx(1)
    assert genuine.shares["pair"].tolist() == pytest.approx([1 / 14] * 14)


def test_without_failures_nothing_changes_where_none_failed() -> None:
    genuine = genuine_pairs(samples_of([3, 2]))
    assert genuine.without_failed() is genuine


@pytest.mark.parametrize("counts", [(3, 1, 2, 5, 1), (1,) * 9, (6,), (2, 2), ()])
@pytest.mark.parametrize("failed", [(), (0,)], ids=["all-enrolled", "one-not"])
def test_genuine_pairs_are_every_two_pictures_of_one_person(
    counts: Sequence[int], failed: Sequence[int]
) -> None:
    samples = samples_of(counts, failed=failed[: len(counts)])
    direct, genuine = every_pair(samples, same=True), genuine_pairs(samples)
    found = zip(genuine.left.tolist(), genuine.right.tolist(), genuine.scores.tolist(), strict=True)
    assert sorted((*sorted((a, b)), score) for a, b, score in found) == [
        (p.left, p.right, p.score) for p in direct
    ]
    by_pictures = {frozenset((p.left, p.right)): p for p in direct}
    for i, both in enumerate(zip(genuine.left.tolist(), genuine.right.tolist(), strict=True)):
        pair = by_pictures[frozenset(both)]
        assert (genuine.shares["person"][i], genuine.shares["pair"][i]) == pytest.approx(
            (pair.person, pair.pair)
        )


def test_scores_come_in_blocks_and_end_at_1() -> None:
    samples = samples_with([(0.6, 0.8), (0.6, 0.8), (1, 0), (0, 0)], [0, 0, 1, 1], 2, failed=[3])
    left, right = (np.array(each, np.int32) for each in ([0, 0, 2, 1], [1, 2, 3, 2]))
    expected = np.array([1, 0.6, FAILED, 0.6], np.float32)
    for block in (1, 3, 100):
        assert np.array_equal(pair_scores(samples, left, right, block), expected)


def test_listed_pairs_of_known_people_count_by_pair_of_people() -> None:
    # A with B twice, B with A once more (the same two people), A with D once.
    left, right = np.array([0, 1, 3, 2], np.int32), np.array([3, 4, 2, 10], np.int32)
    pairs = listed(PAPER, left, right)
    order = [[0, 1, 3, 2].index(i) for i in pairs.left.tolist()]
    assert pairs.scores.tolist() == np.float32([1, 0.8, 0.6, 0]).tolist()
    assert pairs.shares["person"].tolist() == pytest.approx([[1 / 6, 1 / 6, 1 / 6, 1 / 2][i] for i in order])
    assert pairs.shares["pair"].tolist() == [1 / 4] * 4
    assert (pairs.people, pairs.count, pairs.sizes) == (4, 4, None)


def test_where_nobody_is_named_every_pair_is_somebody_of_its_own() -> None:
    unknown = replace(PAPER, known=False)
    pairs = listed(unknown, np.array([0, 1, 3], np.int32), np.array([3, 4, 2], np.int32))
    assert np.array_equal(pairs.first, pairs.second)
    assert sorted(pairs.first.tolist()) == [0, 1, 2]
    assert pairs.people == 3
    assert pairs.shares["person"].tolist() == pairs.shares["pair"].tolist() == pytest.approx([1 / 3] * 3)


def test_of_unknown_pairs_that_failed_the_rest_counts_anew() -> None:
    unknown = replace(PAPER, known=False)
    pairs = listed(unknown, np.array([0, 5, 3], np.int32), np.array([3, 4, 2], np.int32)).without_failed()
    assert (len(pairs), pairs.count) == (2, 2)
    assert pairs.shares["person"].tolist() == [1 / 2] * 2


def test_no_pairs_at_all() -> None:
    none = np.empty(0, np.int32)
    for samples in (PAPER, replace(PAPER, known=False)):
        assert (len(listed(samples, none, none)), listed(samples, none, none).count) == (0, 0)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="columns of one length"):
        replace(impostor_pairs(PAPER), left=np.zeros(3, np.int32))


@pytest.mark.parametrize("scores", [[0.1, 0.2], [np.nan, 0.2], [0.2, np.nan]])
def test_scores_must_fall(scores: list[float]) -> None:
    good = comparisons_of([0.3, 0.2], [0, 0], [1, 2], 3)
    with pytest.raises(InputError, match="scores must fall"):
        replace(good, scores=np.array(scores, np.float32))


def test_pairs_of_people_by_hand() -> None:
    assert pairs_of(np.array([1.0, 1, 1, 1])) == 6
    assert pairs_of(np.array([3.0, 2, 1, 5])) == 3 * 2 + 3 * 1 + 3 * 5 + 2 * 1 + 2 * 5 + 1 * 5
    assert pairs_of(np.array([4.0])) == pairs_of(np.empty(0)) == 0


@pytest.mark.parametrize("kind", ["all pairs", "a list"])
def test_who_takes_part(kind: str) -> None:
    samples = samples_with([E1, E2, A, E1, E2], [0, 1, 1, 2, 4], 6, failed=[3])
    if kind == "all pairs":
        comparisons = impostor_pairs(samples)
    else:
        comparisons = listed(samples, np.array([0, 1], np.int32), np.array([1, 4], np.int32))
    assert present(comparisons).tolist() == [True, True, False, False, True, False]


CHOSEN = [(0, 1, 2, 3, 4, 5), (0, 2, 3), (1, 4), (5, 3, 0, 1)]


def part_of(samples: Samples, people: Sequence[int]) -> Samples:
    return samples.subset(np.isin(samples.subjects, people))


def mask(people: Sequence[int], of: int) -> np.ndarray:
    return np.isin(np.arange(of), people)


@pytest.mark.parametrize("people", CHOSEN)
def test_among_some_people_it_is_as_if_there_were_no_others(people: Sequence[int]) -> None:
    samples = samples_of([3, 1, 2, 5, 1, 4], failed=[2])
    among = impostor_pairs(samples).among(mask(people, 6))
    anew = impostor_pairs(part_of(samples, people))
    require_equal(among, anew)
    assert among.sizes is not None
    assert anew.sizes is not None
    assert all(np.array_equal(among.sizes[each], anew.sizes[each]) for each in WEIGHTINGS)


@pytest.mark.parametrize("people", CHOSEN)
def test_among_the_people_of_a_list_it_is_as_if_there_were_no_others(people: Sequence[int]) -> None:
    samples = samples_of([3, 1, 2, 5, 1, 4], failed=[2])
    left, right = (part.astype(np.int32) for part in np.triu_indices(len(samples), 1))
    apart = samples.subjects[left] != samples.subjects[right]
    kept = np.isin(samples.subjects[left], people) & np.isin(samples.subjects[right], people) & apart
    among = listed(samples, left[apart], right[apart]).among(mask(people, 6))
    require_equal(among, listed(samples, left[kept], right[kept]))


def require_equal(one: Comparisons, other: Comparisons) -> None:
    assert np.array_equal(one.scores, other.scores)
    assert (one.count, one.people) == (other.count, other.people)
    for weighting in WEIGHTINGS:
        assert np.sort(one.shares[weighting]) == pytest.approx(np.sort(other.shares[weighting]), rel=1e-12)
        rates = (Curve.of(each, weighting).rate(other.scores) for each in (one, other))
        assert next(rates) == pytest.approx(next(rates), abs=1e-12)


@pytest.mark.parametrize("people", [(), (2,)], ids=["nobody", "one-person"])
@pytest.mark.parametrize("kind", ["all pairs", "a list"])
def test_among_fewer_than_two_people_there_is_no_pair(people: Sequence[int], kind: str) -> None:
    samples = samples_of([3, 1, 2])
    strangers = impostor_pairs(samples)
    whole = strangers if kind == "all pairs" else listed(samples, strangers.left, strangers.right)
    none = whole.among(mask(people, 3))
    assert (len(none), none.count) == (0, 0)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_the_best_reach_the_share_in_both_weightings_and_no_further_than_they_must(share: float) -> None:
    whole = impostor_pairs(samples_of([3, 1, 2, 5, 1, 4, 2]))
    best = whole.best(share)
    k = len(best)
    assert np.array_equal(best.scores, whole.scores[:k])
    assert min(best.shares[each].sum() for each in WEIGHTINGS) >= share - 1e-12
    assert k == 1 or min(best.shares[each][:-1].sum() for each in WEIGHTINGS) < share + 1e-12
    for weighting in WEIGHTINGS:  # still parts of all
        assert np.array_equal(best.shares[weighting], whole.shares[weighting][:k])
    assert best.count == whole.count


@pytest.mark.parametrize("people", CHOSEN)
def test_the_best_among_some_people_have_the_rates_of_all_among_them(people: Sequence[int]) -> None:
    samples = samples_of([3, 1, 2, 5, 1, 4], seed=4)
    best = impostor_pairs(samples).best(0.4).among(mask(people, 6))
    anew = impostor_pairs(part_of(samples, people))
    assert best.count == anew.count
    for weighting in WEIGHTINGS:
        held = np.unique(best.scores)[1:]  # the last of them may have been cut off amid others with its score
        rates = (Curve.of(each, weighting).rate(held) for each in (best, anew))
        assert next(rates) == pytest.approx(next(rates), abs=1e-12)


def test_the_best_of_a_list_among_some_people_have_the_rates_of_all_among_them() -> None:
    samples = samples_of([3, 1, 2, 5, 1, 4], seed=4)
    strangers = impostor_pairs(samples)
    whole = listed(samples, strangers.left, strangers.right)
    everybody = np.ones(6, np.bool_)
    level = float(whole.scores[5])
    rates = (Curve.of(each, "pair").rate(level) for each in (whole.best(0.4).among(everybody), whole))
    assert float(next(rates)) == pytest.approx(float(next(rates)))
