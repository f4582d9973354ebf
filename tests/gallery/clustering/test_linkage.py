"""Groups grow as the rule at the head of linkage.py says, held against doing it by hand on every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.gallery.clustering.linkage import group_vectors, link

NOTHING_KNOWN = -1


def unit(count: int, seed: int, spread: float = 0.7) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal([1, 0, 0, 0], spread, (count, 4))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def every_pair(count: int) -> np.ndarray:
    return np.stack(np.triu_indices(count, 1), axis=1).astype(np.int32)


def alike(vectors: np.ndarray, a: list[int], b: list[int]) -> float:
    """The geometric mean of the average similarity across and the cosine of the means."""
    average = float(np.mean(vectors[a] @ vectors[b].T))
    means = vectors[a].mean(axis=0), vectors[b].mean(axis=0)
    cosine = float(means[0] @ means[1] / (np.linalg.norm(means[0]) * np.linalg.norm(means[1])))
    return float(np.sign(average) * np.sqrt(average * cosine))


def by_hand(vectors: np.ndarray, level: float, known: np.ndarray) -> list[list[int]]:
    told = sorted(set(known[known >= 0].tolist()))
    groups = [(np.flatnonzero(known == t).tolist(), t) for t in told]
    groups += [([i], NOTHING_KNOWN) for i in np.flatnonzero(known < 0).tolist()]
    while True:
        pairs = [
            (alike(vectors, groups[i][0], groups[j][0]), i, j)
            for i in range(len(groups))
            for j in range(i)
            if min(groups[i][1], groups[j][1]) < 0
        ]
        best, i, j = max(pairs, default=(-2, 0, 0))
        if best < level:
            return sorted(sorted(group) for group, _ in groups)
        joined = groups[i][0] + groups[j][0], max(groups[i][1], groups[j][1])
        groups = [each for k, each in enumerate(groups) if k not in {i, j}] + [joined]


def grouped(labels: np.ndarray) -> list[list[int]]:
    return sorted(np.flatnonzero(labels == label).tolist() for label in set(labels.tolist()))


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 16), st.integers(0, 2**32 - 1), st.floats(0.3, 0.98))
def test_groups_are_those_made_by_hand(count: int, seed: int, level: float) -> None:
    vectors, known = unit(count, seed), np.full(count, NOTHING_KNOWN)
    assert grouped(link(vectors, every_pair(count), level, known)) == by_hand(vectors, level, known)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 14), st.integers(0, 2**32 - 1), st.floats(0.3, 0.98))
def test_what_is_known_stays_together_and_apart(count: int, seed: int, level: float) -> None:
    vectors, known = unit(count, seed), np.random.default_rng(seed).integers(-2, 3, count)
    known = np.maximum(known, NOTHING_KNOWN)
    labels = link(vectors, every_pair(count), level, known)
    assert grouped(labels) == by_hand(vectors, level, known)
    for i, j in every_pair(count):
        if min(known[i], known[j]) >= 0:
            assert (labels[i] == labels[j]) == (known[i] == known[j])


def test_a_group_is_called_after_its_first_face() -> None:
    vectors = np.array([[1.0, 0], [0, 1], [0.99, 0.141], [0.141, 0.99]])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert link(vectors, every_pair(4), 0.9, np.full(4, -1)).tolist() == [0, 1, 0, 1]


def test_only_pairs_along_the_graph_join() -> None:
    vectors = np.tile([1.0, 0, 0], (4, 1))
    edges = np.array([[0, 1], [2, 3]], np.int32)
    assert grouped(link(vectors, edges, 0.9, np.full(4, -1))) == [[0, 1], [2, 3]]
    assert grouped(link(vectors, edges[:0], 0.9, np.full(4, -1))) == [[0], [1], [2], [3]]


def test_a_chain_of_neighbours_is_no_group() -> None:
    # Each is within 20° of the next; the level is 25.8° (0.9), and the ends are 180° apart.
    angles = np.radians(20 * np.arange(10))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    groups = grouped(link(vectors, every_pair(10), 0.9, np.full(10, -1)))
    assert max(map(len, groups)) <= 3


def test_many_copies_of_one_picture_end_in_one_group() -> None:
    # Ties everywhere, and sums that differ in their last bits only.
    vectors = np.tile(unit(1, 1), (200, 1))
    assert len(grouped(link(vectors, every_pair(200), 0.9, np.full(200, -1)))) == 1


def test_vectors_that_cancel_out_are_like_nothing() -> None:
    held = group_vectors(np.array([[1.0, 0], [-1, 0], [0, 1]], np.float32), np.array([0, 0, 1]), 2)
    assert np.isfinite(held).all()
    assert held[0] @ held[1] == pytest.approx(0)
    assert held[1] @ held[1] == pytest.approx(1)
