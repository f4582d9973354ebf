"""The running list of the best: nobody is lost, and little is held."""

from __future__ import annotations

import numpy as np
import pytest

from mien.errors import InputError
from mien.gallery.index.found import Found, best
from mien.gallery.index.shortlist import Shortlist


@pytest.mark.parametrize("order", ["rising", "falling", "shuffled"])
@pytest.mark.parametrize("block", [7, 400, 5000])
def test_rough_scores_lose_nobody(order: str, block: int) -> None:
    """Scores off by as much as they may be, upwards or downwards as is worst, in the order that is worst."""
    generator = np.random.default_rng(0)
    true = generator.random((5000, 3), np.float32)
    true = {"rising": np.sort(true, 0), "falling": np.sort(true, 0)[::-1], "shuffled": true}[order]
    units, slack = np.array([1, 0.5, 3], np.float32), np.array([0.05, 0, 0.01], np.float32)
    rough = (true + slack * generator.choice([-0.999, 0.999], true.shape).astype(np.float32)) / units
    seen: list[int] = []

    def rescore(rows: np.ndarray, owners: np.ndarray) -> np.ndarray:
        seen.append(len(rows))
        return true[rows, owners]

    shortlist = Shortlist(3, 10, units, rescore)
    for first in range(0, 5000, block):
        shortlist.look(rough[first : first + block], slack, first)
    rows, owners, scores = shortlist.finish()
    found = best(owners, rows, scores, 3, 10)
    np.testing.assert_array_equal(found.keys, np.argsort(-true, axis=0, kind="stable")[:10].T)
    assert sum(seen) < 3 * 5000 / 4


def test_the_best_of_hits_by_score_then_key() -> None:
    owners, keys = np.array([2, 0, 0, 0, 2]), np.array([5, 9, 3, 4, 1])
    found = best(owners, keys, np.array([0.5, 0.7, 0.7, 0.1, 0.9], np.float32), 3, 2)
    assert found.keys.tolist() == [[3, 9], [-1, -1], [1, 5]]
    np.testing.assert_array_equal(found.scores[1], [-np.inf, -np.inf])


def test_what_is_found_has_one_shape_and_stays() -> None:
    with pytest.raises(InputError, match="not one"):
        Found(np.zeros((1, 2), np.int64), np.zeros((2, 1), np.float32))
    found = Found(np.zeros((1, 2), np.int64), np.zeros((1, 2), np.float32))
    with pytest.raises(ValueError, match="read-only"):
        found.scores[0, 0] = 1
