"""The graph of look-alikes, held against all similarities at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.gallery.clustering.neighbours import neighbours


def unit(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(0.5, 1, (count, 6))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def by_hand(vectors: np.ndarray, floor: float, most: int) -> list[list[int]]:
    """Every pair at or above the floor that is among the nearest of one of the two."""
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    nearest = np.argsort(-alike, axis=1)[:, :most]
    n = len(vectors)
    pairs = {(min(i, int(j)), max(i, int(j))) for i in range(n) for j in nearest[i] if alike[i, j] >= floor}
    return [list(pair) for pair in sorted(pairs)]


@settings(max_examples=60)
@given(st.integers(0, 40), st.integers(0, 2**32 - 1), st.floats(-1, 0.99), st.integers(1, 50))
def test_it_is_what_all_similarities_say(count: int, seed: int, floor: float, most: int) -> None:
    vectors = unit(count, seed)
    assert neighbours(vectors, floor, most).tolist() == by_hand(vectors, floor, most)


def test_a_few_rows_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(50, 3)
    whole = neighbours(vectors, 0.2, 5)
    monkeypatch.setattr("mien.gallery.clustering.neighbours.BLOCK", 50 * 7)
    assert neighbours(vectors, 0.2, 5).tolist() == whole.tolist()
    assert len(whole) > 50


def test_no_more_similarities_are_held_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.gallery.clustering import neighbours as module

    held: list[int] = []
    near = module._near

    def watched(vectors: np.ndarray, start: int, stop: int, floor: float, most: int) -> np.ndarray:
        held.append((min(stop, len(vectors)) - start) * len(vectors))
        return near(vectors, start, stop, floor, most)

    monkeypatch.setattr(module, "_near", watched)
    monkeypatch.setattr(module, "BLOCK", 1000)
    module.neighbours(unit(90, 1), 0.5)
    assert sum(held) == 90 * 90
    assert max(held) <= 1000
