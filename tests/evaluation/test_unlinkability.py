"""Linkability worked out on paper, in worlds where nothing or everything links, and by the paper's formula."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from simulated import samples_with

from mien.errors import InputError
from mien.evaluation import unlinkability as module
from mien.evaluation.samples import Samples
from mien.evaluation.unlinkability import Unlinkability, aligned, linkability, similarity, unlinkability
from mien.gallery.protection.renewable import Transform
from mien.values import Floats

DIMENSION = 16


def world(
    people: int = 120, pictures: int = 3, *, noise: float = 0.25, seed: int = 0, skew: bool = False
) -> tuple[Samples, Samples]:
    """Two databases of the same people, other pictures of each; unequal axes around a common mean.

    skew: the people lie lopsided along every axis.
    """
    rng = np.random.default_rng(seed)
    spread = np.linspace(2, 0.4, DIMENSION)
    own = rng.exponential(size=(people, DIMENSION)) - 1 if skew else rng.normal(size=(people, DIMENSION))
    subjects = np.repeat(np.arange(people), pictures)
    common = 2 * rng.normal(size=DIMENSION)
    return tuple(  # type: ignore[return-value]
        samples_with(
            unit(own[subjects] * spread + noise * rng.normal(size=(len(subjects), DIMENSION)) + common),
            subjects,
            people,
        )
        for _ in range(2)
    )


def unit(vectors: np.ndarray) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def stored(samples: Samples, key: int) -> Samples:
    return replace(samples, vectors=Transform.from_secret(bytes([key]) * 32, DIMENSION).apply(samples.vectors))


def value(found: Unlinkability) -> tuple[float, float]:
    assert found.linkability.value is not None
    assert found.area.value is not None
    return found.linkability.value, found.area.value


def given(scores: np.ndarray) -> Unlinkability:
    """One picture a person in each database, and these scores (people, people)."""
    people = len(scores)
    samples = samples_with(np.tile([1.0, 0], (people, 1)), np.arange(people), people)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.LINKAGES, "given", lambda _first, _second: scores.astype(np.float32))
        return unlinkability(samples, samples, linkage="given", draws=50)


def test_linkability_on_paper() -> None:
    # LR = 3, 1 and 1/3: D = (3 − 1)/(3 + 1) = 1/2 in the first bin, where 0.6 of the mated are; 0 elsewhere.
    mated, other = np.array([[0.6], [0.2], [0.2]]), np.array([[0.2], [0.2], [0.6]])
    assert linkability(mated, other) == pytest.approx([0.6 * 0.5])
    assert linkability(mated, mated) == pytest.approx([0])
    apart = np.array([[1.0, 0], [0, 0.5], [0, 0.5]])
    assert linkability(apart, apart[:, ::-1]) == pytest.approx([1, 1])


def test_linkability_is_the_paper_s_formula() -> None:
    rng = np.random.default_rng(1)
    mated, other = rng.dirichlet(np.ones(12), 2)
    expected = 0.0
    for p, q in zip(mated, other, strict=True):
        ratio = p / q
        expected += p * (2 * ratio / (1 + ratio) - 1 if ratio > 1 else 0)
    assert linkability(mated[:, None], other[:, None])[0] == pytest.approx(expected)


def test_two_normal_distributions_read_what_their_densities_say() -> None:
    """One picture a person, scores given: D_sys by numerical integration, the area by Φ(δ/√2)."""
    people, apart = 800, 1.0
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(people, people)) + apart * np.eye(people)
    found = given(scores)
    s = np.linspace(-8, 9, 20_001)
    p, q = (np.exp(-((s - mean) ** 2) / 2) / math.sqrt(2 * math.pi) for mean in (apart, 0))
    expected = float((p * np.clip((p - q) / (p + q), 0, None)).sum() * (s[1] - s[0]))
    linked, area = value(found)
    assert linked == pytest.approx(expected, abs=0.03)
    assert area == pytest.approx(0.5 * (1 + math.erf(apart / 2)), abs=0.02)


def test_what_is_apart_reads_one_and_what_is_alike_reads_nothing() -> None:
    assert value(given(np.eye(12))) == (1, 1)
    assert value(given(np.zeros((12, 12)))) == (0, 0.5)
    assert value(given(1 - np.eye(12))) == (1, 0)


def test_intervals_are_those_of_drawing_people() -> None:
    # Strangers score 0..1 evenly, half of the people 1/4, half 3/4: the area is 1/2 ± 1.96·√(1/16/400).
    scores = np.random.default_rng(3).uniform(size=(400, 400))
    np.fill_diagonal(scores, np.tile([0.25, 0.75], 200))
    area = given(scores).area
    assert area.value == pytest.approx(0.5, abs=0.01)
    assert area.low == pytest.approx(0.5 - 0.0245, abs=0.012)
    assert area.high == pytest.approx(0.5 + 0.0245, abs=0.012)


def test_without_protection_or_with_one_secret_everything_links() -> None:
    first, second = world()
    plain = value(unlinkability(first, second, draws=50))
    same = value(unlinkability(stored(first, 1), stored(second, 1), draws=50))
    assert min(plain) > 0.9
    assert plain == pytest.approx(same, abs=0.01)


def test_with_two_secrets_scores_tell_no_more_than_chance() -> None:
    first, second = world()
    found = [unlinkability(stored(first, key), stored(second, key + 50), draws=50) for key in range(1, 21)]
    linked = np.array([value(each)[0] for each in found])
    areas = np.array([value(each)[1] for each in found])
    assert linked.mean() < 0.25
    assert areas.mean() == pytest.approx(0.5, abs=0.1)


def test_strangers_read_the_null() -> None:
    """People numbered alike by accident: at most some of twenty measurements lie above what chance reads."""
    above = []
    for seed in range(20):
        first, _ = world(80, 2, seed=seed)
        _, other = world(80, 2, seed=100 + seed)
        found = unlinkability(first, other, draws=60)
        linked, area = value(found)
        above.append(linked > found.null)
        assert area == pytest.approx(0.5, abs=0.15)
    assert sum(above) <= 5


def test_two_tables_are_laid_over_each_other_without_a_secret() -> None:
    """The limit that docs/privacy.md states, in a world whose axes differ: the rotation hides no shape."""
    first, second = world(300, skew=True)
    hidden = stored(first, 1), stored(second, 51)
    assert value(unlinkability(*hidden, draws=20))[0] < 0.3
    assert min(value(unlinkability(*hidden, linkage="aligned", draws=20))) > 0.7


def test_a_renewed_table_is_laid_over_the_old_one() -> None:
    first, _ = world(100)
    found = unlinkability(stored(first, 1), stored(first, 51), linkage="aligned", draws=20)
    assert min(value(found)) > 0.7


def test_alignment_finds_a_known_rotation() -> None:
    first, _ = world(150, skew=True)
    scores = aligned(first.vectors, stored(first, 1).vectors)
    assert np.diag(scores).min() > 0.999
    centred = first.vectors - first.vectors.mean(axis=0)
    assert scores == pytest.approx(similarity(unit(centred), unit(centred)), abs=1e-3)


def test_people_and_comparisons_are_counted_as_they_are() -> None:
    rng = np.random.default_rng(5)
    subjects = np.repeat(np.arange(12), 2)
    first = samples_with(unit(rng.normal(size=(24, 8))), subjects, 12, failed=[0, 1, 2])
    second = samples_with(unit(rng.normal(size=(24, 8))), subjects[::-1], 12, failed=[23])
    found = unlinkability(first, second, draws=10)
    # Person 0 failed twice in the first; person 1 has one picture left there, and two in the second.
    assert (found.people, found.mated) == (11, 2 + 10 * 4)


def test_one_much_photographed_person_counts_once() -> None:
    """Of 40 people one links perfectly and has 60 pictures; the others' are noise. Nearly nothing links."""
    rng = np.random.default_rng(6)
    subjects = np.concatenate([np.zeros(60, int), np.repeat(np.arange(1, 41), 2)])
    tables = [rng.normal(size=(140, DIMENSION)) for _ in range(2)]
    for table in tables:
        table[:60] = 3.0
    found = unlinkability(*(samples_with(unit(table), subjects, 41) for table in tables), draws=50)
    assert value(found)[1] == pytest.approx(0.5, abs=0.1)


def test_the_same_seed_gives_the_same_figures() -> None:
    first, second = world(40, noise=2.0)
    one, again, other = (unlinkability(first, second, draws=20, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one.linkability.value == other.linkability.value
    assert one.linkability.low != other.linkability.low


def test_what_cannot_be_measured_is_refused() -> None:
    first, second = world(12)
    with pytest.raises(InputError, match="known: similarity, aligned"):
        unlinkability(first, second, linkage="guess")
    few = world(9)
    with pytest.raises(InputError, match="9 people are in both databases; 10 or more"):
        unlinkability(*few)
    with pytest.raises(InputError, match="the same people's templates"):
        unlinkability(first, few[0])
