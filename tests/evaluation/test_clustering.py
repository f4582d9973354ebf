"""B-cubed and pairwise F, held against counting every face and every pair by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.evaluation.clustering import Cells, bcubed_difference, measure_clustering
from mien.evaluation.study import Figure

Grouped = list[tuple[int, int]]
faces = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 4)), min_size=1, max_size=25)


def f_of(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def together(pairs: Grouped, i: int, j: int) -> bool:
    """Whether two faces are in one group; below 0 a face is alone."""
    return i == j or (pairs[i][0] == pairs[j][0] >= 0)


def by_every_face(pairs: Grouped) -> tuple[float, float, float]:
    """B-cubed as its definition reads: an average over faces, each with all others."""
    n = range(len(pairs))
    precisions, recalls = [], []
    for i in n:
        group = [j for j in n if together(pairs, i, j)]
        person = [j for j in n if pairs[i][1] == pairs[j][1]]
        both = len(set(group) & set(person))
        precisions.append(both / len(group))
        recalls.append(both / len(person))
    precision, recall = float(np.mean(precisions)), float(np.mean(recalls))
    return precision, recall, f_of(precision, recall)


def by_every_pair(pairs: Grouped) -> tuple[int, int, int]:
    """Pairs put together rightly, put together, of one person."""
    every = list(combinations(range(len(pairs)), 2))
    grouped = [(i, j) for i, j in every if together(pairs, i, j)]
    genuine = [(i, j) for i, j in every if pairs[i][1] == pairs[j][1]]
    return len(set(grouped) & set(genuine)), len(grouped), len(genuine)


@given(faces)
def test_bcubed_is_what_its_definition_says(pairs: Grouped) -> None:
    found = measure_clustering(*np.array(pairs).T, draws=2).bcubed
    wanted = by_every_face(pairs)
    assert (found.precision.value, found.recall.value, found.f.value) == pytest.approx(wanted)


@given(faces)
def test_pairwise_counts_every_pair(pairs: Grouped) -> None:
    found = measure_clustering(*np.array(pairs).T, draws=2).pairwise
    right, grouped, genuine = by_every_pair(pairs)
    assert found.precision.value == (pytest.approx(right / grouped) if grouped else None)
    assert found.recall.value == (pytest.approx(right / genuine) if genuine else None)
    if grouped and genuine:
        assert found.f.value == pytest.approx(f_of(right / grouped, right / genuine))
    else:
        assert found.f.value is None
        assert "no pair" in found.f.why


def test_the_example_worked_out_by_hand() -> None:
    # Group 0: A A B; group 1: B; a lone A. People: A has three faces, B two.
    found = measure_clustering([0, 0, 0, 1, -1], [0, 0, 1, 1, 0])
    assert (found.faces, found.people, found.groups) == (5, 2, 3)
    assert found.bcubed.precision.value == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert found.bcubed.recall.value == pytest.approx((2 / 3 + 2 / 3 + 1 / 2 + 1 / 2 + 1 / 3) / 5)
    assert found.pairwise.precision.value == pytest.approx(1 / 3)
    assert found.pairwise.recall.value == pytest.approx(1 / 4)


@settings(max_examples=50)
@given(faces, st.integers(0, 2**32 - 1))
def test_a_person_drawn_twice_is_no_stranger_to_the_double(pairs: Grouped, seed: int) -> None:
    # By hand: a face counts as often as its person, and meets others as often as they; its own person once.
    cells = Cells.of(*np.array(pairs).T)
    people = sorted({person for _, person in pairs})
    weights = np.random.default_rng(seed).integers(0, 3, len(people)) + 0.0
    weights[0] = 1
    of = dict(zip(people, weights, strict=True))
    total = sum(of[person] for _, person in pairs)
    precision = 0.0
    for i, (_, person) in enumerate(pairs):
        met = [p for j, (_, p) in enumerate(pairs) if together(pairs, i, j)]
        company = sum(1.0 if p == person else of[p] for p in met)
        precision += of[person] * met.count(person) / company
    assert cells.bcubed(weights[:, None])[0, 0] == pytest.approx(precision / total)


def made(people: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups with errors that vary by person: some are split, some pairs of neighbours are thrown together."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), rng.geometric(0.4, people))
    split = rng.random(people) < 0.3
    joined = np.arange(people) - (rng.random(people) < 0.15)
    labels = np.where(split[subjects] & (rng.random(len(subjects)) < 0.5), people + subjects, joined[subjects])
    return labels, subjects


def test_the_interval_is_as_wide_as_other_people_would_differ() -> None:
    # The spread of F over 300 studies of other people, beside the spread that one study states of itself.
    found = [measure_clustering(*made(150, seed), draws=200).bcubed.f for seed in range(300)]
    values = np.array([each.value for each in found], float)
    stated = np.array([width(each) for each in found]) / (2 * 1.96)
    assert np.median(stated) == pytest.approx(values.std(), rel=0.2)
    truth = values.mean()
    inside = np.mean([(each.low or 0) <= truth <= (each.high or 0) for each in found])
    assert inside >= 0.9


def width(figure: Figure) -> float:
    return (figure.high or 0) - (figure.low or 0)


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    labels, subjects = made(200, 1)
    worse = labels.copy()
    worse[::8] = -1
    found = bcubed_difference(labels, worse, subjects)
    assert 0 < (found.low or 0) < (found.value or 0) < (found.high or 0)
    both = [measure_clustering(each, subjects).bcubed.f for each in (labels, worse)]
    assert width(found) < 0.6 * np.hypot(*map(width, both))
    same = bcubed_difference(labels, labels, subjects)
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_groups_that_are_right_have_an_f_of_one() -> None:
    found = measure_clustering([3, 3, 7, -1], [5, 5, 9, 2])
    assert (found.bcubed.f.low, found.bcubed.f.value, found.bcubed.f.high) == (1, 1, 1)
    assert found.pairwise.f.value == 1


@pytest.mark.parametrize(("labels", "subjects"), [([], []), ([1], [1, 2]), ([[1]], [[1]])])
def test_a_group_and_a_person_for_each_face_are_wanted(labels: list[int], subjects: list[int]) -> None:
    with pytest.raises(InputError, match="a group and a person for each face"):
        measure_clustering(labels, subjects)
