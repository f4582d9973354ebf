"""The promise of every interval: of 500 studies drawn from a world whose truth is known, 95 % hold it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.random import Generator
from simulated import World

from mien.evaluation.metrics import Measured, Trial
from mien.evaluation.study import Figure, Weighting

pytestmark = pytest.mark.long

Shares = dict[str, float]
DRAWS = 400
RATES = (1e-1, 1e-2)
LIKE_FACES = World(alike=0.2, own=0.5)  # strangers differ little by person, people differ more in how they vary
EVERYONE_ALIKE = World(alike=0.0, own=0.0)


def coverage(world: World, draw: Callable[[Generator], Trial], weighting: Weighting, studies: int) -> Shares:
    """The share of studies in which each figure's interval holds the truth."""
    rng = np.random.default_rng(0)
    holds: Counter[str] = Counter()
    for _ in range(studies):
        measured = Measured.of(draw(rng), weighting, RATES)
        holds.update(name for name, figure, truth in stated(measured, world) if holding(figure, truth))
    print(shares := {name: count / studies for name, count in sorted(holds.items())})
    assert len(shares) == 5
    return shares


def test_of_people_who_differ() -> None:
    shares = coverage(LIKE_FACES, lambda rng: LIKE_FACES.all_pairs(rng, 200, 3, DRAWS), "person", 500)
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def test_of_people_all_alike() -> None:
    """The variance of FMR is held above the pairs' noise, which is all there is: it may be a little large."""
    shares = coverage(EVERYONE_ALIKE, lambda rng: EVERYONE_ALIKE.all_pairs(rng, 120, 4, DRAWS), "pair", 500)
    allowed = {name: 0.98 if "threshold" in name else 0.97 for name in shares}
    assert all(0.93 <= share <= allowed[name] for name, share in shares.items()), shares


def test_of_pairs_of_which_nobody_says_who_they_are() -> None:
    """3,000 of either kind, as LFW has them. Quick to draw, so that more studies tell more precisely."""
    shares = coverage(LIKE_FACES, lambda rng: LIKE_FACES.pairs(rng, 3000, DRAWS), "pair", 1000)
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def stated(measured: Measured, world: World) -> Iterator[tuple[str, Figure, float]]:
    """Each figure of a study beside what it estimates."""
    for rate in RATES:
        yield f"threshold at {rate}", measured.point(rate).threshold, world.threshold(rate)
    yield "TAR at 0.01", measured.point(1e-2).tar, world.tar(1e-2)
    yield "equal error rate", measured.equal_error, world.equal_error
    yield "area", measured.area, world.area


def holding(figure: Figure, truth: float) -> bool:
    assert figure.low is not None
    assert figure.high is not None
    return figure.low <= truth <= figure.high
