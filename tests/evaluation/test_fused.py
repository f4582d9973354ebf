"""Strangers against people of several templates, held against comparisons made one by one."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from simulated import samples_of

from mien.evaluation.fused import COUNTS, FEWEST, against_fused
from mien.evaluation.samples import Samples
from mien.fusion import mean_vectors

MANY = samples_of([8] * 31 + [3] * 5 + [1] * 20, seed=2, exact=False)


def test_every_number_of_templates_that_enough_people_have() -> None:
    found = [(each.templates, each.people) for each in against_fused(MANY)]
    assert found == [(2, 36), (3, 36), (5, 31), (8, 31)]
    assert list(against_fused(samples_of([8] * (FEWEST - 1) + [1] * 50))) == []
    assert [each.templates for each in against_fused(samples_of([4] * FEWEST))] == [2, 3]


def test_only_usable_pictures_count() -> None:
    failed = np.flatnonzero(MANY.subjects < 2).tolist()
    samples = samples_of([8] * 31 + [3] * 5 + [1] * 20, seed=2, exact=False, failed=failed)
    found = list(against_fused(samples))
    assert [(each.templates, each.people) for each in found] == [(2, 34), (3, 34)]
    for each in found:
        assert not {0, 1} & {*each.fused.first.tolist(), *each.fused.second.tolist()}
        assert np.isfinite(each.fused.scores).all()


def test_comparisons_are_of_everybody_s_pictures_with_strangers_only() -> None:
    for each in against_fused(MANY):
        for compared in (each.fused, each.alone):
            assert (
                len(compared)
                == compared.count
                == sum(
                    len(MANY) - np.count_nonzero(MANY.subjects == person)
                    for person in np.unique(compared.second)
                )
            )
            assert (compared.first != compared.second).all()
            assert (MANY.subjects[compared.left] == compared.first).all()
            assert (MANY.subjects[compared.right] == compared.second).all()


def test_with_all_of_a_person_s_pictures_the_score_is_that_of_their_mean() -> None:
    eight = list(against_fused(MANY))[-1].fused
    for row in range(0, len(eight), 97):
        own = MANY.vectors[MANY.subjects == eight.second[row]]
        mean = mean_vectors(own, np.array([0]))[0]
        assert eight.scores[row] == pytest.approx(float(MANY.vectors[eight.left[row]] @ mean), abs=1e-5)


def test_alone_is_a_comparison_with_one_of_those_templates() -> None:
    alone = next(against_fused(MANY)).alone
    direct = np.einsum("ij,ij->i", MANY.vectors[alone.left], MANY.vectors[alone.right])
    assert alone.scores == pytest.approx(direct, abs=1e-5)
    each_one = {(int(s), int(r)) for s, r in zip(alone.second, alone.right, strict=True)}
    assert len(each_one) == 36  # one template a person


@pytest.mark.parametrize("most", [700_000, 60 * 36])
def test_pairs_of_people_have_equal_parts_whoever_is_probe(most: int) -> None:
    for each in against_fused(MANY, most=most):
        sums: dict[frozenset[int], float] = defaultdict(float)
        c = each.fused
        for first, second, share in zip(c.first, c.second, c.shares["person"], strict=True):
            sums[frozenset((int(first), int(second)))] += share
        assert sum(sums.values()) == pytest.approx(1)
        assert list(sums.values()) == pytest.approx([1 / len(sums)] * len(sums))
        assert c.shares["pair"] == pytest.approx(1 / len(c))


def test_comparisons_are_held_down_by_fewer_pictures_of_each_first_then_by_fewer_people() -> None:
    some = next(against_fused(MANY, most=56 * 36))
    assert (some.people, len(np.unique(some.fused.left))) == (36, 56)
    assert len(np.unique(some.fused.first)) == 56  # one picture of everybody
    few = next(against_fused(MANY, most=56 * FEWEST))
    assert (few.people, len(np.unique(few.fused.first))) == (FEWEST, 56)
    assert [each.templates for each in against_fused(MANY, most=1)] == list(COUNTS)


def test_the_seed_chooses_templates() -> None:
    def of(seed: int, samples: Samples = MANY) -> list[float]:
        found: list[float] = next(against_fused(samples, seed=seed)).fused.scores.tolist()
        return found

    assert of(1) == of(1) != of(2)
