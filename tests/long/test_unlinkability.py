"""What two databases under two secrets tell of who is in both, on real faces; docs/privacy.md has the figures.

On the real pictures beside the project, by the starter bundles. Skipped where they are absent.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.evaluation.enrol import enrol, people_in
from mien.evaluation.samples import Samples
from mien.evaluation.unlinkability import Unlinkability, unlinkability
from mien.gallery.protection.renewable import Transform
from mien.recognition.recognizer import Recognizer

pytestmark = pytest.mark.long

SECRETS = 5


@pytest.fixture(scope="module")
def databases(shared_data: Path) -> tuple[Samples, Samples]:
    """Everybody with two pictures or more, every other picture in the one, the rest in the other."""
    recognizer = Recognizer.load()
    samples = enrol(
        people_in(shared_data / "faces" / "lfw-dev"),
        recognizer.read_many,
        face="central",
        bundle=recognizer.bundle.digest,
        aligner=recognizer.aligner.digest,
        dimension=recognizer.dimension,
    ).samples
    turns, seen = np.zeros(len(samples), np.int64), np.zeros(len(samples.people), np.int64)
    for row, subject in enumerate(samples.subjects):
        turns[row] = seen[subject]
        seen[subject] += 1
    several = seen[samples.subjects] > 1
    first, second = (samples.subset(np.flatnonzero(several & (turns % 2 == turn))) for turn in (0, 1))
    return first, second


def stored(samples: Samples, secret: int) -> Samples:
    transform = Transform.from_secret(bytes([secret]) * 32, samples.vectors.shape[1])
    vectors = np.array(samples.vectors)
    vectors[samples.enrolled] = transform.apply(vectors[samples.enrolled])
    return replace(samples, vectors=vectors)


def told(found: Unlinkability) -> tuple[float, float]:
    assert found.people > 450
    assert found.linkability.value is not None
    assert found.area.value is not None
    return found.linkability.value, found.area.value


def test_without_protection_or_with_one_secret_nearly_everybody_is_linked(
    databases: tuple[Samples, Samples],
) -> None:
    first, second = databases
    assert min(told(unlinkability(first, second))) > 0.95
    assert min(told(unlinkability(stored(first, 1), stored(second, 1)))) > 0.95


def test_two_secrets_leave_a_score_next_to_nothing_to_tell(databases: tuple[Samples, Samples]) -> None:
    first, second = databases
    found = [told(unlinkability(stored(first, i), stored(second, 100 + i))) for i in range(1, SECRETS + 1)]
    linked, areas = np.array(found).T
    assert linked.max() < 0.08
    assert np.abs(areas - 0.5).max() < 0.08
    assert abs(areas.mean() - 0.5) < 0.04


def test_two_whole_tables_are_laid_over_each_other_all_the_same(databases: tuple[Samples, Samples]) -> None:
    """Why stored templates are sealed besides: with both whole tables, and no secret, people are found."""
    first, second = databases
    others = told(unlinkability(stored(first, 1), stored(second, 101), linkage="aligned"))
    renewed = told(unlinkability(stored(first, 1), stored(first, 101), linkage="aligned"))
    assert others[1] > 0.7
    assert renewed[1] > 0.99


def test_every_cosine_is_kept(databases: tuple[Samples, Samples]) -> None:
    vectors = databases[0].vectors[databases[0].enrolled].astype(np.float64)
    turned = Transform.from_secret(bytes(32), vectors.shape[1]).apply(vectors.astype(np.float32))
    after = turned.astype(np.float64)
    assert np.abs(after @ after.T - vectors @ vectors.T).max() < 2e-6
