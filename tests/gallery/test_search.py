"""Ranking, assignment and verdicts, against brute force and by hand."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from galleries import calibration, filled, of_person, opened, picture, reading
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.bundle.search import operating_point
from mien.errors import InputError
from mien.gallery.search import Ranking, assign

POINT = operating_point(calibration(), 4, 1e-2)


def ranking(scores: np.ndarray) -> Ranking:
    """Faces × people as a searcher would give them, best first."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ones = np.ones(scores.shape, np.int64)
    return Ranking(order, np.take_along_axis(scores, order, axis=1), ones, scores.shape[1], POINT)


@given(arrays(np.float32, (3, 4), elements=st.floats(-1, 1, width=32)))
def test_the_assignment_is_the_best_there_is(scores: np.ndarray) -> None:
    found = assign(ranking(scores))
    order = np.argsort(-scores, axis=1, kind="stable")
    people = [int(order[face, column]) if column >= 0 else None for face, column in enumerate(found)]
    assert len({p for p in people if p is not None}) == sum(p is not None for p in people)
    gain = scores.astype(np.float64) - POINT.review_similarity
    worth = np.where(gain >= 0, gain + 1e-6, 0.0)
    reached = sum(worth[face, who] for face, who in enumerate(people) if who is not None)
    best = max(sum(worth[face, who] for face, who in enumerate(some)) for some in permutations(range(4), 3))
    assert reached == pytest.approx(best, abs=1e-6)


def test_nobody_below_the_review_threshold() -> None:
    low = np.full((2, 4), POINT.review_similarity - 0.01, np.float32)
    assert assign(ranking(low)).tolist() == [-1, -1]


def test_a_second_choice_is_at_most_review(tmp_path: Path) -> None:
    with opened(tmp_path / "people.db") as held:
        held.enroll("Ann", reading(picture(1, 0, spread=0.01)))
        held.enroll("her twin", reading(picture(1, 1, spread=0.05)), allow=["looks-like-another"])
        ann, twin = picture(1, 2, spread=0.01), picture(1, 3, spread=0.03)
        first, second = held.identify(reading(ann, twin))
    assert (first.person, first.verdict) == ("Ann", "known")
    assert (second.person, second.verdict) == ("her twin", "review")
    assert second.note == "a second choice: the best candidate is another face here"


def test_low_quality_is_at_most_review(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db") as held:
        (match,) = held.identify(reading(picture(1, 5), reasons=[("blurred", "dark")]))
    assert (match.person, match.verdict, match.note) == ("person 1", "review", "low quality: blurred, dark")


def test_between_the_thresholds_is_review(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", pictures=1) as held:
        point = operating_point(calibration(), 5, 1e-2)
        halfway = (point.similarity + point.review_similarity) / 2
        template = picture(1, 0)
        aside = picture(99)
        aside = aside - (aside @ template) * template
        made = halfway * template + np.sqrt(1 - halfway**2) * aside / np.linalg.norm(aside)
        (match,) = held.identify(reading(made.astype(np.float32)))
    assert (match.person, match.verdict) == ("person 1", "review")
    assert match.score == pytest.approx(halfway, abs=1e-5)
    assert 1e-2 < match.score_fpir < 1e-1


def test_a_stricter_rate_knows_fewer(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", pictures=1) as held:
        faces = [reading(picture(n, seed, spread=0.2)) for n in range(5) for seed in range(40)]
        known = {
            rate: sum(held.identify(f, fpir=rate)[0].verdict == "known" for f in faces) for rate in (0.05, 1e-5)
        }
    assert known[1e-5] < known[0.05]


def test_strangers_pass_as_seldom_as_asked(tmp_path: Path) -> None:
    """2,000 strangers against 50 people of one template: the bound of FPIR 5 % holds, and is no empty one."""
    with filled(tmp_path / "people.db", people=50, pictures=1) as held:
        vectors = [picture(1000 + n) for n in range(2000)]
        known = [
            match.verdict == "known"
            for start in range(0, 2000, 20)
            for match in held.identify(reading(*vectors[start : start + 20]), fpir=0.05)
        ]
    assert 0.02 < np.mean(known) < 0.06


@pytest.mark.parametrize("fpir", [0, 1, -1, 2])
def test_rates_that_are_none(tmp_path: Path, fpir: float) -> None:
    with opened(tmp_path / "people.db") as held, pytest.raises(InputError, match="between 0 and 1"):
        held.identify(of_person(1), fpir=fpir)
