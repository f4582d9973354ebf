"""Several templates of a person become one score."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.errors import InputError
from mien.fusion import RULE, RULES, mean_vectors, scorer
from mien.values import Floats

ROOT = 0.5**0.5


def unit(*rows: tuple[float, ...]) -> Floats:
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def drawn(rows: int, seed: int, d: int = 8) -> Floats:
    return unit(*np.random.default_rng(seed).normal(size=(rows, d)))


def plainly(rule: str, probe: Floats, templates: Floats) -> float:
    """One probe's score against one person's templates, as the definition says."""
    cosines = [float(np.dot(probe.astype(float), template.astype(float))) for template in templates]
    if rule == "mean vector":
        mean = templates.astype(float).mean(axis=0)
        return float(np.dot(probe.astype(float), mean) / np.sqrt(np.dot(mean, mean)))
    return max(cosines) if rule == "best similarity" else sum(cosines) / len(cosines)


@pytest.mark.parametrize(
    ("rule", "first"), [("mean vector", ROOT), ("best similarity", 1.0), ("mean similarity", 0.5)]
)
def test_the_rules_by_hand(rule: str, first: float) -> None:
    templates = unit((1, 0), (0, 1), (0.6, 0.8))
    score = scorer(templates, np.array([0, 0, 1]), 2, rule=rule)
    np.testing.assert_allclose(score(unit((1, 0))), [[first, 0.6]], atol=1e-7)


@pytest.mark.parametrize("rule", RULES)
def test_the_rules_by_definition(rule: str) -> None:
    owners = np.array([0, 1, 1, 1, 3, 3, 4])
    templates, probes = drawn(7, 1), drawn(20, 2)
    wanted = [
        [plainly(rule, probe, templates[owners == i]) if i in owners else -np.inf for i in range(6)]
        for probe in probes
    ]
    found = scorer(templates, owners, 6, rule=rule)(probes)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_one_template_scores_its_cosine_and_stays_within_one(rule: str) -> None:
    vectors = drawn(50, 3, d=512)
    found = scorer(vectors, np.arange(50), 50, rule=rule)(vectors)
    np.testing.assert_allclose(found, vectors @ vectors.T, atol=1e-6)
    assert found.max() <= 1


@pytest.mark.parametrize("rule", RULES)
def test_nobody_enrolled_and_nobody_searched_for(rule: str) -> None:
    nothing: NDArray[np.int64] = np.empty(0, np.int64)
    found = scorer(drawn(3, 1)[:0], nothing, 2, rule=rule)(drawn(4, 2))
    assert (found == -np.inf).all()
    assert found.shape == (4, 2)
    assert scorer(drawn(3, 1)[:0], nothing, 0, rule=rule)(drawn(4, 2)).shape == (4, 0)
    assert scorer(drawn(3, 1), np.arange(3), 3, rule=rule)(drawn(4, 2)[:0]).shape == (0, 3)


def test_templates_that_cancel_out_are_similar_to_nothing() -> None:
    opposite = unit((1, 0), (-1, 0))
    assert not mean_vectors(opposite, np.array([0])).any()
    assert scorer(opposite, np.array([0, 0]), 1)(unit((1, 0))) == 0


def test_the_chosen_rule_is_the_default() -> None:
    templates, owners, probes = drawn(6, 1), np.array([0, 0, 1, 1, 2, 2]), drawn(5, 2)
    stated = scorer(templates, owners, 3, rule=RULE)(probes)
    np.testing.assert_array_equal(scorer(templates, owners, 3)(probes), stated)


@pytest.mark.parametrize("owners", [[0, 1], [0, 1, 0], [0, 1, 2], [-1, 0, 1]])
def test_owners_that_do_not_fit(owners: list[int]) -> None:
    with pytest.raises(InputError, match="owners: "):
        scorer(drawn(3, 1), np.array(owners), 2)


def test_an_unknown_rule_names_the_known_ones() -> None:
    with pytest.raises(
        InputError, match="'median' is unknown; known: mean vector, best similarity, mean similarity"
    ):
        scorer(drawn(1, 1), np.array([0]), 1, rule="median")
