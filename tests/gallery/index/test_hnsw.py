"""The graph of neighbours: near to exact, and removed people are gone from it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mien.bundle.runtime import Runtime
from mien.errors import MissingExtraError
from mien.gallery.index import Index, open_index
from mien.values import Floats

ONE = Runtime(threads=1)


def units(count: int, dimension: int, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension), np.float32)
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def test_without_its_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    monkeypatch.setitem(sys.modules, "usearch", None)
    with pytest.raises(MissingExtraError, match=r"'usearch' is needed here: pip install 'mien\[hnsw\]'"):
        open_index("hnsw", 8)


@pytest.fixture
def index() -> Index:
    pytest.importorskip("usearch")
    return open_index("hnsw", 32, runtime=ONE)


def recall(index: Index, vectors: Floats, keys: np.ndarray) -> float:
    return float((index.search(vectors, 1).keys[:, 0] == keys).mean())


def test_people_are_found_among_others(index: Index) -> None:
    vectors = units(2000, 32)
    keys = np.arange(2000) * 3 - 701
    index.put(keys, vectors)
    assert len(index) == 2000
    assert not index.exact
    assert recall(index, vectors, keys) > 0.99
    found = index.search(vectors[:5], 4)
    exact = open_index("exact", 32, runtime=ONE)
    exact.put(keys, vectors)
    np.testing.assert_allclose(found.scores, exact.search(vectors[:5], 4).scores, atol=0.02)


def test_few_people_and_none(index: Index) -> None:
    assert (index.search(units(2, 32), 3).keys == -1).all()
    index.put(np.array([8, 6]), np.repeat(units(1, 32), 2, axis=0))
    assert index.search(units(1, 32), 3).keys.tolist() == [[6, 8, -1]]
    assert index.search(units(3, 32)[:0], 3).keys.shape == (0, 3)


def test_removed_people_are_not_found_and_their_vectors_are_overwritten(index: Index) -> None:
    vectors = units(400, 32)
    index.put(np.arange(400), vectors)
    index.remove(np.array([5, 7, 7, 10_000]))
    index.remove(np.arange(100, 400))
    assert len(index) == 98
    left = np.setdiff1d(np.arange(100), [5, 7])
    every = index.search(vectors[:3], 98)
    np.testing.assert_array_equal(np.sort(every.keys), np.broadcast_to(left, (3, 98)))
    assert (index.search(vectors[:3], 120).keys[:, 98:] == -1).all()
    codes = np.rint(vectors * 127 / np.abs(vectors).max(axis=1, keepdims=True)).astype(np.int8)
    inside = bytes(index._graph.save())  # type: ignore[attr-defined]
    held = [vector.tobytes() in inside for vector in codes]
    np.testing.assert_array_equal(np.flatnonzero(held), left)


def test_people_are_found_among_many_removed(index: Index) -> None:
    vectors = units(2000, 32)
    index.put(np.arange(2000), vectors)
    index.remove(np.arange(0, 2000, 2))
    assert recall(index, vectors[1::2], np.arange(1, 2000, 2)) > 0.98


def test_places_of_the_removed_are_taken_again(index: Index) -> None:
    vectors = units(600, 32)
    index.put(np.arange(300), vectors[:300])
    before = index.nbytes
    for turn in range(5):
        index.remove(np.arange(300))
        index.put(np.arange(300), vectors[turn * 60 : turn * 60 + 300])
    assert index.nbytes < 1.2 * before
    assert len(index) == 300
    assert recall(index, vectors[240:540], np.arange(300)) > 0.97


def test_putting_a_key_again_replaces(index: Index) -> None:
    vectors = units(300, 32)
    index.put(np.arange(300), vectors)
    index.put(np.array([4, 4]), units(2, 32, seed=5))
    assert len(index) == 300
    assert index.search(units(2, 32, seed=5)[1:], 1).keys[0, 0] == 4
    assert index.search(vectors[4:5], 1).scores[0, 0] < 0.95
